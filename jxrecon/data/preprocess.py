"""From a detector's raw frames to photon counts: which frames, which way round, which part, with which corrections.

The order is: zero frequency to the centre, orientation, crop about the beam, detector's own marks and saturation, dark, flat,
gain, masks, binning:  counts = (raw - dark) / (flat / mean flat) / gain,  summed over bin x bin pixels, -1 where not measured.
"""

import dataclasses
from typing import Literal

import equinox as eqx
import numpy as np

from ..errors import InputError
from .detector import (
    Point,
    bin_counts,
    bin_mask,
    corner_to_centre,
    orient,
    orient_point,
    pad_window,
    window,
    window_start,
)
from .frames import AbstractRawFrames, blocks, counts_of
from .shared_maps import shared


def _pair(value):
    """One number for both axes, or two, as a tuple."""
    if value is None:
        return None
    try:
        first, second = value
    except TypeError:
        first = second = value
    return first, second


def _integers(value) -> tuple[int, int] | None:
    pair = _pair(value)
    return None if pair is None else (int(pair[0]), int(pair[1]))


def _centre(value) -> tuple[float, float] | Literal["found"] | None:
    if value == "found":
        return "found"
    if isinstance(value, str):
        raise InputError(f"`data.preprocess.centre` is {value!r}; expected (v, u) or 'found'.")
    pair = _pair(value)
    return None if pair is None else (float(pair[0]), float(pair[1]))


def _optional(value) -> float | None:
    return None if value is None else float(value)


class Preprocess(eqx.Module):
    """Settings of the way in. None means: as the format or the file says.

    start, stop, stride: which frames, as a Python slice.
    orientation: 0-7, 4 transpose + 2 flipud + 1 fliplr of the detector (transpose first).
    zero_frequency: where the file's frames have it, at the "centre" (v//2, u//2) or at the "corner" (0, 0).
    centre: beam on the raw frame, (v, u) pixels as the file holds them, or "found" (centre of mass of the mean frame).
    crop: (v, u) raw pixels about the beam, or one number; bin: pixels summed along each axis.
    dark, flat, mask: "FILE.npy" or "FILE.h5:/dataset", of the raw frame's shape (mask: nonzero = good).
    gain: raw units per photon. saturation: raw values from here on are not measured.
    hot_pixel_threshold: mask pixels whose mean exceeds so many times the median of their neighbours (try 20).
    drop_empty_frames: leave out frames without any count, which are otherwise an error.
    position_sign: (y, x) factors +1 or -1 on the file's positions; swap_xy: the file has x first. With the format's own
    default, positions are those of the probe over the specimen.
    survey_gib: sets larger than this are not read once in full to look for empty frames and bad pixels, but in samples.
    """

    start: int = 0
    stop: int | None = None
    stride: int = 1
    orientation: int | None = None
    zero_frequency: Literal["centre", "corner"] | None = None
    centre: tuple[float, float] | Literal["found"] | None = eqx.field(converter=_centre, default=None)
    crop: int | tuple[int, int] | None = eqx.field(converter=_integers, default=None)
    bin: int = 1
    dark: str | None = None
    flat: str | None = None
    mask: str | None = None
    gain: float = eqx.field(converter=float, default=1.0)
    saturation: float | None = eqx.field(converter=_optional, default=None)
    hot_pixel_threshold: float | None = eqx.field(converter=_optional, default=None)
    drop_empty_frames: bool = False
    position_sign: int | tuple[int, int] | None = eqx.field(converter=_integers, default=None)
    swap_xy: bool | None = None
    survey_gib: float = eqx.field(converter=float, default=8.0)

    def __check_init__(self):
        if self.orientation is not None and self.orientation not in range(8):
            raise InputError(f"`data.preprocess.orientation` is {self.orientation}; expected 0 to 7.")
        if self.bin < 1 or self.stride < 1 or self.start < 0:
            raise InputError("`data.preprocess`: `bin` and `stride` are at least 1 and `start` at least 0.")
        if self.crop is not None and (any(n < self.bin or n % self.bin for n in self.pair("crop"))):
            raise InputError(
                f"`data.preprocess.crop` is {self.crop}; expected multiples of `bin` = {self.bin}."
            )
        if self.position_sign is not None and set(self.pair("position_sign")) - {1, -1}:
            raise InputError(f"`data.preprocess.position_sign` is {self.position_sign}; expected 1 or -1.")
        if not self.gain > 0:
            raise InputError(f"`data.preprocess.gain` is {self.gain}; expected a positive number.")

    def pair(self, name: str) -> tuple[int, int]:
        """A setting of which the converter has made a pair (its annotation also tells what may be given)."""
        first, second = getattr(self, name)
        return first, second

    def select(self, count: int, where: str) -> np.ndarray:
        """Numbers of the frames that are used, of `count` in the file."""
        index = np.arange(count)[self.start : self.stop : self.stride]
        if len(index) == 0:
            raise InputError(
                f"{where}: no frame is left of {count} by `data.preprocess.start`={self.start}, "
                f"`stop`={self.stop}, `stride`={self.stride}."
            )
        return index


