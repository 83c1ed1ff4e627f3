"""Means of a volume over soft shells, and what they are the transpose of.

    m_k = sum_r w_k(r) u(r) / sum_r w_k(r),     w_k(r) = max(0, 1 - |t(r) - k|)

t(r) says between which shells a voxel lies: k in the middle of shell k, so that the weights of neighbouring shells sum to 1 and
nothing jumps where a voxel passes from one to the next. Voxels with t at or beyond the number of shells, or at or below -1,
belong to none. Linear in u; t is a constant. A shell without a voxel has mean 0.

Sums go plane by plane: all shells of a plane while it is in the cache.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Volume = Float[Array, "y x z"]
LEAST = 1e-6  # voxels of a shell, so that an empty one divides nothing by zero


def _hats(t: Array, count: int) -> Array:
    number = jnp.arange(count, dtype=t.dtype).reshape(-1, *(1,) * t.ndim)
    return jnp.maximum(1 - jnp.abs(t - number), 0)


def shell_means_reference(
    u: Volume, t: Volume, count: int
) -> tuple[Float[Array, " shell"], Float[Array, " shell"]]:
    """(means, voxels) of each shell, from all weights at once."""
    hats = _hats(t, count)
    voxels = jnp.sum(hats, axis=(1, 2, 3))
    return jnp.sum(hats * u, axis=(1, 2, 3)) / jnp.maximum(voxels, LEAST), voxels


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _shell_means(u, t, count):
    def plane(k, sums):
        values = jnp.stack([u[k], jnp.ones_like(u[k])])
        return sums + jnp.einsum("kxz,nxz->nk", _hats(t[k], count), values, precision="highest")

    total, voxels = jax.lax.fori_loop(0, u.shape[0], plane, jnp.zeros((2, count), u.dtype))
    return total / jnp.maximum(voxels, LEAST), voxels


def _forward(u, t, count):
    means, voxels = _shell_means(u, t, count)
    return (means, voxels), (t, voxels)


def _backward(count, kept, cotangent):
    t, voxels = kept
    # A zero on either side: what lies outside of all shells reads it.
    table = jnp.pad(cotangent[0] / jnp.maximum(voxels, LEAST), 2)
    place = jnp.clip(t, -2, count + 1) + 2
    first = jnp.clip(place.astype(jnp.int32), 0, count + 2)
    part = place - first
    slope = table[first] * (1 - part) + table[first + 1] * part
    return slope, jnp.zeros_like(t)


_shell_means.defvjp(_forward, _backward)


def shell_means(u: Volume, t: Volume, count: int) -> tuple[Float[Array, " shell"], Float[Array, " shell"]]:
    """(means, voxels) of each shell as the file's head says; differentiated with respect to u alone."""
    return _shell_means(u, t, count)
