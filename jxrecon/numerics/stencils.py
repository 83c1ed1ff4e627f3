"""Differences between neighbours of first and second order, all of one shape, zero where they would leave the grid.

    first    u(r + i) - u(r)                                             one for each axis i
    second   u(r + i) - 2 u(r) + u(r - i)   and   sqrt(2) times the mixed difference of each pair of axes

so that sums of squares are |grad u|^2 and |Hessian u|^2 per voxel. Axes of length one are left out. `reduced` does the same
with any weights for the taps: with the squares of the coefficients its transpose gives the diagonal of D^T W D.
"""

from collections.abc import Callable
from itertools import combinations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Maps = Float[Array, "y x z map"]
Differences = Float[Array, "stencil y x z map"]
Taps = tuple[tuple[float, tuple[int, int, int]], ...]  # (coefficient, displacement)


def _moved(*axes: int) -> tuple[int, int, int]:
    """+1 along an axis, -1 for its complement ~axis."""
    return tuple((k in axes) - (~k in axes) for k in range(3))  # pyright: ignore[reportReturnType]


def taps(shape: tuple[int, ...], order: int) -> list[Taps]:
    """The stencils that a grid (y, x, z) has."""
    axes = [k for k in range(3) if shape[k] > 1]
    if order == 1:
        return [((1.0, _moved(k)), (-1.0, _moved())) for k in axes]
    root = float(np.sqrt(2))
    straight = [((1.0, _moved(k)), (-2.0, _moved()), (1.0, _moved(~k))) for k in axes if shape[k] > 2]
    mixed = [
        ((root, _moved(i, j)), (-root, _moved(i)), (-root, _moved(j)), (root, _moved()))
        for i, j in combinations(axes, 2)
    ]
    return [*straight, *mixed]


def _shifted(u: Array, by: tuple[int, int, int], low, high) -> Array:
    """u(r + by) on the part of the grid where all taps are inside."""
    return u[tuple(slice(l + b, n - h + b) for l, h, b, n in zip(low, high, by, u.shape))]


def reduced(
    u: Float[Array, "y x z map"], order: int, combine: Callable[[list[tuple[float, Array]]], Array]
) -> Float[Array, "stencil y x z map"]:
    """`combine` of the (coefficient, value) of all taps, for each stencil."""
    found = []
    for stencil in taps(u.shape, order):
        low = [max(0, *(-by[k] for _, by in stencil)) for k in range(3)]
        high = [max(0, *(by[k] for _, by in stencil)) for k in range(3)]
        value = combine([(c, _shifted(u, by, low, high)) for c, by in stencil])
        found.append(jnp.pad(value, [*zip(low, high), (0, 0)]))
    return jnp.stack(found) if found else jnp.zeros((0, *u.shape), u.dtype)


def differences(u: Float[Array, "y x z map"], order: int) -> Float[Array, "stencil y x z map"]:
    """Of order 1 or 2."""
    return reduced(u, order, lambda pairs: sum(c * value for c, value in pairs))  # pyright: ignore[reportArgumentType]


def squared_coefficients(u: Float[Array, "y x z map"], order: int) -> Float[Array, "stencil y x z map"]:
    """`differences` with squares of the coefficients."""
    return reduced(u, order, lambda pairs: sum(c * c * value for c, value in pairs))  # pyright: ignore[reportArgumentType]


def least(u: Float[Array, "y x z map"], order: int) -> Float[Array, "stencil y x z map"]:
    """The smallest value among the voxels of every stencil."""

    def smallest(pairs):
        value = pairs[0][1]
        for _, other in pairs[1:]:
            value = jnp.minimum(value, other)
        return value

    return reduced(u, order, smallest)
