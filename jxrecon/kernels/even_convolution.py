"""Convolution of a volume with a kernel that is even along every axis, on a periodic grid.

    (h * u)(r) = sum_d h(|d_y|, |d_x|, |d_z|) u(r + d)

The kernel is given by its octant of displacements >= 0. It is its own transpose, so that the derivative is the same
convolution once more: automatic differentiation of a real Fourier transform would take a complex one. Small kernels,
balls of up to three voxels' radius, are summed directly, some planes at a time, along y, then x, then z: that takes less time
than two transforms, and keeps digits that float32 transforms lose. Larger ones go through Fourier space, with a spectrum made
from the octant.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..numerics.even_spectrum import even_spectrum, reach_fits

Volume = Float[Array, "y x z"]
Octant = Float[np.ndarray, "a b c"]
After = Callable[..., Array]
ROWS = 8  # planes at a time
DIRECT = 40  # most non-zero displacements of an octant that is summed directly


def even_convolution_reference(u: Volume, octant: Octant) -> Volume:
    """Through Fourier space."""
    gain = even_spectrum(jnp.asarray(octant, u.dtype), u.shape)
    return jnp.fft.irfftn(jnp.fft.rfftn(u) * gain, u.shape)


def _pairs(v: Array, axis: int, size: int, reach: int) -> list[Array]:
    """v, and v(+a) + v(-a) for a up to the reach, in the middle of the axis."""
    at = lambda a: jax.lax.slice_in_dim(v, reach + a, reach + a + size, axis=axis)  # noqa: E731
    return [at(0), *(at(a) + at(-a) for a in range(1, reach + 1))]


def _fourier(u: Volume, octant: Octant, after: After, others: tuple[Volume, ...]) -> Volume:
    return after(even_convolution_reference(u, octant), *others)


def _wrapped(u: Volume, reach: int) -> Array:
    """u with margins that repeat it, written into one array: padding axis by axis makes three."""
    wide = jax.lax.pad(u, jnp.zeros((), u.dtype), [(reach, reach, 0)] * 3)
    for axis, n in enumerate(u.shape):
        for to, first in ((0, n), (n + reach, reach)):
            margin = jax.lax.slice_in_dim(wide, first, first + reach, axis=axis)
            wide = jax.lax.dynamic_update_slice_in_dim(wide, margin, to, axis)
    return wide


def _direct(u: Volume, octant: Octant, after: After, others: tuple[Volume, ...]) -> Volume:
    reach, (y, x, z) = len(octant) - 1, u.shape
    rows = next(n for n in range(ROWS, 0, -1) if y % n == 0)
    taps = [(i, float(octant[i])) for i in np.ndindex(octant.shape) if octant[i] != 0]

    def slab(k, wide):
        block = jax.lax.dynamic_slice_in_dim(wide, k * rows, 2 * reach + rows)
        columns = [_pairs(v, 1, x, reach) for v in _pairs(block, 0, rows, reach)]
        total = jnp.zeros((rows, x, z), u.dtype)
        for c in range(reach + 1):
            part = [weight * columns[i[0]][i[1]] for i, weight in taps if i[2] == c]
            total = total + (_pairs(sum(part[1:], start=part[0]), 2, z, reach)[c] if part else 0)
        here = (jax.lax.dynamic_slice_in_dim(other, k * rows, rows) for other in others)
        result = jax.lax.optimization_barrier(after(total, *here))
        # What is not read again takes the result: no second volume, whose pages the system would have to bring.
        return jax.lax.dynamic_update_slice(wide, result, (k * rows, 0, 0))

    return jax.lax.fori_loop(0, y // rows, slab, _wrapped(u, reach))[:y, :x, :z]


def convolved(u: Volume, octant: Octant, after: After, *others: Volume) -> Volume:
    """after(h * u, *others), `after` working voxel by voxel. Raises ValueError where the kernel is wider than the volume."""
    reach_fits(len(octant) - 1, u.shape)
    return (_direct if np.count_nonzero(octant) <= DIRECT else _fourier)(u, octant, after, others)


def even_convolution(u: Volume, octant: Octant) -> Volume:
    """h * u of the file's head; raises ValueError where the kernel is wider than the volume."""
    applied = lambda v: convolved(v, octant, lambda w: w)  # noqa: E731

    @jax.custom_vjp
    def function(v):
        return applied(v)

    function.defvjp(lambda v: (applied(v), None), lambda _, cotangent: (applied(cotangent),))
    return function(u)
