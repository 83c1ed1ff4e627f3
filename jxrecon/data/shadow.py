"""Does a scan show the specimen's shadow? In a projection (near field) the picture on the detector moves when the probe does.

Frames that were taken close together are correlated after division by the mean frame; in the near field the shift of the picture
is -M / d times the step of the probe over the specimen, with the magnification M and the detector's pitch d, for all pairs alike.
"""

import dataclasses

import numpy as np

MAX_FRAMES, MAX_PAIRS, MAX_SIZE = 120, 240, 256


@dataclasses.dataclass(frozen=True)
class Shadow:
    """shift_px_per_m: (2, 2), pixels by which the picture moves for a step (y, x) of the probe; agreement: share of the pairs of
    frames that follow it within 2 pixels (near 1 in the near field)."""

    shift_px_per_m: np.ndarray
    agreement: float

    @property
    def seen(self) -> bool:
        return self.agreement > 0.9

    def magnification(self, pitch_m: tuple[float, float]) -> float:
        """|M| from the area that the map stretches."""
        return float(np.sqrt(abs(np.linalg.det(self.shift_px_per_m)) * pitch_m[0] * pitch_m[1]))


def _fluctuations(frames: np.ndarray) -> np.ndarray:
    """Frames relative to their mean, unit variance, zero where there is hardly any light."""
    frames = np.maximum(frames, 0).astype(np.float64)
    mean = frames.mean(axis=0)
    lit = mean > 0.1 * np.percentile(mean, 99)
    relative = np.where(lit, frames / np.where(lit, mean, 1) - 1, 0)
    return relative / np.maximum(np.sqrt(np.mean(relative**2, axis=(1, 2), keepdims=True)), 1e-12)


def _nearest_pairs(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    distance = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    first, second = np.triu_indices(len(positions), 1)
    order = np.argsort(distance[first, second])[:MAX_PAIRS]
    return first[order], second[order]


def find_shadow(frames: np.ndarray, positions_m: np.ndarray) -> Shadow | None:
    """Shift of the picture with the probe, from frames (scan, v, u) and their positions; None where there are too few."""
    if len(frames) < 8 or np.ptp(positions_m, axis=0).min() <= 0:
        return None
    step = -(-max(frames.shape[1:]) // MAX_SIZE)
    spectra = np.fft.rfft2(_fluctuations(frames[:, ::step, ::step]))
    shape = np.array(frames[0, ::step, ::step].shape)
    first, second = _nearest_pairs(positions_m)
    peaks = [
        np.argmax(np.fft.irfft2(spectra[j] * spectra[i].conj(), s=tuple(shape)))
        for i, j in zip(first, second, strict=True)
    ]
    shifts = np.stack(np.unravel_index(peaks, tuple(shape)), axis=1)
    shifts = ((shifts + shape // 2) % shape - shape // 2) * float(step)
    moves = positions_m[second] - positions_m[first]
    matrix, *_ = np.linalg.lstsq(moves, shifts, rcond=None)
    misses = np.linalg.norm(shifts - moves @ matrix, axis=1)
    # Pictures that stand still agree with everything: the shifts must be seen.
    moving = np.linalg.norm(shifts, axis=1).mean() > 1
    return Shadow(matrix.T, float((misses < 2 * step).mean()) if moving else 0.0)
