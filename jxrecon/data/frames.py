"""Frames as they lie in a file: native numbers, read block by block, never all at once.

Raw frames have `shape` (scan, v, u) and `dtype`, and `read_raw(index)` for ascending frame numbers; the detector's own marks
for what it did not measure are still in them. `preprocess` turns them into the counts that a `Measurement` holds.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from ..errors import InputError
from .dataset import GuardedDataset
from .hazards import GIB

BLOCK_BYTES = 8 * 2**20  # a handful of such arrays is alive at a time


@runtime_checkable
class AbstractRawFrames(Protocol):
    """Frames before preprocessing."""

    @property
    def shape(self) -> tuple[int, int, int]: ...

    @property
    def dtype(self) -> np.dtype: ...

    def read_raw(self, index: np.ndarray) -> np.ndarray:
        """Frames of these ascending numbers, (len(index), v, u), in the file's own type. Thread-safe."""
        ...


def counts_of(raw: np.ndarray) -> np.ndarray:
    """Counts as float32, -1 where the detector says that it did not measure.

    That is: NaN, infinities and negative numbers; of unsigned integers the largest (gaps between modules) and, of two bytes
    or more, the one below it (dead pixels, Dectris); 2^32 in floating point, which is such a gap after conversion.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        counts = raw.astype(np.float32)
    if raw.dtype.kind == "u":
        bad = raw >= np.iinfo(raw.dtype).max - (raw.dtype.itemsize > 1)
    elif raw.dtype.kind == "i":
        bad = (raw < 0) | (raw == np.iinfo(raw.dtype).max)
    else:
        bad = ~(counts >= 0) | np.isinf(counts) | (counts == 2.0**32)
    counts[bad] = -1
    return counts


def runs(index: np.ndarray, depth: int, limit: int) -> Iterator[np.ndarray]:
    """Groups of ascending numbers that are best read as one slice: neighbours, or within one chunk of `depth` frames,
    and no more than `limit` frames from the first to the last (a whole chunk is always allowed)."""
    start = 0
    for k in range(1, len(index) + 1):
        if k < len(index):
            near = index[k] - index[k - 1] <= 1 or index[k] // depth == index[k - 1] // depth
            span = index[k] // depth * depth - index[start] // depth * depth + depth
            if near and (span <= limit or index[k] // depth == index[start] // depth):
                continue
        yield index[start:k]
        start = k


class DatasetFrames:
    """Frames of one HDF5 dataset, (..., v, u): a raster's leading axes are counted in C order."""

    def __init__(self, dataset: GuardedDataset):
        if len(dataset.shape) < 3:
            raise InputError(f"{dataset.where}: has shape {dataset.shape}; expected frames (scan, v, u).")
        if 0 in dataset.shape:
            raise InputError(f"{dataset.where}: has shape {dataset.shape}; it holds no frames.")
        frame = int(np.prod(dataset.shape[-2:], dtype=np.float64)) * dataset.dtype.itemsize
        if frame > GIB:
            raise InputError(
                f"{dataset.where}: one frame of shape {dataset.shape[-2:]} has {frame / GIB:.3g} GiB."
            )
        self._dataset, self._frame_bytes = dataset, frame
        self._leading = dataset.shape[:-2]
        self.dtype = dataset.dtype

    @property
    def shape(self) -> tuple[int, int, int]:
        v, u = self._dataset.shape[-2:]
        return int(np.prod(self._leading)), v, u

    def read_raw(self, index: np.ndarray) -> np.ndarray:
        out = np.empty((len(index), *self.shape[1:]), self.dtype)
        fast = self._leading[-1]
        chunks = self._dataset.chunks
        depth = max(chunks[len(self._leading) - 1], 1) if chunks else 1
        limit, done = max(BLOCK_BYTES // self._frame_bytes, 1), 0
        for row in np.unique(index // fast):
            where = np.unravel_index(row, self._leading[:-1]) if len(self._leading) > 1 else ()
            for run in runs(index[index // fast == row] - row * fast, depth, limit):
                first, last = int(run[0]), int(run[-1])
                block = self._dataset.read((*map(int, where), slice(first, last + 1)))
                out[done : done + len(run)] = block if len(block) == len(run) else block[run - first]
                done += len(run)
        return out


class MemoryFrames:
    """Frames of an array in memory."""

    def __init__(self, array: np.ndarray, where: str = "frames"):
        if array.ndim != 3 or 0 in array.shape:
            raise InputError(f"{where}: has shape {array.shape}; expected frames (scan, v, u).")
        self._array = array

    @property
    def shape(self) -> tuple[int, int, int]:
        n, v, u = self._array.shape
        return n, v, u

    @property
    def dtype(self) -> np.dtype:
        return self._array.dtype

    def read_raw(self, index: np.ndarray) -> np.ndarray:
        return self._array[index]


class JoinedFrames:
    """Several sets of frames one after the other: the files of an Eiger, the chunks of a `.ptyd`."""

    def __init__(self, parts: Sequence[AbstractRawFrames], where: str = "frames"):
        shapes = {part.shape[1:] for part in parts}
        if len(shapes) != 1:
            raise InputError(f"{where}: the parts hold frames of different shapes {sorted(shapes)}.")
        self._parts = tuple(parts)
        self._ends = np.cumsum([part.shape[0] for part in parts])
        self._frame = shapes.pop()

    @property
    def shape(self) -> tuple[int, int, int]:
        return int(self._ends[-1]), *self._frame

    @property
    def dtype(self) -> np.dtype:
        return np.result_type(*[part.dtype for part in self._parts])

    def read_raw(self, index: np.ndarray) -> np.ndarray:
        part_of = np.searchsorted(self._ends, index, side="right")
        blocks = []
        for k in np.unique(part_of):
            start = self._ends[k] - self._parts[k].shape[0]
            blocks.append(self._parts[k].read_raw(index[part_of == k] - start))
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


class WeightedFrames:
    """Frames of which every one has its own mask: -1 where the weight is 0. The numbers become float32."""

    dtype = np.dtype(np.float32)

    def __init__(self, frames: AbstractRawFrames, weights: AbstractRawFrames, where: str = "weights"):
        if frames.shape != weights.shape:
            raise InputError(f"{where}: weights of shape {weights.shape} on frames of {frames.shape}.")
        self._frames, self._weights = frames, weights

    @property
    def shape(self) -> tuple[int, int, int]:
        return self._frames.shape

    def read_raw(self, index: np.ndarray) -> np.ndarray:
        counts = counts_of(self._frames.read_raw(index))
        return np.where(self._weights.read_raw(index) > 0, counts, np.float32(-1))


class MarkedFrames:
    """Frames with single bad pixels, listed as (frame, y, x): -1 there. The numbers become float32."""

    dtype = np.dtype(np.float32)

    def __init__(self, frames: AbstractRawFrames, bad: np.ndarray):
        self._frames = frames
        self._bad = bad[np.argsort(bad[:, 0], kind="stable")]

    @property
    def shape(self) -> tuple[int, int, int]:
        return self._frames.shape

    def read_raw(self, index: np.ndarray) -> np.ndarray:
        counts = counts_of(self._frames.read_raw(index))
        for k, number in enumerate(index):
            first, last = np.searchsorted(self._bad[:, 0], [number, number + 1])
            counts[k, self._bad[first:last, 1], self._bad[first:last, 2]] = -1
        return counts


def blocks(count: int, frame_bytes: int) -> Iterator[np.ndarray]:
    """Numbers 0 ... count-1 in groups whose frames fit into one block of memory."""
    size = max(BLOCK_BYTES // max(frame_bytes, 1), 1)
    for start in range(0, count, size):
        yield np.arange(start, min(start + size, count))
