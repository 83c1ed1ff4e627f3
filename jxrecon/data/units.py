"""Units as files spell them, turned into SI (and photon energies into wavelengths).

E = h c / lambda, with h c = 1.98644586e-25 J m = 1.23984198e-9 keV m (CODATA 2018, exact).
"""

import math
from typing import Literal

from ..errors import InputError
from ..geometry import HC_KEV_M

HC_J_M = 1.9864458571489287e-25
JOULE_PER_EV = 1.602176634e-19

_LENGTH = {
    "m": 1.0,
    "meter": 1.0,
    "metre": 1.0,
    "cm": 1e-2,
    "mm": 1e-3,
    "um": 1e-6,
    "micron": 1e-6,
    "micrometer": 1e-6,
    "nm": 1e-9,
    "nanometer": 1e-9,
    "a": 1e-10,
    "ang": 1e-10,
    "angstrom": 1e-10,
    "pm": 1e-12,
}
_ENERGY_KEV = {
    "ev": 1e-3,
    "kev": 1.0,
    "mev": 1e3,
    "j": 1e-3 / JOULE_PER_EV,
    "joule": 1e-3 / JOULE_PER_EV,
}


def _factor(table: dict[str, float], unit: str, where: str) -> float:
    # A plural is written out in full ("meters"); the micro sign has two code points.
    name = unit.strip().lower().replace("\u00b5", "u").replace("\u03bc", "u").replace("\u00e5", "a")
    for spelling in (name, name.removesuffix("s")):
        if spelling in table:
            return table[spelling]
    raise InputError(f"{where}: unknown unit `{unit}`; known are {', '.join(table)}.")


def metres(unit: str, where: str) -> float:
    """Length of one `unit`; `where` begins the message of an unknown one."""
    return _factor(_LENGTH, unit, where)


def kilo_electron_volts(unit: str, where: str) -> float:
    """Energy of one `unit`."""
    return _factor(_ENERGY_KEV, unit, where)


def degrees(unit: str, where: str) -> tuple[Literal["deg", "rad"], float]:
    """(unit, degrees of one of it)."""
    name = unit.strip().lower().replace("\u00b0", "deg")
    if name in ("deg", "degs", "degree", "degrees"):
        return "deg", 1.0
    if name in ("rad", "rads", "radian", "radians"):
        return "rad", 180 / math.pi
    raise InputError(f"{where}: unknown unit of angles `{unit}`; known are deg, degree, rad, radian.")


def wavelength_of_keV(energy_keV: float) -> float:
    """lambda = h c / E, in metres."""
    return HC_KEV_M / energy_keV


def wavelength_of_joule(energy_J: float) -> float:
    """lambda = h c / E, in metres; CXI files hold photon energies in joules."""
    return HC_J_M / energy_J
