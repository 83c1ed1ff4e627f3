"""Means of a volume over soft shells, and what they are the transpose of.

    m_k = sum_r w_k(r) u(r) / sum_r w_k(r),     w_k(r) = max(0, 1 - |t(r) - k|)

t(r) says between which shells a voxel lies: k in the middle of shell k, so that the weights of neighbouring shells sum to 1 and
nothing jumps where a voxel passes from one to the next. Voxels with t at or beyond the number of shells, or at or below -1,
belong to none. Linear in u; t is a constant. A shell without a voxel has mean 0.

Sums go plane by plane, as products of a matrix of weights with what is in the cache.
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


def shell_sums_reference(u: Volume, t: Volume, count: int) -> Float[Array, " shell"]:
    """sum_r w_k(r) u(r), from all weights at once."""
    return jnp.sum(_hats(t, count) * u, axis=(1, 2, 3))


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _shell_sums(u, t, count):
    def plane(k, sums):
        return sums + jnp.einsum("kn,n->k", _hats(t[k].ravel(), count), u[k].ravel(), precision="highest")

    return jax.lax.fori_loop(0, u.shape[0], plane, jnp.zeros(count, u.dtype))


def _backward(count, t, cotangent):
    # A zero on either side: what lies outside of all shells reads it.
    table = jnp.pad(cotangent, 2)
    place = jnp.clip(t, -2, count + 1) + 2
    first = jnp.clip(place.astype(jnp.int32), 0, count + 2)
    part = place - first
    return table[first] * (1 - part) + table[first + 1] * part, jnp.zeros_like(t)


_shell_sums.defvjp(lambda u, t, count: (_shell_sums(u, t, count), t), _backward)


def shell_sums(u: Volume, t: Volume, count: int) -> Float[Array, " shell"]:
    """sum_r w_k(r) u(r); differentiated with respect to u alone."""
    return _shell_sums(u, t, count)


def shell_means(
    u: Volume, t: Volume, count: int, voxels: Float[Array, " shell"] | None = None
) -> tuple[Float[Array, " shell"], Float[Array, " shell"]]:
    """(m, voxels) of each shell as the file's head says; `voxels`, the sums of w_k, where they are known already."""
    if voxels is None:
        voxels = jax.lax.stop_gradient(shell_sums(jnp.ones_like(u), t, count))
    return shell_sums(u, t, count) / jnp.maximum(voxels, LEAST), voxels
