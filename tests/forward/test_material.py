"""Phase and absorption of materials: against another library's tables, published densities, and one quantity through another."""

import subprocess
import sys

import numpy as np
import pytest

from jxrecon.errors import InputError
from jxrecon.forward.material import (
    BOROSILICATE,
    ELECTRON_RADIUS_M,
    SILICA,
    Material,
    wavelength_m,
)

NMC = Material()
# Another library's tables (xraylib 4.3: f1, f2 and total cross-sections), for 3.6 g/cm3:
# keV, wavelength (A), delta, f1/Z, beta, attenuation length (um), transmission of 20 um
TABLE = [
    (6.2, 1.99975, 1.761e-5, 0.958, 2.84e-7, 54.6, 0.693),
    (7.0, 1.77120, 1.393e-5, 0.966, 7.60e-7, 18.5, 0.339),
    (8.7, 1.42511, 9.20e-6, 0.986, 5.44e-7, 20.7, 0.380),
    (17.3, 0.716672, 2.377e-6, 1.0075, 4.21e-8, 132.0, 0.859),
]


@pytest.mark.parametrize("energy, wavelength, delta, f1, beta, length, transmission", TABLE)
def test_nmc_agrees_with_other_tables(energy, wavelength, delta, f1, beta, length, transmission):
    density = NMC.electron_density(3.6)
    assert wavelength_m(energy) * 1e10 == pytest.approx(wavelength, abs=6e-6)
    assert NMC.f1_per_electron(energy) == pytest.approx(f1, abs=0.002)
    assert NMC.delta(density, energy) == pytest.approx(delta, rel=2e-3)
    assert NMC.beta(density, energy) == pytest.approx(beta, rel=8e-3)
    # Those lengths count what is scattered out of the beam as well: 3 % at 6.2 and 17.3 keV.
    mu = NMC.attenuation_per_m(density, energy)
    assert 1e6 / mu == pytest.approx(length, rel=0.035)
    assert np.exp(-mu * 20e-6) == pytest.approx(transmission, rel=0.012)


def test_composition_and_densities():
    assert NMC.electrons() == pytest.approx(41.03)
    assert NMC.molar_mass_g() == pytest.approx(86.832, rel=1e-4)
    assert NMC.electron_density(3.6) == pytest.approx(1.0244, rel=1e-4)
    assert NMC.electron_density(4.25) == pytest.approx(1.209, rel=1e-3)
    assert NMC.mass_density_g_cm3(NMC.electron_density(3.3)) == pytest.approx(3.3)


def test_glass():
    # The same other tables give f1/Z 1.0143 and f2/Z 0.01759 for silica at 7 keV.
    silica = Material(SILICA)
    density = silica.electron_density(2.2)
    assert density == pytest.approx(0.6615, rel=1e-3)
    assert silica.f1_per_electron(7.0) == pytest.approx(1.0143, abs=1e-3)
    assert silica.f2_per_electron(7.0) == pytest.approx(0.01759, rel=0.03)
    assert Material(BOROSILICATE).electron_density(2.23) == pytest.approx(0.66, abs=0.01)
    oxides = {"SiO2": 0.81, "B2O3": 0.13, "Na2O": 0.04, "Al2O3": 0.02}
    mixed = sum(w * Material(f).electrons() / Material(f).molar_mass_g() for f, w in oxides.items())
    glass = Material(BOROSILICATE)
    assert glass.electrons() / glass.molar_mass_g() == pytest.approx(mixed, rel=1e-3)


def test_one_quantity_through_another():
    density = np.linspace(0.1, 1.2, 5)
    delta = NMC.delta(density, 7.0)
    step = NMC.phase_step(density, 7.0, 20e-9)
    np.testing.assert_allclose(step, -2 * np.pi * 20e-9 * delta / wavelength_m(7.0), rtol=1e-12)
    np.testing.assert_allclose(NMC.density_from_delta(delta, 7.0), density, rtol=1e-12)
    np.testing.assert_allclose(NMC.density_from_phase(step, 7.0, 20e-9), density, rtol=1e-12)
    mu = NMC.attenuation_per_m(density, 7.0)
    np.testing.assert_allclose(mu, 4 * np.pi * NMC.beta(density, 7.0) / wavelength_m(7.0), rtol=1e-12)
    # 3.6 g/cm3 at 7 keV: 0.494 rad per micrometre, 0.0099 rad per voxel of 20 nm
    assert NMC.phase_step(1.0244, 7.0, 1e-6) == pytest.approx(-0.494, abs=5e-4)
    assert NMC.phase_step(1.0244, 7.0, 20e-9) == pytest.approx(-0.0099, abs=5e-5)
    assert NMC.phase_per_density(7.0) * NMC.f2_per_electron(7.0) == pytest.approx(
        NMC.absorption_per_density(7.0) * NMC.f1_per_electron(7.0)
    )


def test_far_from_edges_electrons_are_free():
    # f1 of light elements at high energy is Z, but for a relativistic term of some parts in a thousand.
    for formula in ("C", "H2O", "C10H8O4"):
        assert Material(formula).f1_per_electron(25.0) == pytest.approx(1.0, abs=1e-3)
    carbon = Material("C")
    classical = ELECTRON_RADIUS_M * wavelength_m(25.0) ** 2 / (2 * np.pi) * 0.5e30
    assert carbon.delta(0.5, 25.0) == pytest.approx(classical, rel=1e-3)


@pytest.mark.parametrize("formula", ["", "Xx2", "Li1.17Ni(", "iron", "__import__('os')", "Og"])
def test_a_formula_that_means_nothing_is_an_input_error(formula):
    with pytest.raises(InputError, match="`formula` is "):
        Material(formula).f1_per_electron(7.0)


@pytest.mark.parametrize("energy", [0.0, 7000.0, float("nan"), -7.0])
def test_an_energy_outside_of_the_tables_is_an_input_error(energy):
    with pytest.raises(InputError, match="tabulated from 0.03 to 30.0 keV"):
        NMC.f1_per_electron(energy)


def test_tables_are_loaded_only_when_they_are_wanted():
    code = (
        "import sys; from jxrecon.forward.material import Material; m = Material()\n"
        "assert 'periodictable' not in sys.modules; m.electrons(); assert 'periodictable' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
