"""Units against CODATA and NIST."""

import pytest

from jxrecon.data.units import kilo_electron_volts, metres, wavelength_of_joule, wavelength_of_keV
from jxrecon.errors import InputError


@pytest.mark.parametrize(
    "unit, value", [("m", 1), ("mm", 1e-3), ("µm", 1e-6), ("um", 1e-6), ("nm", 1e-9), ("Angstroms", 1e-10)]
)
def test_lengths(unit, value):
    assert metres(unit, "x") == pytest.approx(value, rel=1e-12)


def test_energies_and_wavelengths():
    assert kilo_electron_volts("J", "x") == pytest.approx(6.241509074e15, rel=1e-9)
    assert wavelength_of_keV(12.398419843) == pytest.approx(1e-10, rel=1e-9)
    # Copper K alpha 1, 8.04783 keV = 1.289404e-15 J, is 1.540598 angstrom (NIST).
    assert wavelength_of_joule(8.04783e3 * 1.602176634e-19) == pytest.approx(1.540598e-10, rel=2e-6)


def test_unknown_unit_is_an_input_error():
    with pytest.raises(InputError, match="file: unknown unit `furlong`"):
        metres("furlong", "file")
