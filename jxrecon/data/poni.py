"""How a flat detector stands to the beam, in pyFAI's terms and files (.poni).

The point of normal incidence (poni) is the foot of the perpendicular from the specimen to the detector, in metres from the
corner of pixel (0, 0) along rows (1) and columns (2); `distance_m` is the length of that perpendicular. rot1, rot2 and rot3
turn the detector about the vertical axis, the horizontal one and the beam (radians).

A file's detector is built from its name and its numbers alone: one that would open another file (a spline, a NeXus detector) is
refused. Kieffer et al., J. Synchrotron Rad. 32, 1004 (2025), doi 10.1107/S1600577525002061; https://pyfai.readthedocs.io
"""

import dataclasses
import json
import math
from typing import Any

from ..errors import InputError
from .text_files import read_text
from .wavelengths import check_wavelength

EXPECTED = "a .poni file of pyFAI (lines like `Distance: 0.2`)"
HARMLESS = ("pixel1", "pixel2", "max_shape", "orientation")
MISSING = "reading detector images needs pyFAI, which is not installed; `pip install 'jxrecon[xrd]'`."


@dataclasses.dataclass(frozen=True)
class Poni:
    """wavelength_m None: the file does not say it. detector: pyFAI's name of one, or ""; orientation: pyFAI's number."""

    distance_m: float
    poni1_m: float
    poni2_m: float
    pixel1_m: float
    pixel2_m: float
    rot1: float = 0.0
    rot2: float = 0.0
    rot3: float = 0.0
    wavelength_m: float | None = None
    detector: str = ""
    orientation: int = 3

    def numbers(self) -> dict[str, float]:
        """The geometry as pyFAI's constructors take it."""
        return {
            "dist": self.distance_m,
            "poni1": self.poni1_m,
            "poni2": self.poni2_m,
            "rot1": self.rot1,
            "rot2": self.rot2,
            "rot3": self.rot3,
        }


def demand_pyfai() -> None:
    """One line where the extra is missing."""
    try:
        import pyFAI  # noqa: F401  # optional, slow to load  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise InputError(MISSING) from None


def _pairs(text: str) -> dict[str, str]:
    """Later lines win: pyFAI appends every calibration to the same file."""
    found = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon and not line.lstrip().startswith("#"):
            found[name.strip().lower()] = value.strip()
    return found


def _number(pairs: dict[str, str], name: str, path: str) -> float:
    try:
        value = float(pairs[name])
    except KeyError:
        raise InputError(f"{path}: `{name}` is missing; expected {EXPECTED}.") from None
    except ValueError:
        raise InputError(f"{path}: `{name}` is {pairs[name][:40]!r}; expected a number.") from None
    if not math.isfinite(value):
        raise InputError(f"{path}: `{name}` is {value}; expected a finite number.")
    return value


def _config(pairs: dict[str, str], path: str) -> dict[str, Any]:
    """What the file says of its detector."""
    text = pairs.get("detector_config", "{}")
    try:
        config = json.loads(text)
    except ValueError:
        raise InputError(f"{path}: `Detector_config` is {text[:40]!r}; expected JSON.") from None
    config = config if isinstance(config, dict) else {}
    spline = pairs.get("splinefile", "None")
    strange = [name for name, value in config.items() if name not in HARMLESS and value is not None]
    if strange or spline not in ("None", ""):
        what = f"`{strange[0]}`" if strange else f"the spline file {spline[:60]}"
        raise InputError(
            f"{path}: its detector names {what}; only detectors of pixels of one size are read, without other files."
        )
    return config


def _pixels(pairs: dict[str, str], config: dict[str, Any], path: str) -> tuple[float, float, str]:
    """(height, width, name of the detector); metres."""
    name = pairs.get("detector", "")
    name = "" if name.lower() in ("", "detector", "none") else name
    if "pixelsize1" in pairs or not name:
        values = [
            _number(pairs, f"pixelsize{k}", path)
            if f"pixelsize{k}" in pairs
            else float(config.get(f"pixel{k}") or 0)
            for k in (1, 2)
        ]
        return values[0], values[1], name
    demand_pyfai()
    from pyFAI.detectors import Detector  # pyright: ignore[reportMissingImports]

    known = Detector.registry.get(name.lower())
    if known is None:
        raise InputError(f"{path}: `Detector` is {name[:40]!r}, which pyFAI does not know.")
    if "nexus" in known.__name__.lower():
        raise InputError(f"{path}: `Detector` is {name[:40]!r}, which lies in a file of its own; not read.")
    made = known()
    return (
        float(config.get("pixel1") or made.pixel1 or 0),
        float(config.get("pixel2") or made.pixel2 or 0),
        name,
    )


def read_poni(path: str) -> Poni:
    """Of versions 1 to 2.1. `InputError` for what is no geometry."""
    pairs = _pairs(read_text(path, EXPECTED))
    config = _config(pairs, path)
    distance, poni1, poni2 = (_number(pairs, name, path) for name in ("distance", "poni1", "poni2"))
    pixel1, pixel2, name = _pixels(pairs, config, path)
    wavelength = _number(pairs, "wavelength", path) if "wavelength" in pairs else None
    for what, value, low, high in (
        ("distance", distance, 1e-3, 100.0),
        ("pixel size", min(pixel1, pixel2), 1e-7, 1e-2),
    ):
        if not low < value < high:
            raise InputError(f"{path}: the {what} is {value:g} m; expected {low:g} to {high:g} (in metres?).")
    rotations = [_number(pairs, f"rot{k}", path) if f"rot{k}" in pairs else 0.0 for k in (1, 2, 3)]
    return Poni(
        distance,
        poni1,
        poni2,
        pixel1,
        pixel2,
        *rotations,
        wavelength_m=None if wavelength is None else check_wavelength(wavelength, path),
        detector=name,
        orientation=int(config.get("orientation") or 3),
    )


def poni_text(poni: Poni, shape: tuple[int, int]) -> str:
    """A file that pyFAI reads (version 2.1)."""
    config = {"pixel1": poni.pixel1_m, "pixel2": poni.pixel2_m, "max_shape": list(shape)}
    lines = {
        "poni_version": 2.1,
        "Detector": "Detector",
        "Detector_config": json.dumps(config | {"orientation": poni.orientation}),
        "Distance": poni.distance_m,
        "Poni1": poni.poni1_m,
        "Poni2": poni.poni2_m,
        "Rot1": poni.rot1,
        "Rot2": poni.rot2,
        "Rot3": poni.rot3,
        "Wavelength": poni.wavelength_m,
    }
    return "".join(f"{name}: {value}\n" for name, value in lines.items())
