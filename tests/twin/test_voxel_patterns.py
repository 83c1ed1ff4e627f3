"""Sums of patterns against direct summation, profiles against the exact Voigt function, fits against what was put in."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import voigt_profile

from jxrecon.forward.powder import parallax_deg
from jxrecon.twin.lattice_maps import lattice, line_width_deg, spacing
from jxrecon.twin.peak_truth import fitted_peaks
from jxrecon.twin.states import STATES
from jxrecon.twin.voxel_patterns import Optics, family, nearer_deg, pseudo_voigt, seen_nearer, two_theta_deg

WAVELENGTH = 0.7166717e-10
CHANNELS = np.arange(7.5, 21.5, 0.02)
OPTICS = Optics(WAVELENGTH, 0.035, CHANNELS)
HKL = {"003": (0, 0, 3), "101": (1, 0, 1), "104": (1, 0, 4)}


def direct(state, hkl, expansion, strain, amount):
    """Every voxel's pattern, one by one in double precision."""
    cell = lattice(expansion)
    widths = line_width_deg(
        hkl,
        cell,
        (np.full_like(strain, state.microstrain_a), strain),
        crystallite_m=state.crystallite_m,
        wavelength_m=WAVELENGTH,
        instrument_deg=0.0,
    )
    distance = CHANNELS - two_theta_deg(spacing(hkl, *cell), WAVELENGTH)[:, None]
    return amount @ pseudo_voigt(distance, np.full_like(widths, 0.035)[:, None], widths[:, None])


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("hkl", HKL.values())
def test_sum_of_patterns_is_the_bulk_pattern(name, hkl):
    """Within 1e-4 of the peak's height, for many voxels and for a single one."""
    state, rng = STATES[name], np.random.default_rng(0)
    base, core, crack = state.expansion
    expansion = base + core * rng.uniform(0, 1, 3000) + crack * rng.uniform(0, 1, 3000)
    strain = state.microstrain_c[0] + sum(state.microstrain_c[1:]) * rng.uniform(0, 1, 3000)
    amount = rng.uniform(0, 1, 3000)
    kinds, place = family(state, OPTICS, expansion, strain), rng.integers(0, 3, 3000)
    patterns = kinds.patterns(hkl)
    found = kinds.summed(place, expansion, strain, amount, 3) @ patterns
    for number in range(3):
        here = place == number
        exact = direct(state, hkl, expansion[here], strain[here], amount[here])
        assert np.max(np.abs(found[number] - exact)) < 1e-4 * exact.max()
    one = kinds.summed(place[:1], expansion[:1], strain[:1], amount[:1], 3) @ patterns
    exact = direct(state, hkl, expansion[:1], strain[:1], amount[:1])
    assert np.max(np.abs(one[place[0]] - exact)) < 3e-4 * exact.max()


@pytest.mark.parametrize("lorentzian", [0.01, 0.05, 0.2])
def test_profile_is_close_to_the_exact_one(lorentzian):
    x = np.linspace(-20, 20, 40001)
    found = pseudo_voigt(x, np.array([0.05]), np.array([lorentzian]))
    exact = voigt_profile(x, 0.05 / np.sqrt(8 * np.log(2)), lorentzian / 2)
    assert np.max(np.abs(found - exact)) < 0.015 * exact.max()
    assert np.trapezoid(found, x) == pytest.approx(np.trapezoid(exact, x), abs=2e-3)


def test_nearer_specimens_scatter_to_smaller_angles():
    """A flat detector: the ring of a specimen at the distance L (1 - n) has the radius L (1 - n) tan(2 theta)."""
    angles = np.array([8.65, 16.93, 20.34])
    shift = nearer_deg(angles, 1e-3) - angles
    assert np.allclose(np.tan(np.radians(angles + shift)), 0.999 * np.tan(np.radians(angles)), rtol=1e-12)
    assert np.allclose(shift, parallax_deg(angles, jnp.array([1e-3]))[0], rtol=2e-3)


def test_whole_patterns_move_as_their_peaks_do():
    def peak(centre):
        return pseudo_voigt(CHANNELS - centre, np.array([0.035]), np.array([0.06]))

    # All angles shrink by 0.2 %, the width too.
    moved = seen_nearer(peak(8.65), CHANNELS, 2e-3)
    assert np.max(np.abs(moved - peak(nearer_deg(np.array([8.65]), 2e-3)))) < 6e-3 * peak(8.65).max()


def test_changes_of_patterns_with_the_distance():
    state = STATES["delithiated"]
    kinds = family(state, OPTICS, np.array([0.01, 0.02]), np.array([0.003, 0.006]))
    moved = kinds.patterns((1, 0, 4), 1e-4) - kinds.patterns((1, 0, 4))
    linear = 1e-4 * kinds.shift_patterns((1, 0, 4))
    assert np.max(np.abs(moved - linear)) < 0.1 * np.abs(moved).max()


def test_one_knot_where_nothing_varies():
    kinds = family(STATES["pristine"], OPTICS, np.zeros(5), np.full(5, 0.002))
    assert kinds.patterns((0, 0, 3)).shape == (1, len(CHANNELS))
    zeros = np.zeros(5, np.int64)
    assert kinds.summed(zeros, np.zeros(5), np.full(5, 0.002), np.ones(5), 1).toarray() == pytest.approx(5)


def test_fits_of_single_peaks_find_what_was_put_in():
    centre, width, eta = np.array([8.5, 8.66]), np.array([0.2, 0.08]), np.array([0.3, 0.9])
    t = ((CHANNELS - centre[:, None]) / width[:, None]) ** 2
    lorentzian, gaussian = (
        2 / np.pi / (1 + 4 * t),
        2 * np.sqrt(np.log(2) / np.pi) * np.exp(-4 * np.log(2) * t),
    )
    peaks = (
        np.array([[3.0], [7e-4]])
        * (eta[:, None] * lorentzian + (1 - eta[:, None]) * gaussian)
        / width[:, None]
    )
    found = fitted_peaks(np.concatenate([peaks, np.zeros((1, len(CHANNELS)))]), CHANNELS)
    for value, exact in zip(
        (found.area, found.centre_deg, found.fwhm_deg, found.eta),
        ([3, 7e-4], centre, width, eta),
        strict=True,
    ):
        assert np.allclose(value[:2], exact, rtol=1e-6)
        assert np.isnan(value[2])


def test_width_of_a_sum_is_more_than_the_mean_width():
    """Two equal peaks side by side: patterns add, widths do not."""
    pair = sum(pseudo_voigt(CHANNELS - c, np.array([0.035]), np.array([0.1])) for c in (8.60, 8.66))
    one = fitted_peaks(pseudo_voigt(CHANNELS - 8.63, np.array([0.035]), np.array([0.1]))[None], CHANNELS)
    both = fitted_peaks(pair[None], CHANNELS)
    assert both.centre_deg[0] == pytest.approx(8.63, abs=1e-6)
    assert both.fwhm_deg[0] > one.fwhm_deg[0] + 0.02
