"""Lines and cross-sections of elements: against another library's numbers, and what is refused."""

import numpy as np
import pytest

from jxrecon.errors import InputError
from jxrecon.forward.emission_lines import edge_keV, lines, mass_attenuation_cm2_g, production_cm2_g
from jxrecon.forward.energy_spectrum import channel_shares, line_fwhm_keV, window_shares

# xraylib 4.3, CS_FluorLine_Kissel at 17.3 keV (cm^2/g)
KISSEL = {
    ("Mn", "Ka"): 8.410,
    ("Co", "Ka"): 12.526,
    ("Ni", "Ka"): 15.557,
    ("Mn", "Kb"): 1.126,
    ("Ni", "Kb"): 2.110,
}
# Elam, Ravel & Sieber (2002), total attenuation of xraydb at 17.3 keV and at Ni K-alpha (cm^2/g)
ELAM = {"Mn": (33.83, 325.1), "Co": (41.90, 51.3), "Ni": (47.97, 59.7)}


@pytest.mark.parametrize("line, expected", KISSEL.items())
def test_production_lies_a_few_per_cent_below_kissel(line, expected):
    ratio = production_cm2_g(*line, 17.3) / expected
    assert 0.95 < ratio < 1.0


def test_production_of_the_three_metals_is_alike_against_kissel():
    ratio = [
        production_cm2_g(*line, 17.3) / KISSEL[line] for line in (("Mn", "Ka"), ("Co", "Ka"), ("Ni", "Ka"))
    ]
    assert np.ptp(ratio) < 0.025


@pytest.mark.parametrize("element", ELAM)
def test_attenuation_agrees_with_other_tables(element):
    found = [mass_attenuation_cm2_g(element, energy) for energy in (17.3, 7.472)]
    np.testing.assert_allclose(found, ELAM[element], rtol=0.06)


def test_below_the_edge_nothing_is_produced():
    assert production_cm2_g("Ni", "Ka", 8.0) == 0
    assert production_cm2_g("Ni", "Ka", 8.4) > 0


@pytest.mark.parametrize("group", ["Fe", "Fe_K", "La_L", "Pb_L", "Na"])
def test_shares_of_a_group_add_up_to_one(group):
    assert sum(share for _, share in lines(group).values()) == pytest.approx(1)
    assert all(energy <= 1.3 * edge_keV(group) for energy, _ in lines(group).values())


@pytest.mark.parametrize("group", ["Xx", "Fe_L", "Fe_M", "Pb"])
def test_unknown_groups_are_refused(group):
    with pytest.raises(InputError, match="expected"):
        lines(group)


def test_windows_catch_what_a_gaussian_leaves_in_them():
    energy = np.array([7.6494, 7.4723])  # Co K-beta, Ni K-alpha
    fwhm = line_fwhm_keV(energy, 0.1)
    window = np.array([[7.4723 - fwhm[1] / 2, 7.4723 + fwhm[1] / 2]])
    shares = window_shares(energy, fwhm, window)
    assert shares[0, 1] == pytest.approx(0.7610, abs=1e-4)  # erf(sqrt(ln 2))
    assert 0.05 < shares[0, 0] < 0.15
    whole = channel_shares(energy, fwhm, np.linspace(6, 9, 400)).sum(1)
    np.testing.assert_allclose(whole, 1, atol=1e-6)
