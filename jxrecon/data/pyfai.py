"""Patterns that pyFAI integrated, in HDF5.

NXmonopd: entry/results with data, polar_angle and errors, entry/normalization/pixels, the wavelength at
INSTRUMENT/monochromator. Batch integration (HDF5Writer): entry/integrate/results with data (frame, channel) or (slow, fast,
channel), errors (or data_errors). Diffraction maps (diffmap): entry/PROCESS/result with intensity (slow, fast, channel) or
(frame, channel) with map_ptr. The radial axis is `radial`, or called after its quantity or its unit (2th, 2th_deg, q, q_nm^-1,
q_A^-1); the wavelength stands in the JSON of the geometry too.
https://pyfai.readthedocs.io
"""

import re

import equinox as eqx
import numpy as np

from ..errors import InputError
from .access import Access
from .angles import AngleUnit, read_angles, text_or_tuple
from .hdf5 import GuardedFile
from .nxcxi import first
from .pattern_checks import RawPatterns
from .pattern_reader import AbstractPatternReader, number_or_none
from .radial_axis import radial_unit
from .rays import arranged, scan_shape, whole_numbers, without_dark_ends
from .units import metres

AXES = ("radial", "polar_angle", "2th", "2th_deg", "2th_rad", "q", "q_nm^-1", "q_A^-1", "r", "r_mm", "r_m")
AZIMUTHS = ("chi", "azimuthal", "chi_deg")
SIGNALS = ("data", "intensity")
ERRORS = ("errors", "data_errors", "sigma")


def results_of(file: GuardedFile, entry: str | None = None) -> list[str]:
    """Paths of the groups that hold integrated patterns and their axis."""
    found = []
    for name in [entry] if entry else file.children():
        inside = [f"{name}/{child}" for child in file.children(name)]
        groups = [
            f"{name}/results",
            *(f"{group}/{last}" for group in inside for last in ("results", "result")),
        ]
        found += [group for group in groups if _holds_patterns(set(file.children(group)))]
    return found


def _holds_patterns(names: set[str]) -> bool:
    return bool(names & set(AXES) and names & set(SIGNALS))


def geometry_wavelength(file: GuardedFile, entry: str) -> float | None:
    """Metres; from a monochromator, else from the geometry's JSON."""
    for instrument in file.children(entry):
        name = f"{entry}/{instrument}/monochromator/wavelength"
        if file.has(name):
            unit = file.attribute(name, "units")
            return file.scalar(name) * metres(unit if isinstance(unit, str) else "angstrom", file.where(name))
    for process in file.children(entry):
        for note in ("poni/data", "configuration/data"):
            name = f"{entry}/{process}/{note}"
            if file.has(name) and (said := re.search(r'"wavelength"\s*:\s*([0-9.eE+-]+)', file.text(name))):
                return float(said[1])
    return None


def axis_of(file: GuardedFile, group: str, given: str) -> tuple[np.ndarray, str]:
    """(values, unit) of the radial axis; `given` is the user's unit, or auto."""
    names = file.children(group)
    name = next(axis for axis in AXES if axis in names)
    path = f"{group}/{name}"
    said = next(
        (u for key in ("units", "unit") if isinstance(u := file.attribute(path, key), str) and u), name
    )
    values = np.asarray(file.array(path), np.float64).reshape(-1)
    return values, radial_unit(said if given == "auto" else given, file.where(path))


