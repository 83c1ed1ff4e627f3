"""Complex fields on another grid; the centre, pixel n//2, stays where it is."""

import numpy as np
from jaxtyping import Complex, Num
from scipy.ndimage import map_coordinates

from ..errors import InputError

LARGEST_RATIO = 16.0


def framed(
    field: Num[np.ndarray, "_ _"], shape: tuple[int, int], value: complex | float = 0.0
) -> Complex[np.ndarray, "_ _"]:
    """Cropped, or continued with `value`, to `shape`."""
    result = np.full(shape, value, complex)
    inside, outside = [], []
    for old, new in zip(field.shape, shape, strict=True):
        first = old // 2 - new // 2  # of the new grid, in pixels of the old one
        start, stop = max(first, 0), min(first + new, old)
        outside.append(slice(start, stop))
        inside.append(slice(start - first, stop - first))
    result[tuple(inside)] = field[tuple(outside)]
    return result


def resampled(
    field: Num[np.ndarray, "_ _"],
    pixel_size_m: tuple[float, float],
    new_shape: tuple[int, int],
    new_pixel_size_m: tuple[float, float],
    value: complex | float = 0.0,
) -> Complex[np.ndarray, "_ _"]:
    """The field on pixels of another size (cubic splines), `value` outside of it."""
    ratio = [new / old for new, old in zip(new_pixel_size_m, pixel_size_m, strict=True)]
    if not all(1 / LARGEST_RATIO < r < LARGEST_RATIO for r in ratio):
        raise InputError(
            f"pixels of {pixel_size_m} m cannot be brought to {new_pixel_size_m} m; are both in metres?"
        )
    if np.allclose(ratio, 1, rtol=1e-4, atol=0):
        return framed(field, new_shape, value)
    axes = [
        (np.arange(new) - new // 2) * r + old // 2
        for new, r, old in zip(new_shape, ratio, field.shape, strict=True)
    ]
    grid = np.meshgrid(*axes, indexing="ij")
    moved = field - value
    parts = [map_coordinates(p, grid, order=3, cval=0.0) for p in (moved.real, moved.imag)]
    return parts[0] + 1j * parts[1] + value
