"""A map of patterns as NumPy arrays in one .npz (no pickles).

two_theta_deg (channel,); intensity (point, channel) or (row, column, channel); optionally variance of the same shape, frame
(point,) the detector's number of each, wavelength_m or energy_keV. The points run along a row first. A frame number that comes
twice means that a file was missing and another put in its place: what stands out of the sequence is not measured.
"""

import logging
import zipfile

import equinox as eqx
import numpy as np

from ..errors import InputError
from .access import Access
from .hazards import naming, regular_file
from .pattern_checks import RawPatterns
from .pattern_reader import AbstractPatternReader, number_or_none
from .plain import (
    _member,  # the guarded reader of one array of an archive
    is_npz,
)
from .rays import arranged, scan_shape, whole_numbers, without_dark_ends
from .wavelengths import check_energy

_log = logging.getLogger(__name__)
NAMES = ("two_theta_deg", "intensity", "variance", "frame", "wavelength_m", "energy_keV")


def read_arrays(path: str, access: Access) -> dict[str, np.ndarray]:
    """The layout's arrays; declared sizes are checked before anything is inflated."""
    size, limits, found = regular_file(path), access.limits(), {}
    if not is_npz(path):
        raise InputError(f"{path}: is no .npz archive; expected one with {NAMES[0]} and {NAMES[1]}.")
    with naming(path), zipfile.ZipFile(path) as archive:
        members = {i.filename.removesuffix(".npy"): i for i in archive.infolist()}
        for name in NAMES:
            if name not in members and name in NAMES[:2]:
                raise InputError(
                    f"{path}: `{name}` is missing; it holds {', '.join(sorted(members)[:12]) or 'nothing'}."
                )
            if name in members:
                with naming(f"{path}:/{name}"):
                    found[name] = _member(archive, members[name], size, limits)
                if found[name].dtype.kind not in "fiub":
                    raise InputError(f"{path}:/{name}: holds {found[name].dtype}; expected real numbers.")
    return found


def stand_ins(frame: np.ndarray) -> np.ndarray:
    """(point,) True where the number of another point's frame stands out of the sequence."""
    offset = frame - np.arange(len(frame))
    _, inverse, counts = np.unique(frame, return_inverse=True, return_counts=True)
    return (counts[inverse] > 1) & (offset != np.median(offset))


class ScanningMap(AbstractPatternReader):
    """Reads the layout; shape: [rows, columns] of a list of points; serpentine: every second row was scanned backwards."""

    path: str
    wavelength_m: float | None = eqx.field(converter=number_or_none, default=None)
    energy_keV: float | None = eqx.field(converter=number_or_none, default=None)
    shape: tuple[int, ...] | None = eqx.field(converter=whole_numbers, default=None)
    serpentine: bool = False
    access: Access = Access()

    def raw(self) -> RawPatterns:
        path = self.source
        found = read_arrays(path, self.access)
        axis, intensity = found["two_theta_deg"].astype(np.float64).reshape(-1), found["intensity"]
        if intensity.ndim not in (1, 2, 3) or intensity.shape[-1:] != axis.shape or 0 in intensity.shape:
            raise InputError(
                f"{path}:/intensity: has shape {intensity.shape}; expected (point, {len(axis)}) or (row, column, {len(axis)})."
            )
        shape = intensity.shape[:2] if intensity.ndim == 3 and self.shape is None else self.shape
        points = intensity.reshape(-1, len(axis))
        full = scan_shape(len(points), shape, f"{path}:/intensity")
        variance = found.get("variance")
        if variance is not None and variance.shape != intensity.shape:
            raise InputError(f"{path}:/variance: has shape {variance.shape}; expected {intensity.shape}.")
        variance = None if variance is None else variance.reshape(points.shape).astype(np.float64)
        counts = without_dark_ends(points, variance)
        counts, replaced = _without_stand_ins(counts, found.get("frame"), path)
        return RawPatterns(
            counts=arranged(counts, full, self.serpentine),
            axis=axis,
            variance=None if variance is None else arranged(variance, full, self.serpentine),
            wavelength_m=_wavelength(found, path),
            source=path,
            metadata={"format": "scanning_map", "points_replaced": replaced},
        )


def _without_stand_ins(
    counts: np.ndarray, frame: np.ndarray | None, path: str
) -> tuple[np.ndarray, list[int]]:
    if frame is None:
        return counts, []
    if frame.shape != counts.shape[:1]:
        raise InputError(
            f"{path}:/frame: has shape {frame.shape}; expected ({len(counts)},), one number for each point."
        )
    wrong = stand_ins(frame)
    if not wrong.any():
        return counts, []
    first = int(np.argmax(wrong))
    _log.warning(
        "%s: %d points hold the frame of another (point %d: frame %d); taken as not measured.",
        path, int(wrong.sum()), first, int(frame[first]),
    )  # fmt: skip
    kept = counts.astype(np.float32 if counts.dtype == np.float32 else np.float64)
    kept[wrong] = np.nan
    return kept, np.flatnonzero(wrong).tolist()


def _wavelength(found: dict[str, np.ndarray], path: str) -> float | None:
    for name in ("wavelength_m", "energy_keV"):
        values = found.get(name, np.zeros(0)).reshape(-1)
        if values.size:
            return (
                float(values[0])
                if name == "wavelength_m"
                else check_energy(float(values[0]), f"{path}:/{name}")
            )
    return None
