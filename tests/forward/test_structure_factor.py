"""Structure factors against closed forms, gemmi, and the intensities of a certified powder."""

import numpy as np
import pytest

from jxrecon.errors import InputError
from jxrecon.forward.cell import Cell
from jxrecon.forward.crystals import CRYSTALS, Atom, Crystal, orbit
from jxrecon.forward.intensities import lorentz, polarisation_of_tube
from jxrecon.forward.reflections import reflections
from jxrecon.forward.structure_factor import anomalous, form_factor, relative_intensities, structure_factor

COPPER = 1.5405929e-10
SITES = {
    "Li-rich NMC": [3, 3, 3, 3, 3, 6],
    "Li2MnO3": [4, 2, 2, 4, 4, 8],
    "LiMn2O4": [8, 16, 32],
    "Al2O3": [12, 18],
    "LaB6": [1, 6],
    "CeO2": [4, 8],
    "Si": [8],
}


def test_forward_scattering_is_the_number_of_electrons():
    for symbol, electrons in (("Li", 3), ("O", 8), ("Mn", 25), ("Ce", 58), ("Ni2+", 28)):
        assert form_factor(symbol, np.zeros(1))[0] == pytest.approx(electrons, abs=0.02)
    # International Tables C, table 6.1.1.1: neutral oxygen at sin(theta) / lambda = 0.5.
    assert form_factor("O", np.array([0.5]))[0] == pytest.approx(2.34, abs=0.02)
    with pytest.raises(InputError, match="`Xx` is no element"):
        form_factor("Xx", np.zeros(1))


@pytest.mark.parametrize("name", CRYSTALS)
def test_orbits_have_the_multiplicities_of_their_wyckoff_positions(name):
    crystal = CRYSTALS[name]
    assert [len(orbit(atom.site, crystal.space_group)) for atom in crystal.atoms] == SITES[name]


def test_fluorite_and_diamond_have_their_closed_forms():
    ceria = CRYSTALS["CeO2"]
    hkl = np.array([(1, 1, 1), (2, 0, 0), (2, 2, 0), (3, 1, 1), (2, 1, 0)])
    s = np.linalg.norm(hkl, axis=1) / 2 / ceria.cell.parameters[0]
    cerium, oxygen = (form_factor(a.element, s) * np.exp(-a.b_iso * s**2) for a in ceria.atoms)
    expected = 4 * cerium + 8 * oxygen * np.cos(np.pi * hkl.sum(axis=1) / 2)
    expected[4] = 0  # not face-centred
    np.testing.assert_allclose(structure_factor(ceria, hkl), expected, atol=1e-9)
    silicon = structure_factor(CRYSTALS["Si"], np.array([(1, 1, 1), (2, 2, 0), (2, 2, 2), (2, 0, 0)]))
    f = form_factor("Si", np.array([np.sqrt(3), np.sqrt(8)]) / 2 / 5.431179)
    square = np.exp(-0.5 * np.array([3, 8]) / 4 / 5.431179**2)
    np.testing.assert_allclose(np.abs(silicon[:2]), f * square * (4 * np.sqrt(2), 8), rtol=1e-9)
    np.testing.assert_allclose(np.abs(silicon[2:]), 0, atol=1e-9)


@pytest.mark.parametrize("name", CRYSTALS)
def test_structure_factors_agree_with_gemmi(name):
    """Whose form factors are those of the International Tables (four Gaussians), ours Waasmaier and Kirfel's (five)."""
    gemmi = pytest.importorskip("gemmi")
    crystal = CRYSTALS[name]
    suffix = {"Fd-3m": ":2", "R-3m": ":H", "R-3c": ":H"}.get(crystal.space_group, "")
    structure = gemmi.SmallStructure()
    structure.cell = gemmi.UnitCell(*crystal.cell.six)
    structure.spacegroup = gemmi.find_spacegroup_by_name(crystal.space_group + suffix)
    for atom in crystal.atoms:
        site = gemmi.SmallStructure.Site()
        site.label = site.type_symbol = atom.element
        site.element, site.fract = gemmi.Element(atom.element), gemmi.Fractional(*atom.site)
        site.occ, site.u_iso = atom.occupancy, atom.b_iso / (8 * np.pi**2)
        structure.add_site(site)
    structure.setup_cell_images()
    structure.change_occupancies_to_crystallographic()
    calculator = gemmi.StructureFactorCalculatorX(structure.cell)
    hkl = reflections(crystal.space_group, crystal.cell, smallest_angstrom=0.9).hkl
    expected = np.array([calculator.calculate_sf_from_small_structure(structure, h) for h in hkl.tolist()])
    found = structure_factor(crystal, hkl)
    assert np.abs(found - expected).max() < 1e-3 * np.abs(expected).max()


def test_intensities_sum_the_families_of_a_ring():
    """(333) and (511) of a cubic crystal; fluorite's first lines as in the card 34-394 of the powder diffraction file."""
    ceria = CRYSTALS["CeO2"]
    found = reflections(ceria.space_group, ceria.cell, smallest_angstrom=1.04)
    hkl = found.hkl[np.r_[True, np.diff(found.spacing_angstrom) < -1e-9]]
    intensity = relative_intensities(ceria, ceria.cell, hkl, COPPER)
    two_theta = np.degrees(
        2 * np.arcsin(COPPER * 1e10 / 2 / (ceria.cell.parameters[0] / np.linalg.norm(hkl, axis=1)))
    )
    last = np.abs(structure_factor(ceria, np.array([(3, 3, 3), (5, 1, 1)]))) ** 2
    volume = ceria.cell.volume_cubic_angstrom
    expected = (8 * last[0] + 24 * last[1]) * lorentz(two_theta)[-1] / volume**2
    assert intensity[-1] == pytest.approx(expected, rel=1e-12)
    relative = intensity * polarisation_of_tube(two_theta)
    np.testing.assert_allclose(100 * relative / relative[0], [100, 30, 52, 42, 8, 8, 14, 8, 14, 11], atol=4.5)


def test_anomalous_scattering_takes_an_edge_and_averages_friedel_pairs():
    # f' and f'' of Mn at Cu K alpha: -0.57 and 2.81 (International Tables C, table 4.2.6.8).
    found = anomalous("Mn", 8.0478)
    assert found.real == pytest.approx(-0.57, abs=0.15) and found.imag == pytest.approx(2.81, abs=0.1)
    polar = Crystal(
        "ZnO", "P63mc", Cell("hexagonal", (3.25, 5.207)), (Atom("Zn", (1 / 3, 2 / 3, 0)), Atom("O", (1 / 3, 2 / 3, 0.382)))
    )  # fmt: skip
    hkl = np.array([(0, 0, 2), (1, 0, 1)])
    pair = [np.abs(structure_factor(polar, s * hkl, 9.7)) ** 2 for s in (1, -1)]
    assert np.all(np.abs(pair[0] / pair[1] - 1) > 0.01)
    wavelength = 12.398419843e-10 / 9.7
    ratio = relative_intensities(polar, polar.cell, hkl, wavelength, energy_keV=9.7)
    s = 1 / 2 / np.array([5.207 / 2, 1 / np.sqrt(4 / 3 / 3.25**2 + 1 / 5.207**2)])
    two_theta = np.degrees(2 * np.arcsin(wavelength * 1e10 * s))
    expected = (
        np.array([2, 12]) * (pair[0] + pair[1]) / 2 * lorentz(two_theta) / polar.cell.volume_cubic_angstrom**2
    )
    np.testing.assert_allclose(ratio, expected, rtol=1e-9)
    with pytest.raises(InputError, match="tabulated from"):
        anomalous("Mn", 40.0)
