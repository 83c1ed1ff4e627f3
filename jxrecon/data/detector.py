"""What is done to a detector's frames before they are compared with a model, as functions of arrays (..., v, u).

Not measured is -1 in frames and False in masks; every function keeps it so.
"""

import numpy as np
from scipy import ndimage

Point = tuple[float | int, float | int]  # (v, u) in pixels


def orient(frames: np.ndarray, orientation: int) -> np.ndarray:
    """One of the eight ways to lay a detector, as PtyPy counts them: orientation = 4 transpose + 2 flipud + 1 fliplr,
    transposed first. A view, no copy."""
    if orientation & 4:
        frames = np.swapaxes(frames, -1, -2)
    if orientation & 2:
        frames = frames[..., ::-1, :]
    if orientation & 1:
        frames = frames[..., ::-1]
    return frames


def orient_point(point: Point, shape: tuple[int, int], orientation: int) -> Point:
    """Where a point (v, u) of a frame of this shape lies after `orient`."""
    (v, u), (rows, columns) = point, shape
    if orientation & 4:
        (v, u), (rows, columns) = (u, v), (columns, rows)
    return (rows - 1 - v if orientation & 2 else v), (columns - 1 - u if orientation & 1 else u)


def corner_to_centre(frames: np.ndarray) -> np.ndarray:
    """Moves the zero frequency from pixel (0, 0) to (v//2, u//2)."""
    return np.fft.fftshift(frames, axes=(-2, -1))


def window_start(centre: float | int, size: int, binning: int) -> int:
    """First pixel of a window of `size` in which the beam falls on binned pixel (size // binning) // 2.

    A binned pixel of b covers b pixels with its centre at (b - 1) / 2, so that for even b half a raw pixel may remain; in the far
    field that is a phase ramp, which the probe absorbs.
    """
    return int(np.floor(centre - (size // binning // 2) * binning - (binning - 1) / 2 + 0.5))


def window(frames: np.ndarray, start: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """The part of a window that lies within the frames; see `pad_window` for the rest."""
    slices = tuple(
        slice(max(s, 0), max(min(s + n, m), max(s, 0)))
        for s, n, m in zip(start, size, frames.shape[-2:], strict=True)
    )
    return frames[(..., *slices)]


def pad_window(part: np.ndarray, start: tuple[int, int], size: tuple[int, int], fill) -> np.ndarray:
    """Fills a `window` that reaches beyond the frames up to its full size."""
    if part.shape[-2:] == tuple(size):
        return part
    out = np.full((*part.shape[:-2], *size), fill, part.dtype)
    (v, u), (rows, columns) = (max(-s, 0) for s in start), part.shape[-2:]
    out[..., v : v + rows, u : u + columns] = part
    return out


def bin_counts(frames: np.ndarray, binning: int) -> np.ndarray:
    """Sums over squares of pixels; -1 where any of them was not measured."""
    if binning == 1:
        return frames
    squares = _squares(frames, binning)
    total = squares.sum(axis=(-3, -1), dtype=frames.dtype)
    total[(squares < 0).any(axis=(-3, -1))] = -1
    return total


def bin_mask(mask: np.ndarray, binning: int) -> np.ndarray:
    """A binned pixel is good when all its pixels are."""
    return mask if binning == 1 else np.asarray(_squares(mask, binning).all(axis=(-3, -1)))


def _squares(frames: np.ndarray, binning: int) -> np.ndarray:
    *lead, v, u = frames.shape
    return frames.reshape(*lead, v // binning, binning, u // binning, binning)


def hot_pixels(mean: np.ndarray, mask: np.ndarray, threshold: float | int, floor: float) -> np.ndarray:
    """Pixels whose mean count exceeds `threshold` times the median of the 5 x 5 pixels around (at least `floor`)."""
    around = ndimage.median_filter(np.where(mask, mean, 0), size=5, mode="nearest")
    return mask & np.greater(mean, threshold * np.maximum(around, floor))


def dead_pixels(mean: np.ndarray, mask: np.ndarray, floor: float) -> np.ndarray:
    """Pixels that never count although the median of the 5 x 5 pixels around exceeds `floor`."""
    around = ndimage.median_filter(np.where(mask, mean, 0), size=5, mode="nearest")
    return np.logical_and(mask, (mean <= 0) & (around > floor))


def beam_centre(mean: np.ndarray, mask: np.ndarray) -> Point:
    """Centre of mass (v, u) of a mean pattern, without its faint background (below 5 % of the 99.9th percentile)."""
    values = np.where(mask, mean, 0).astype(np.float64)
    top = np.percentile(values, 99.9)
    values = np.clip(values - 0.05 * top, 0, top)
    total = values.sum()
    if total <= 0:
        return mean.shape[0] // 2, mean.shape[1] // 2
    v, u = (np.arange(n) for n in mean.shape)
    return float(values.sum(axis=1) @ v / total), float(values.sum(axis=0) @ u / total)
