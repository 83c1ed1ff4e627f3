"""The wavelength of a powder pattern: checked for its unit, and of an anode that a file names.

A wavelength in the wrong unit is a number of another size: for each unit, the photon energy h c / lambda tells whether it could
be one of X-rays. K-alpha1 lines: Hölzer et al., Phys. Rev. A 56, 4554 (1997), https://doi.org/10.1103/PhysRevA.56.4554 (Cr to
Cu); Deslattes et al., Rev. Mod. Phys. 75, 35 (2003), https://doi.org/10.1103/RevModPhys.75.35 (Mo, Ag).
"""

import math
import re

from ..errors import InputError
from .units import metres, wavelength_of_keV

SHORTEST_M, LONGEST_M = 1e-12, 1e-9
SOFTEST_KEV, HARDEST_KEV = 2.0, 200.0  # what powder patterns are measured with
KEV_LIMITS = (wavelength_of_keV(1.0) / LONGEST_M, wavelength_of_keV(1.0) / SHORTEST_M)
K_ALPHA_1_ANGSTROM = {
    "Cr": 2.2897260,
    "Fe": 1.9360410,
    "Co": 1.7889960,
    "Ni": 1.6579300,
    "Cu": 1.5405929,
    "Mo": 0.7093171,
    "Ag": 0.5594218,
}
_UNITS = {"angstrom": 1e-10, "nm": 1e-9, "pm": 1e-12, "um": 1e-6}


def looks_like(value: float) -> str:
    """The units in which a number would be the wavelength (or the energy) of X-rays, as the end of a message."""
    found = []
    for unit, factor in _UNITS.items():
        energy_keV = wavelength_of_keV(1.0) / (value * factor) if value > 0 else 0.0
        if SOFTEST_KEV <= energy_keV <= HARDEST_KEV:
            found.append(f"{unit} ({value * factor:.5g} m, {energy_keV:.4g} keV)")
    if SOFTEST_KEV <= value <= HARDEST_KEV:
        found.append("an energy in keV")
    return f"; it looks like {' or '.join(found)}" if found else ""


def check_wavelength(value_m: float, where: str) -> float:
    """The wavelength, if it is one of X-rays in metres."""
    if not (math.isfinite(value_m) and SHORTEST_M < value_m < LONGEST_M):
        raise InputError(
            f"{where}: the wavelength is {value_m:g} m; expected metres, {SHORTEST_M:g} to {LONGEST_M:g}{looks_like(value_m)}."
        )
    return value_m


def check_energy(value_keV: float, where: str) -> float:
    """Wavelength (m) of a photon energy, if it is one of X-rays in keV."""
    low, high = KEV_LIMITS
    if not (math.isfinite(value_keV) and low < value_keV < high):
        unit = "eV" if low < value_keV / 1e3 < high else "MeV" if low < value_keV * 1e3 < high else ""
        hint = f"; it looks like {unit}" if unit else ""
        raise InputError(f"{where}: the energy is {value_keV:g} keV; expected {low:.3g} to {high:.4g}{hint}.")
    return wavelength_of_keV(value_keV)


def of_anode(said: str) -> tuple[str, float] | None:
    r"""(line, metres) of an anode's K-alpha1 in a text such as `Cu`, `Cu K\a`, `CuKa1`; None where it names none."""
    found = re.match(r"\s*([A-Z][a-z])\s*(?:$|[-_ ]*K)", said)
    if found is None or found[1] not in K_ALPHA_1_ANGSTROM:
        return None
    return f"{found[1]} K-alpha1", K_ALPHA_1_ANGSTROM[found[1]] * 1e-10


_SAID = re.compile(
    r"(?:wave\s*length|lambda)\s*(?:\(?(?P<before>[A-Za-z\u00c5]+)\)?)?\s*[:=]?\s*(?P<value>[0-9.]+(?:[eE][-+]?[0-9]+)?)"
    r"\s*\(?(?P<after>[A-Za-z\u00c5]+)?",
    re.IGNORECASE,
)
_ANODE = re.compile(r"anode(?:\s*material)?\s*[:=]?\s*\"?([A-Z][a-z])\b", re.IGNORECASE)
_ENERGY = re.compile(r"energy\s*[:=]?\s*([0-9.]+(?:[eE][-+]?[0-9]+)?)\s*keV", re.IGNORECASE)


def in_header(text: str, where: str) -> tuple[float | None, str]:
    """(metres or None, how the header says it) of a text file; a number without unit counts only where it can be metres."""
    for line in text.splitlines():
        if (found := _SAID.search(line)) is not None:
            value, unit = float(found["value"]), found["after"] or found["before"]
            try:
                return value * metres(
                    unit or "m", where
                ) if unit or value < LONGEST_M else None, line.strip()[:80]
            except InputError:  # a word that is no unit
                return (value if value < LONGEST_M else None), line.strip()[:80]
        if (found := _ENERGY.search(line)) is not None:
            return check_energy(float(found[1]), where), line.strip()[:80]
        if (found := _ANODE.search(line)) is not None and (known := of_anode(found[1])):
            return known[1], known[0]
    return None, ""
