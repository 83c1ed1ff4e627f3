"""Frames in the order in which they were taken, as rays of a scan; channels that no pixel of the detector reached."""

import numpy as np

from ..errors import InputError


def whole_numbers(shape) -> tuple[int, ...] | None:
    """A shape as a yaml gives it, a list of whole numbers."""
    return None if shape is None else tuple(int(n) for n in shape)


def scan_shape(count: int, shape: tuple[int, ...] | None, where: str) -> tuple[int, int, int]:
    """(view, v, u) of `count` frames; `shape` is (v, u) or (view, v, u), None a single row."""
    if shape is None:
        return 1, 1, count
    full = (1,) * (3 - len(shape)) + tuple(shape)
    if len(full) != 3 or min(full) < 1 or int(np.prod(full, dtype=object)) != count:
        raise InputError(
            f"{where}: holds {count} patterns, but `shape` is {list(shape)}; expected [rows, columns] or [views, rows, columns] "
            f"whose product is {count}."
        )
    return full[0], full[1], full[2]


def arranged(values: np.ndarray, shape: tuple[int, int, int], serpentine: bool) -> np.ndarray:
    """(frame, ...) as (view, v, u, ...): u runs fastest, in every second row backwards with `serpentine`."""
    rays = values.reshape(*shape, *values.shape[1:])
    if serpentine:
        rays = rays.copy()
        rays[:, 1::2] = rays[:, 1::2, ::-1]
    return rays


def without_dark_ends(counts: np.ndarray, variance: np.ndarray | None = None) -> np.ndarray:
    """NaN in the first and last channels that are zero in every pattern (no pixel of the detector was there): not measured."""
    lit = (counts != 0).any(axis=tuple(range(counts.ndim - 1)))
    if variance is not None:
        lit |= (variance != 0).any(axis=tuple(range(counts.ndim - 1)))
    if lit.all() or not lit.any():
        return counts
    first, last = int(np.argmax(lit)), len(lit) - 1 - int(np.argmax(lit[::-1]))
    counts = counts.astype(np.float32 if counts.dtype == np.float32 else np.float64)
    counts[..., :first], counts[..., last + 1 :] = np.nan, np.nan
    return counts