class Pyfai(AbstractPatternReader):
    """Reads what pyFAI integrated along one axis.

    entry: None takes the first with patterns. unit: of the axis, where the file does not say it. shape: [rows, columns] or
    [views, rows, columns] of a stack of frames; serpentine: every second row was scanned backwards. angles, angle_unit: as in
    `TiltSeries`, one a view.
    """

    path: str
    wavelength_m: float | None = eqx.field(converter=number_or_none, default=None)
    energy_keV: float | None = eqx.field(converter=number_or_none, default=None)
    entry: str | None = None
    unit: str = "auto"
    shape: tuple[int, ...] | None = eqx.field(converter=whole_numbers, default=None)
    serpentine: bool = False
    angles: str | tuple[float, ...] | None = eqx.field(converter=text_or_tuple, default=None)
    angle_unit: AngleUnit = "auto"
    access: Access = Access()

    def raw(self) -> RawPatterns:
        with self.access.open(self.source) as file:
            groups = results_of(file, self.entry)
            if not groups:
                where = f" in `{self.entry}`" if self.entry else ""
                raise InputError(
                    f"{file.path}: holds no patterns of pyFAI{where}; expected entry/results, entry/integrate/results or "
                    f"entry/PROCESS/result with {' or '.join(SIGNALS)} and an axis ({', '.join(AXES[:6])}, ...)."
                )
            return self._read(file, groups)

    def _read(self, file: GuardedFile, groups: list[str]) -> RawPatterns:
        group, entry = groups[0], groups[0].split("/")[0]
        if caked := next((name for name in AZIMUTHS if file.has(f"{group}/{name}")), None):
            raise InputError(
                f"{file.where(group)}: has an azimuthal axis (`{caked}`); expected patterns over one axis."
            )
        axis, unit = axis_of(file, group, self.unit)
        signal = first(file, *(f"{group}/{name}" for name in SIGNALS))
        assert signal is not None  # `results_of` has seen it
        counts = _frames(file, group, signal, axis)
        name = first(file, *(f"{group}/{name}" for name in ERRORS))
        variance = None if name is None else _frames(file, group, name, axis).astype(np.float64) ** 2
        if variance is not None and not (variance[np.isfinite(variance)] > 0).any():
            variance = None  # an error model that was asked for, but not computed
        counts = without_dark_ends(counts, variance)
        pixels = f"{entry}/normalization/pixels"
        if file.has(pixels) and (count := file.array(pixels)).shape == axis.shape:
            counts = np.where(count > 0, counts, np.nan)
        rays = self._rays(counts, file.where(signal))
        return RawPatterns(
            counts=rays,
            angle_deg=self._angles(len(rays)),
            axis=axis,
            unit=unit,
            variance=None if variance is None else self._rays(variance, file.where(signal)),
            wavelength_m=geometry_wavelength(file, entry),
            subtracted="dark" in _corrections(file, entry),
            source=file.path,
            metadata={"format": "pyfai", "group": group, "other_groups": groups[1:]},
        )

    def _angles(self, views: int) -> np.ndarray | None:
        if self.angles is None:
            if views > 1:
                raise InputError(
                    f"{self.source}: {views} views, whose angles pyFAI does not keep; give `angles`."
                )
            return None
        found = read_angles(self.angles, self.angle_unit, None, self.access.limits())
        if len(found.angle_deg) != views:
            raise InputError(
                f"{found.where}: {len(found.angle_deg)} angles; expected one for each of {views} views."
            )
        return found.angle_deg

    def _rays(self, counts: np.ndarray, where: str) -> np.ndarray:
        """(view, v, u, channel) of a pattern, of a stack of frames or of a map."""
        *leading, channels = counts.shape
        if len(leading) == 2 and self.shape is None:
            return arranged(counts.reshape(-1, channels), (1, leading[0], leading[1]), self.serpentine)
        frames = counts.reshape(-1, channels)
        return arranged(frames, scan_shape(len(frames), self.shape, where), self.serpentine)


def _frames(file: GuardedFile, group: str, name: str, axis: np.ndarray) -> np.ndarray:
    """(channel,), (frame, channel) or (slow, fast, channel), with the frames of a map in its order."""
    values = file.array(name)
    if values.ndim not in (1, 2, 3) or values.shape[-1:] != axis.shape or 0 in values.shape:
        raise InputError(
            f"{file.where(name)}: has shape {values.shape}; expected (..., {len(axis)}), as many channels as its axis."
        )
    pointer = f"{group}/map_ptr"
    if values.ndim != 2 or not file.has(pointer):
        return values
    index = file.array(pointer)
    if index.ndim != 2 or index.dtype.kind not in "iu" or index.min() < 0 or index.max() >= len(values):
        raise InputError(
            f"{file.where(pointer)}: holds numbers from {index.min()} to {index.max()}; expected those of {len(values)} frames."
        )
    return values[index]


def _corrections(file: GuardedFile, entry: str) -> list[str]:
    name = f"{entry}/pyFAI/integrate/has_dark_correction"
    return ["dark"] if file.has(name) and file.array(name).reshape(-1)[:1].any() else []
