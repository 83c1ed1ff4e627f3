"""One look at the frames before the reconstruction: counts of each, the mean frame, what was not measured."""

import dataclasses

import numpy as np

from .frames import blocks
from .preprocess import PreprocessedFrames


@dataclasses.dataclass(frozen=True)
class Survey:
    """index: numbers of the frames that were looked at; totals: their counts; mean, largest: (v, u) over the pixels that were
    measured; invalid: pixels of good detector pixels that single frames lack."""

    index: np.ndarray
    totals: np.ndarray
    mean: np.ndarray
    largest: np.ndarray
    invalid: int

    @property
    def count(self) -> int:
        return len(self.index)

    def without_empty(self) -> "Survey":
        kept = self.totals > 0
        return dataclasses.replace(self, index=self.index[kept], totals=self.totals[kept])


def survey(frames: PreprocessedFrames, sample: int | None = None) -> Survey:
    """Looks at all frames, or at `sample` of them, evenly spaced."""
    total = frames.shape[0]
    index = np.arange(total)
    if sample is not None and sample < total:
        index = np.unique(np.linspace(0, total - 1, sample).astype(int))
    shape = frames.mask.shape
    sums, counted = np.zeros(shape), np.zeros(shape, np.int64)
    largest = np.zeros(shape, np.float32)
    totals = []
    for part in blocks(len(index), 4 * frames.mask.size):
        counts = frames.read_unchecked(index[part])
        good = counts >= 0
        np.copyto(counts, 0, where=~good)
        sums += counts.sum(axis=0, dtype=np.float64)
        counted += good.sum(axis=0)
        largest = np.maximum(largest, counts.max(axis=0))
        totals.append(counts.sum(axis=(1, 2), dtype=np.float64))
    invalid = int((len(index) - counted[frames.mask]).sum())
    return Survey(index, np.concatenate(totals), sums / np.maximum(counted, 1), largest, invalid)