@dataclasses.dataclass(frozen=True)
class Pipeline:
    """Raw frames (n, V, U) to counts (n, v, u). The maps (mask, dark, scale) are (V, U), laid as the file's frames."""

    corner: bool
    orientation: int
    start: tuple[int, int]
    size: tuple[int, int]
    binning: int
    mask: np.ndarray
    dark: np.ndarray | None = None
    scale: np.ndarray | None = None
    saturation: float | None = None

    def arrange(self, frames: np.ndarray) -> np.ndarray:
        """The part of the window that lies on the detector, the right way round."""
        frames = corner_to_centre(frames) if self.corner else frames
        return window(orient(frames, self.orientation), self.start, self.size)

    def __call__(self, raw: np.ndarray) -> np.ndarray:
        view = self.arrange(raw)
        counts = counts_of(view)
        bad = (counts < 0) | ~self.arrange(self.mask)
        if self.saturation is not None:
            bad |= view >= self.saturation
        if self.dark is not None:
            counts = np.maximum(counts - self.arrange(self.dark), 0)
        if self.scale is not None:
            counts = counts * self.arrange(self.scale)
        counts[bad] = -1
        return bin_counts(pad_window(counts, self.start, self.size, -1), self.binning)

    def final_mask(self) -> np.ndarray:
        """(v, u), True where the detector is good."""
        part = pad_window(self.arrange(self.mask), self.start, self.size, False)
        return bin_mask(part, self.binning)


def oriented(shape: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Shape of a frame after `orient`."""
    return (shape[1], shape[0]) if orientation & 4 else shape


def place(
    shape: tuple[int, int],
    orientation: int,
    centre: Point | None,
    crop: tuple[int, int] | None,
    binning: int,
) -> tuple[tuple[int, int], tuple[int, int]]:
    """(start, size) of the window on an oriented frame, from the beam's `centre` on the raw one; None keeps the frame's
    middle where it is (near field)."""
    rows, columns = oriented(shape, orientation)
    # `crop` is given as (v, u) of the frames that are used, after orientation.
    size = crop if crop is not None else (rows // binning * binning, columns // binning * binning)
    if centre is None:
        return ((rows - size[0]) // 2, (columns - size[1]) // 2), size
    v, u = orient_point(centre, shape, orientation)
    if not (0 <= v < rows and 0 <= u < columns):
        raise InputError(
            f"the beam centre {centre} is not on the frame of {shape} pixels; set `data.preprocess.centre`."
        )
    return (window_start(v, size[0], binning), window_start(u, size[1], binning)), size


class PreprocessedFrames:
    """The frames of a measurement (`AbstractFrames`): read, put through the pipeline, with bad pixels marked."""

    def __init__(
        self,
        raw: AbstractRawFrames,
        pipeline: Pipeline,
        selection: np.ndarray,
        where: str,
        mask: np.ndarray | None = None,
        drop_empty: bool = False,
    ):
        self._raw, self._pipeline, self._selection = raw, pipeline, selection
        self._where, self._drop_empty = where, drop_empty
        self.mask = shared(pipeline.final_mask() if mask is None else mask)
        self._frame_bytes = int(np.prod(raw.shape[1:])) * max(raw.dtype.itemsize, 4)

    @property
    def shape(self) -> tuple[int, int, int]:
        v, u = self.mask.shape
        return len(self._selection), v, u

    @property
    def raw_bytes(self) -> int:
        """What reading all of them takes."""
        return len(self._selection) * self._frame_bytes

    @property
    def selection(self) -> np.ndarray:
        """Numbers in the file of these frames."""
        return self._selection

    def replace(self, selection: np.ndarray, mask: np.ndarray) -> "PreprocessedFrames":
        """Other frames of the same file, or another mask."""
        return PreprocessedFrames(self._raw, self._pipeline, selection, self._where, mask, self._drop_empty)

    def read_unchecked(self, index: np.ndarray) -> np.ndarray:
        """As `read`, whatever the frames hold."""
        out = np.empty((len(index), *self.mask.shape), np.float32)
        for part in blocks(len(index), self._frame_bytes):
            out[part] = self._pipeline(self._raw.read_raw(self._selection[index[part]]))
        out[:, ~self.mask] = -1
        return out

    def read(self, index: np.ndarray) -> np.ndarray:
        index = np.asarray(index)
        if (np.diff(index) < 0).any():
            order = np.argsort(index, kind="stable")
            return self.read(index[order])[np.argsort(order)]
        out = self.read_unchecked(index)
        # Sets too large for a survey show their empty frames only here.
        empty = ~(out > 0).any(axis=(-2, -1))
        if empty.any() and not self._drop_empty:
            raise InputError(empty_frames(self._where, self._selection[index[empty]]))
        out[empty] = -1
        return out


def empty_frames(where: str, numbers: np.ndarray) -> str:
    """The message about frames that hold nothing."""
    first = ", ".join(str(int(n)) for n in numbers[:5]) + (", ..." if len(numbers) > 5 else "")
    return (
        f"{where}: {len(numbers)} of the frames hold no count at all (number {first}); leave them out with "
        "`data.preprocess.drop_empty_frames=true`."
    )
