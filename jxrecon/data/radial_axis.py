"""The radial axis of a pattern, whatever its unit, as 2 theta in degrees.

sin(theta) = q lambda / (4 pi), with q in 1/nm or 1/angstrom. Radii on the detector (mm) need its distance, which no pattern
carries: they are refused.
"""

import math
import re

import numpy as np
from jaxtyping import Float

from ..errors import InputError

_DEGREES = {"deg": 1.0, "rad": 180 / math.pi, "centideg": 0.01}
_PER_METRE = {"q_nm^-1": 1e9, "q_A^-1": 1e10}
UNITS = (*_DEGREES, *_PER_METRE)
_SPELLINGS = {
    "deg": ("deg", "degs", "degree", "degrees", "2th_deg", "2theta (deg)", "2theta", "two_theta", "tth"),
    "rad": ("rad", "radian", "radians", "2th_rad", "2theta (rad)"),
    "centideg": ("centideg", "centidegree", "centidegrees", "cdeg"),
    "q_nm^-1": ("q_nm^-1", "nm^-1", "1/nm", "nm-1", "q (nm^-1)", "q (1/nm)"),
    "q_A^-1": ("q_a^-1", "a^-1", "1/a", "a-1", "angstrom^-1", "1/angstrom", "q (a^-1)", "q (1/a)"),
}
_RADII = {"r_mm", "r_m", "mm", "m", "um", "r (mm)", "pixel", "px"}


def radial_unit(said: str, where: str) -> str:
    """One of `UNITS` for a unit, or for an axis' name that holds one (pyFAI's `2th_deg`)."""
    name = said.strip().lower().replace("\u00b0", "deg").replace("\u00e5", "a").replace("\u03b8", "theta")
    name = (
        name.replace("\u207b\u00b9", "^-1").replace("\\aa", "a").replace("{", "").replace("}", "")
    )  # pyFAI writes TeX
    for unit, spellings in _SPELLINGS.items():
        if name in spellings:
            return unit
    if name in _RADII:
        raise InputError(
            f"{where}: the axis is a radius on the detector (`{said}`), which is no angle without the detector's distance; "
            "integrate again with 2 theta or q as radial unit."
        )
    raise InputError(f"{where}: unknown radial unit `{said}`; known are {', '.join(UNITS)}.")


def unit_in_text(text: str) -> str | None:
    """The radial unit that a header's column titles name as pyFAI, Dioptas or Fit2D do; None where there is none."""
    if found := re.search(r"\b(2th_deg|2th_rad|q_nm\^-1|q_A\^-1|r_mm|r_m)(?![A-Za-z0-9_])", text):
        return found[1]
    if re.search(r"2[-_ ]?theta\s*(?:angle)?\s*\(?deg", text, re.IGNORECASE):
        return "deg"
    if found := re.search(r"\bq\s*\(?\s*(nm|A)\s*\^?-1", text, re.IGNORECASE):
        return f"q_{found[1]}^-1"
    return None


def two_theta(
    values: Float[np.ndarray, " channel"], unit: str, wavelength_m: float, where: str
) -> Float[np.ndarray, " channel"]:
    """2 theta in degrees of an axis whose unit is one of `UNITS`."""
    values = np.asarray(values, np.float64)
    if unit in _DEGREES:
        return values * _DEGREES[unit]
    sine = values * (_PER_METRE[unit] * wavelength_m / (4 * math.pi))
    if np.max(np.abs(sine), initial=0) > 1:
        worst = float(values[np.argmax(np.abs(sine))])
        raise InputError(
            f"{where}: q = {worst:g} ({unit}) has no angle at a wavelength of {wavelength_m:g} m, where q reaches "
            f"{4 * math.pi / wavelength_m / _PER_METRE[unit]:.4g}; is the unit or the wavelength another?"
        )
    return np.degrees(2 * np.arcsin(sine))
