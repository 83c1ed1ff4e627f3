"""The average of a sample of frames: the power of the illumination and, nearly, its picture on the detector.

Pixels that no frame has measured take the value of the nearest one that was, so that the power of the illumination is not
missing what gaps and a beamstop hide.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import distance_transform_edt

from ..errors import InputError
from ..geometry import Geometry
from ..measurement import Measurement

MAX_FRAMES, MAX_PIXELS, BLOCK = 500, 2**27, 16


@dataclasses.dataclass(frozen=True)
class MeanFrame:
    """pattern: mean counts, beam at the centre, in the probe's shape; its sum is the power of the probe.

    index: all frames that were taken with this illumination.
    """

    pattern: Float[np.ndarray, "v u"]
    index: np.ndarray

    @property
    def photons(self) -> float:
        return float(self.pattern.sum())


def sample(index: np.ndarray, pixels: int) -> np.ndarray:
    """At most `MAX_FRAMES` frames, evenly spread, and no more than `MAX_PIXELS` pixels in all."""
    count = max(1, min(len(index), MAX_FRAMES, MAX_PIXELS // pixels))
    return index[np.linspace(0, len(index) - 1, count).round().astype(int)]


def blocks(measurement: Measurement, index: np.ndarray):
    """Frames (frame, v, u) of the numbers `index`, a few at a time, and where they are valid."""
    for start in range(0, len(index), BLOCK):
        frames = measurement.frames.read(index[start : start + BLOCK])
        yield frames, measurement.mask & (frames >= 0)


def filled(values: np.ndarray, known: Bool[np.ndarray, "v u"]) -> np.ndarray:
    """`values` with the nearest known one where nothing is known."""
    if known.all():
        return values
    _, nearest = distance_transform_edt(~known, return_indices=True)  # pyright: ignore[reportGeneralTypeIssues]
    return values[tuple(nearest)]


def mean_frame(geometry: Geometry, measurement: Measurement, index: np.ndarray) -> MeanFrame:
    """Mean of (a sample of) the frames `index`; in the near field continued into the margin of the probe."""
    total, times = np.zeros(measurement.mask.shape), np.zeros(measurement.mask.shape)
    for frames, valid in blocks(measurement, sample(index, measurement.mask.size)):
        total += np.where(valid, frames, 0).sum(axis=0, dtype=float)
        times += valid.sum(axis=0)
    if not total.any():
        raise InputError(
            f"{measurement.source or 'measurement'}: no frame has a count on a good pixel; check the mask and the frames."
        )
    mean = filled(total / np.maximum(times, 1), times > 0)
    fine = np.ones((geometry.oversampling, geometry.oversampling)) / geometry.oversampling**2
    return MeanFrame(np.kron(np.pad(mean, geometry.margin, mode="edge"), fine), index)
