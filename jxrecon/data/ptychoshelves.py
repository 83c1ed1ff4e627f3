"""PtychoShelves / cSAXS (Wakonig et al., J. Appl. Cryst. 53, 574, 2020): prepared data and results, as h5py shows them.

Prepared, `format` = 2: /measurement/n<k>: data (scan, y, x) counts with the zero frequency at the CORNER, positions (scan, 2)
u32 = (y, x) of the window's first pixel in the object, ROUNDED to pixels; /detector/n<k>: modules (module, 4) = rows, columns,
y0, x0 of the active areas and bad_pixels (bad, 2), both laid as the frames are; or bad_pixels and bad_pixels_index of single
frames in /measurement/n<k>, where the index is the running end of each frame's list. Geometry is not in the file.
Older ("mex"): /measurements/measurement_<k>: diff_pat (y, x) amplitudes with max = 1, attribute position;
counts = diff_pat^2 max_power.
Result: /reconstruction/object, probes, p/{positions, lambda, z, dx_spec, asize}: complex numbers as {r, i}, true positions, and
/measurement/data, a link to the prepared frames.
"""

import numpy as np

from ..errors import InputError
from .access import Access
from .frames import AbstractRawFrames, DatasetFrames, MarkedFrames
from .hdf5 import COMPLEX, GuardedFile
from .instrument import FileGeometry, Instrument
from .preprocess import Preprocess
from .reader import AbstractReader
from .scan import Scan, check_mask, check_positions, check_probe

RESULT = "reconstruction/p"


class AmplitudeFrames:
    """Frames of the older layout: one dataset of amplitudes each."""

    dtype = np.dtype(np.float32)

    def __init__(self, file: GuardedFile, names: list[str], power: float):
        self._file, self._names, self._power = file, names, power
        shape = file.dataset(names[0], at_once=True).shape
        if len(shape) != 2:
            raise InputError(f"{file.where(names[0])}: has shape {shape}; expected one frame (y, x).")
        self._shape = (shape[0], shape[1])

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self._names), *self._shape

    def read_raw(self, index: np.ndarray) -> np.ndarray:
        out = np.empty((len(index), *self._shape), np.float32)
        for k, number in enumerate(index):
            amplitude = self._file.array(self._names[int(number)])
            if amplitude.shape != self._shape:
                raise InputError(
                    f"{self._file.where(self._names[int(number)])}: has shape {amplitude.shape}."
                )
            out[k] = amplitude.astype(np.float32) ** 2 * self._power
        return out


def window_positions(corners: np.ndarray, where: str) -> np.ndarray:
    """(scan, 2) float64; MATLAB's own order (2, scan) is turned round."""
    if corners.ndim == 2 and corners.shape[0] == 2 and corners.shape[1] != 2:
        corners = corners.T
    return check_positions(corners, where, "px")


def detector_mask(file: GuardedFile, group: str, shape: tuple[int, int]) -> np.ndarray | None:
    """(y, x) True inside the modules and off the bad pixels; laid as the frames are."""
    mask = None
    if file.has(f"{group}/modules"):
        modules = file.array(f"{group}/modules").astype(np.int64)
        modules = modules.T if modules.ndim == 2 and modules.shape[1] != 4 else modules
        if modules.ndim != 2 or modules.shape[1] != 4:
            raise InputError(f"{file.where(group)}/modules: has shape {modules.shape}; expected (module, 4).")
        mask = np.zeros(shape, bool)
        for rows, columns, y, x in modules:
            mask[max(y, 0) : y + rows, max(x, 0) : x + columns] = True
    if file.has(f"{group}/bad_pixels"):
        bad = _pixels(file, f"{group}/bad_pixels", shape)
        mask = np.ones(shape, bool) if mask is None else mask
        mask[bad[:, 0], bad[:, 1]] = False
    return None if mask is None else check_mask(mask, shape, file.where(group))


def _pixels(file: GuardedFile, name: str, shape: tuple[int, int]) -> np.ndarray:
    """(bad, 2) = (y, x), inside the frame."""
    pixels = file.array(name).astype(np.int64)
    if pixels.size == 0:
        return np.zeros((0, 2), np.int64)
    pixels = pixels.T if pixels.ndim == 2 and pixels.shape[1] != 2 else pixels
    if pixels.ndim != 2 or (pixels < 0).any() or (pixels >= shape).any():
        raise InputError(f"{file.where(name)}: lists pixels outside the frame of {shape}.")
    return pixels


def marked(file: GuardedFile, group: str, frames: AbstractRawFrames) -> AbstractRawFrames:
    """Frames with the bad pixels that single frames have."""
    if not (file.has(f"{group}/bad_pixels") and file.has(f"{group}/bad_pixels_index")):
        return frames
    pixels = _pixels(file, f"{group}/bad_pixels", frames.shape[1:])
    ends = file.array(f"{group}/bad_pixels_index").reshape(-1).astype(np.int64)
    counts = np.diff(ends, prepend=0)
    if len(ends) != frames.shape[0] or (counts < 0).any() or ends[-1] != len(pixels):
        raise InputError(
            f"{file.where(group)}/bad_pixels_index: {len(ends)} running ends up to {ends[-1:]} for {frames.shape[0]} frames "
            f"and {len(pixels)} bad pixels."
        )
    return MarkedFrames(frames, np.column_stack([np.repeat(np.arange(len(ends)), counts), pixels]))


