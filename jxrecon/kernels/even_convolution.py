"""Convolution of a volume with a kernel that is even along every axis, on a periodic grid.

    (h * u)(r) = sum_d h(|d_y|, |d_x|, |d_z|) u(r + d)

The kernel is given by its octant of displacements >= 0. It is its own transpose, so that the derivative is the same
convolution once more: automatic differentiation of a real Fourier transform would take a complex one. Small kernels are
summed directly, plane by plane, along y, then x, then z, which takes half of the time of two transforms up to two voxels'
reach and keeps digits that float32 transforms lose; larger ones go through Fourier space, with a spectrum made from the
octant.
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
DIRECT = 3  # displacements of an octant that is summed directly


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


def _direct(u: Volume, octant: Octant, after: After, others: tuple[Volume, ...]) -> Volume:
    reach, (y, x, z) = len(octant) - 1, u.shape
    wide = jnp.pad(u, reach, mode="wrap")
    taps = [(i, float(octant[i])) for i in np.ndindex(octant.shape) if octant[i] != 0]

    def plane(k, out):
        block = jax.lax.dynamic_slice_in_dim(wide, k, 2 * reach + 1)
        columns = [_pairs(v[0], 0, x, reach) for v in _pairs(block, 0, 1, reach)]
        total = jnp.zeros((x, z), u.dtype)
        for c in range(reach + 1):
            part = [weight * columns[i[0]][i[1]] for i, weight in taps if i[2] == c]
            total = total + (_pairs(sum(part[1:], start=part[0]), 1, z, reach)[c] if part else 0)
        return out.at[k].set(after(total, *(other[k] for other in others)))

    return jax.lax.fori_loop(0, y, plane, jnp.zeros_like(u))


def convolved(u: Volume, octant: Octant, after: After, *others: Volume) -> Volume:
    """after(h * u, *others), `after` working voxel by voxel. Raises ValueError where the kernel is wider than the volume."""
    reach_fits(len(octant) - 1, u.shape)
    return (_direct if len(octant) <= DIRECT else _fourier)(u, octant, after, others)


def even_convolution(u: Volume, octant: Octant) -> Volume:
    """h * u of the file's head; raises ValueError where the kernel is wider than the volume."""
    applied = lambda v: convolved(v, octant, lambda w: w)  # noqa: E731

    @jax.custom_vjp
    def function(v):
        return applied(v)

    function.defvjp(lambda v: (applied(v), None), lambda _, cotangent: (applied(cotangent),))
    return function(u)
