"""Cell, reflections and widths against tables, analytic limits and an exact Voigt profile."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import voigt_profile

from jxrecon.twin.lattice_maps import (
    cell_volume,
    elements,
    intensities,
    lattice,
    line_width_deg,
    microstrain,
    pseudo_voigt_width,
    spacing,
)
from jxrecon.twin.states import STATES

WAVELENGTH = 0.716672e-10
# Two-theta at 17.3 keV of a = 2.852, c = 14.25 A, computed with xraylib 4.3.
TWO_THETA = {
    (0, 0, 3): 8.6529,
    (1, 0, 1): 16.9345,
    (1, 0, 4): 20.3364,
    (1, 0, 7): 26.3714,
    (1, 1, 3): 30.4211,
}


@pytest.mark.parametrize("hkl", TWO_THETA)
def test_angles_of_reflections(hkl):
    d = spacing(hkl, np.array([2.852]), np.array([14.25]))
    assert np.degrees(2 * np.arcsin(0.716672 / 2 / d)) == pytest.approx(TWO_THETA[hkl], abs=2e-4)


def test_cell_grows_by_its_volume():
    change = np.linspace(0, 0.125, 6)
    a, c = lattice(change)
    assert np.allclose(cell_volume(a, c) / cell_volume(*lattice(np.zeros(6))), 1 + change, rtol=1e-12)
    assert cell_volume(np.array([2.852]), np.array([14.25])) == pytest.approx(100.38, abs=0.01)
    assert np.allclose(np.log(c / 14.24), 0.4 * np.log1p(change), atol=1e-12)


@pytest.mark.parametrize("lorentzian", [0.0, 0.02, 0.1, 0.5])
def test_width_of_a_voigt_profile(lorentzian):
    """Half of the maximum of the exact profile, within 0.3 %."""
    gaussian = 0.1
    sigma, gamma = gaussian / np.sqrt(8 * np.log(2)), lorentzian / 2
    peak = voigt_profile(0, sigma, gamma)
    half = brentq(lambda x: voigt_profile(x, sigma, gamma) - peak / 2, 0, 1)
    assert pseudo_voigt_width(np.array([gaussian]), np.array([lorentzian])) == pytest.approx(
        2 * half, rel=3e-3
    )


@pytest.mark.parametrize("hkl, strain", [((0, 0, 3), 0.004), ((1, 1, 0), 0.001)])
def test_width_of_pure_directions(hkl, strain):
    """Along c only c's strain counts, across it only a's: (180/pi) (0.9 lambda / (D cos theta) + 4 eps tan theta)."""
    cell, both = (np.array([2.852]), np.array([14.25])), (np.array([0.001]), np.array([0.004]))
    theta = np.arcsin(0.716672 / 2 / spacing(hkl, *cell))
    exact = np.degrees(0.9 * WAVELENGTH / (65e-9 * np.cos(theta)) + 4 * strain * np.tan(theta))
    sizes = {"crystallite_m": 65e-9, "wavelength_m": WAVELENGTH, "instrument_deg": 0.0}
    assert line_width_deg(hkl, cell, both, **sizes) == pytest.approx(exact, rel=1e-6)


def test_strain_of_a_state():
    state = STATES["cycled_small"]
    radius, proximity = np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0])
    of_a, of_c = microstrain(state, radius, proximity)
    assert np.all(of_a == 0.0015)
    assert np.allclose(of_c, [0.0090, 0.0120, 0.0045], atol=1e-5)


@pytest.mark.parametrize("name", STATES)
def test_reflections_have_their_shells(name):
    """Own maximum one: (101) is strongest in the core, (104) next, (003) at the surface, but within the steps themselves."""
    state, radius = STATES[name], np.cbrt(np.linspace(0, 1, 20000))
    found = intensities(state, np.ones_like(radius), radius)
    strongest = np.argmax([found[k] / found[k].max() for k in ("101", "104", "003")], axis=0)
    assert np.mean(strongest == np.digitize(radius, state.shells)) > 0.95
    assert max(v.max() for v in found.values()) <= state.crystallinity
    assert found["003"].max() == pytest.approx(state.crystallinity * state.amplitude_003, rel=0.05)


def test_elements_share_the_metals():
    density = np.array([0.0, 0.5, 1.0])
    found = elements(density)
    assert np.allclose(sum(found.values()), density)
    assert np.allclose(found["manganese"] / 0.54, found["nickel"] / 0.19)