def prepared(file: GuardedFile, number: int) -> Scan:
    """A scan of a prepared file."""
    if file.has("measurements"):
        return _prepared_mex(file, number)
    group = f"measurement/n{number}"
    frames = marked(file, group, DatasetFrames(file.dataset(f"{group}/data")))
    detector = file.attribute(group, "detector")
    return Scan(
        format="ptychoshelves",
        frames=frames,
        positions=window_positions(file.array(f"{group}/positions"), file.where(f"{group}/positions")),
        position_unit="px",
        zero_frequency="corner",
        geometry=FileGeometry(),
        mask=detector_mask(file, f"detector/n{int(detector or 0)}", frames.shape[1:]),
        names=(f"{group}/data", f"{group}/positions"),
        metadata={"positions_rounded": True},
    )


def _prepared_mex(file: GuardedFile, number: int) -> Scan:
    names = sorted(
        (n for n in file.children("measurements") if n.rpartition("_")[2].isdigit()),
        key=lambda n: int(n.rpartition("_")[2]),
    )
    groups = [f"measurements/{n}" for n in names]
    groups = [g for g in groups if int(file.attribute(g, "detector") or 0) == number]
    if not groups:
        raise InputError(f"{file.where('measurements')}: no measurement_<k> of detector {number}.")
    power = file.attribute("measurements", "max_power")
    frames = AmplitudeFrames(file, [f"{g}/diff_pat" for g in groups], float(power or 1.0))
    positions = np.array([file.attribute_array(g, "position") for g in groups])
    return Scan(
        format="ptychoshelves",
        frames=frames,
        positions=check_positions(positions, file.where("measurements"), "px"),
        position_unit="px",
        zero_frequency="corner",
        geometry=FileGeometry(),
        mask=detector_mask(file, f"detector/n{number}", frames.shape[1:]),
        names=("measurements/*/diff_pat", "measurements/*@position"),
        metadata={"positions_rounded": True},
    )


def result(file: GuardedFile, frames_file: GuardedFile, number: int) -> Scan:
    """Frames of the prepared file with positions, probe, object and geometry of the result."""
    base = _linked_frames(frames_file, number) if frames_file is file else prepared(frames_file, number)
    shape = base.frames.shape[1:]
    name = f"{RESULT}/positions"
    probe = file.array("reconstruction/probes", COMPLEX)
    probe = probe.reshape(-1, *probe.shape[-3:])[0] if probe.ndim > 3 else probe
    object_ = file.array("reconstruction/object", COMPLEX)
    return Scan(
        format="ptychoshelves",
        frames=base.frames,
        positions=window_positions(file.array(name), file.where(name)),
        position_unit="px",
        zero_frequency="corner",
        geometry=_geometry(file, shape),
        mask=base.mask,
        names=(base.names[0], name),
        probe=check_probe(probe, shape, file.where("reconstruction/probes")),
        rescale_probe=True,
        object=object_.reshape(-1, *object_.shape[-2:])[0].astype(np.complex64),
        # A window's first pixel is its position: its centre lies half a window further.
        object_centre=(shape[0] // 2, shape[1] // 2),
    )


def _linked_frames(file: GuardedFile, number: int) -> Scan:
    """Frames through the result's own link, to a dataset or to a whole prepared file."""
    for name in (
        f"measurement/data/measurement/n{number}",
        f"measurement/data/n{number}",
        f"measurement/n{number}",
    ):
        if file.has(f"{name}/data"):
            frames = marked(file, name, DatasetFrames(file.dataset(f"{name}/data")))
            break
    else:
        name, frames = "measurement", DatasetFrames(file.dataset("measurement/data"))
    zero = np.zeros((frames.shape[0], 2))
    return Scan("ptychoshelves", frames, zero, FileGeometry(), names=(f"{name}/data", ""))


def _geometry(file: GuardedFile, shape: tuple[int, int]) -> FileGeometry:
    """lambda as stored (its five digits must not be recomputed); detector pitch d = lambda z / (N dx)."""
    found = {n: file.scalar(f"{RESULT}/{n}") for n in ("lambda", "z") if file.has(f"{RESULT}/{n}")}
    pitch = None
    if len(found) == 2 and file.has(f"{RESULT}/dx_spec"):
        dx = np.broadcast_to(file.array(f"{RESULT}/dx_spec").reshape(-1)[:2], 2).astype(np.float64)
        if not (dx > 0).all():
            raise InputError(f"{file.where(RESULT)}/dx_spec: is {dx}; expected positive metres.")
        pitch = found["lambda"] * found["z"] / (np.asarray(shape) * dx)
        pitch = (float(pitch[0]), float(pitch[1]))
    return FileGeometry(found.get("lambda"), found.get("z"), pitch)


class Ptychoshelves(AbstractReader):
    """Reads prepared data, or a result together with its frames; `frames_path` names the prepared file where the result's link
    to it is broken. `number` is the scan within the file, from 0."""

    path: str
    number: int = 0
    frames_path: str | None = None
    instrument: Instrument = Instrument()
    preprocess: Preprocess = Preprocess()
    access: Access = Access()

    def scan(self) -> Scan:
        file = self.access.open(self.source)
        if not file.has("reconstruction"):
            return prepared(file, self.number)
        frames = file if self.frames_path is None else self.access.open(self.frames_path)
        return result(file, frames, self.number)
