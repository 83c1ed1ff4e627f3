"""Images of a series of projections, read when they are needed: whole, or some of their rows (what one slice needs)."""

import dataclasses
from typing import Protocol, runtime_checkable

import numpy as np

from .dataset import GuardedDataset
from .frames import BLOCK_BYTES

EVERY = slice(None)


@runtime_checkable
class AbstractProjections(Protocol):
    """Images of one shape, (view, v, u), read when they are needed."""

    @property
    def shape(self) -> tuple[int, int, int]: ...

    @property
    def dtype(self) -> np.dtype: ...

    def read(self, index: np.ndarray, rows: slice = EVERY) -> np.ndarray:
        """Images of these numbers, of their rows only these, (len(index), rows, u), in the file's own type."""
        ...


@dataclasses.dataclass(frozen=True)
class StoredProjections:
    """Some images of a dataset (frame, v, u): of the raw frames those that are projections, or flats."""

    dataset: GuardedDataset
    frames: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        _, v, u = self.dataset.shape
        return len(self.frames), v, u

    @property
    def dtype(self) -> np.dtype:
        return self.dataset.dtype

    def read(self, index: np.ndarray, rows: slice = EVERY) -> np.ndarray:
        numbers = self.frames[np.asarray(index)]
        if len(numbers) > 1 and (np.diff(numbers) == 1).all():
            return self.dataset.read((slice(int(numbers[0]), int(numbers[-1]) + 1), rows))
        out = [self.dataset.read((int(number), rows)) for number in numbers]
        return np.stack(out) if out else np.empty((0, *self.dataset.read((0, rows)).shape), self.dtype)


@dataclasses.dataclass(frozen=True)
class ArrayProjections:
    """Images in memory."""

    array: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        n, v, u = self.array.shape
        return n, v, u

    @property
    def dtype(self) -> np.dtype:
        return self.array.dtype

    def read(self, index: np.ndarray, rows: slice = EVERY) -> np.ndarray:
        return self.array[np.asarray(index)][:, rows]


@dataclasses.dataclass(frozen=True)
class ChosenProjections:
    """Some of the images."""

    frames: AbstractProjections
    views: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.views), *self.frames.shape[1:]

    @property
    def dtype(self) -> np.dtype:
        return self.frames.dtype

    def read(self, index: np.ndarray, rows: slice = EVERY) -> np.ndarray:
        return self.frames.read(self.views[np.asarray(index)], rows)


def measured(raw: np.ndarray) -> np.ndarray:
    """Float64, NaN where an integer is saturated."""
    values = raw.astype(np.float64)
    if raw.dtype.kind == "u":
        values[raw == np.iinfo(raw.dtype).max] = np.nan
    return values


def mean_of(images: AbstractProjections, rows: slice) -> np.ndarray:
    """Mean over the images of what was measured."""
    total, count = np.zeros(()), np.zeros(())
    step = max(BLOCK_BYTES // (8 * images.shape[1] * images.shape[2]), 1)
    for start in range(0, images.shape[0], step):
        values = measured(images.read(np.arange(start, min(start + step, images.shape[0])), rows))
        good = np.isfinite(values)
        total = total + np.where(good, values, 0).sum(axis=0)
        count = count + good.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
