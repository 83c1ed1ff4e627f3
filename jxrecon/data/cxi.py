"""CXI 1.6 (Maia, Nature Methods 9, 854, 2012, and the ptychography practice of CDTools and Ptychodus).

/entry_1/instrument_1/detector_1: data (scan, v, u), distance, x_pixel_size, y_pixel_size, basis_vectors (3, 2) in metres, mask
with 0 = good and bit 0x1000 = "has signal", also good; source_1: energy in JOULES, wavelength;
/entry_1/sample_1/geometry_1/translation (scan, 3) = x, y, z by which the SAMPLE was moved, in metres.

The probe lies at minus the translation over the specimen. The columns of basis_vectors are the detector's slow and fast axes, by
default (0, -p, 0) and (-p, 0, 0): rows run down and columns to negative x, so that (y, x) positions along the detector's axes
are then equal to the translations. Results: image_1 the probe, image_2 the object.
"""

import numpy as np

from ..errors import InputError
from .access import Access
from .frames import DatasetFrames
from .hdf5 import COMPLEX, GuardedFile
from .instrument import FileGeometry, Instrument
from .preprocess import Preprocess
from .reader import AbstractReader
from .scan import Scan, check_mask, check_positions, check_probe
from .units import wavelength_of_joule

DETECTOR = "instrument_1/detector_1"
HAS_SIGNAL = 0x1000
DEFAULT_AXES = np.array([[0.0, -1.0], [-1.0, 0.0], [0.0, 0.0]])


def detector_axes(file: GuardedFile, name: str) -> tuple[np.ndarray, tuple[float, float] | None]:
    """(3, 2) unit vectors of the detector's slow and fast axes, and the pitch along them.

    The file may hold the vectors as (3, 2) or (2, 3)."""
    if not file.has(name):
        return DEFAULT_AXES, None
    vectors, where = file.array(name), file.where(name)
    vectors = vectors.T if vectors.shape == (2, 3) else vectors
    if vectors.shape != (3, 2) or not np.isfinite(vectors).all():
        raise InputError(f"{where}: has shape {vectors.shape}; expected two finite vectors, (3, 2).")
    lengths = np.linalg.norm(vectors, axis=0)
    if not (lengths > 0).all():
        raise InputError(f"{where}: holds a vector of length 0; expected the steps between detector pixels.")
    return vectors / lengths, (float(lengths[0]), float(lengths[1]))


def probe_positions(translation: np.ndarray, axes: np.ndarray, where: str) -> np.ndarray:
    """(scan, 2) along the detector's slow and fast axes, metres, of the probe over the specimen."""
    if translation.ndim != 2 or translation.shape[1] not in (2, 3):
        raise InputError(f"{where}: has shape {translation.shape}; expected translations (scan, 3).")
    xyz = np.zeros((len(translation), 3))
    xyz[:, : translation.shape[1]] = translation
    return check_positions(-xyz @ axes, where)


def _first(file: GuardedFile, names: list[str]) -> str | None:
    return next((name for name in names if file.has(name)), None)


def _scalar(file: GuardedFile, name: str) -> float | None:
    return file.scalar(name) if file.has(name) else None


def wavelength(file: GuardedFile, source: str) -> float | None:
    """From the stored wavelength, else from the photon energy in joules."""
    stored = _scalar(file, f"{source}/wavelength")
    if stored is not None:
        return stored
    energy = _scalar(file, f"{source}/energy")
    if energy is None:
        return None
    if not 1e-18 < energy < 1e-12:
        raise InputError(f"{file.where(f'{source}/energy')}: {energy:g} J is no energy of X-ray photons.")
    return wavelength_of_joule(energy)


def good_pixels(mask: np.ndarray) -> np.ndarray:
    """CXI pixel mask: 0 is good, and so is the bit 0x1000 alone ("has signal")."""
    return (mask == 0) | (mask == HAS_SIGNAL)


def read_guess(file: GuardedFile, entry: str, shape: tuple[int, int]) -> dict:
    """Probe and object of a result, or the legacy illumination."""
    guess = {}
    probe = _first(file, [f"{entry}/image_1/data", f"{entry}/instrument_1/source_1/illumination"])
    if probe is not None and (found := file.dataset(probe, COMPLEX)).shape[-2:] == shape:
        guess["probe"] = check_probe(found.read(), shape, file.where(probe))
    if file.has(f"{entry}/image_2/data"):
        found = file.array(f"{entry}/image_2/data", COMPLEX)
        found = found.reshape(-1, *found.shape[-2:])[0]
        guess["object"] = found.astype(np.complex64)
        extra = f"{entry}/jxrecon/object_centre_px"
        if file.has(extra):
            y, x = file.array(extra).reshape(-1)[:2]
            guess["object_centre"] = (float(y), float(x))
    return guess


def own_records(file: GuardedFile, entry: str) -> dict:
    """What CXI has no name for and this package's writer adds: regime, focus, margin, oversampling."""
    group = f"{entry}/jxrecon"
    found: dict = {"focus_to_sample_m": _scalar(file, f"{group}/focus_to_sample_m")}
    for name in ("margin", "oversampling"):
        if file.has(f"{group}/{name}"):
            found[name] = int(file.scalar(f"{group}/{name}"))
    regime = file.text(f"{group}/regime") if file.has(f"{group}/regime") else None
    if regime not in (None, "far_field", "near_field"):
        raise InputError(f"{file.where(group)}/regime: is {regime!r}; expected 'far_field' or 'near_field'.")
    return {**found, "regime": regime}


def scan_of(file: GuardedFile, entry: str = "entry_1", name: str = "cxi") -> Scan:
    """The scan of one entry."""
    detector = f"{entry}/{DETECTOR}"
    data = _first(file, [f"{detector}/data", f"{entry}/data_1/data"]) or f"{detector}/data"
    frames = DatasetFrames(file.dataset(data))
    shape = frames.shape[1:]
    moves = [
        f"{entry}/sample_1/geometry_1/translation",
        f"{entry}/data_1/translation",
        f"{detector}/translation",
    ]
    move = _first(file, moves) or moves[0]
    axes, steps = detector_axes(file, f"{detector}/basis_vectors")
    positions = probe_positions(file.array(move), axes, file.where(move))
    pitch = [_scalar(file, f"{detector}/{axis}_pixel_size") for axis in "yx"]
    mask = f"{detector}/mask"
    return Scan(
        format=name,
        frames=frames,
        positions=positions,
        geometry=FileGeometry(
            wavelength_m=wavelength(file, f"{entry}/instrument_1/source_1"),
            distance_m=_scalar(file, f"{detector}/distance"),
            detector_pixel_m=steps if pitch[0] is None or pitch[1] is None else (pitch[0], pitch[1]),
            **own_records(file, entry),
        ),
        names=(data, move),
        mask=check_mask(good_pixels(file.array(mask)), shape, file.where(mask)) if file.has(mask) else None,
        **read_guess(file, entry, shape),
    )


class CXI(AbstractReader):
    """Reads CXI 1.6; `entry` is the number of the entry."""

    path: str
    entry: int = 1
    instrument: Instrument = Instrument()
    preprocess: Preprocess = Preprocess()
    access: Access = Access()

    def scan(self) -> Scan:
        return scan_of(self.access.open(self.source), f"entry_{self.entry}")
