"""The volume that the matching of projections compares them with: SIRT with positivity, from where the last pass left it.

    x <- max(0, x + C A' R (p - A x)),    R = light over the length of each ray,   C = 1 / (A' light) of each voxel

p are the projections with their shifts along v taken out; shifts along u are in the projector A. Few iterations leave out what
misaligned views contradict each other about; positivity is what makes few views enough.

Gilbert, J. Theor. Biol. 36, 105 (1972), doi 10.1016/0022-5193(72)90180-4.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..kernels.ray_transform import back_project, project


def along_z(images: Float[Array, "view u z"], shift: Float[Array, " view"]) -> Float[Array, "view u z"]:
    """Content moved to larger z by `shift`, by cubic convolution (Keys, doi 10.1109/TASSP.1981.1163711)."""
    count = images.shape[2]
    at = jnp.arange(count) - shift[:, None]
    first = jnp.floor(at)
    t = at - first
    weights = (
        ((-0.5 * t + 1) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1,
        ((-1.5 * t + 2) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    )
    total = jnp.zeros_like(images)
    for k, w in enumerate(weights):
        index = jnp.clip(first.astype(int) + k - 1, 0, count - 1)
        total = total + w[:, None, :] * jnp.take_along_axis(images, index[:, None, :], axis=2)
    return total


# Compiled one by one: one program of all of a pass takes many times longer to compile.
forward = jax.jit(project, static_argnames="width")
backward = jax.jit(back_project, static_argnames="shape")


def improved(volume, path, light, angle, shift, iterations: int):
    """Some iterations of SIRT with positivity; `light` weighs the rays."""
    shape, width = volume.shape[:2], path.shape[1]
    rays = light / _ray_lengths(angle, shift, width)
    met = backward(light, angle, shift, shape=shape)
    for _ in range(iterations):
        left = _weighted(rays, path, forward(volume, angle, shift, width=width))
        volume = _added(volume, backward(left, angle, shift, shape=shape), met)
    return volume


@jax.jit
def _weighted(rays, path, model):
    return rays * (path - model)


@jax.jit
def _added(volume, change, met):
    return jnp.maximum(volume + change / jnp.maximum(met, 1.0), 0)


@partial(jax.jit, static_argnames="width")
def _ray_lengths(angle, shift, width: int) -> Float[Array, "view u 1"]:
    """Length of every ray in a square of side `width`, at least 1."""
    cos, sin = (jnp.abs(f(angle))[:, None] for f in (jnp.cos, jnp.sin))
    away = jnp.abs(jnp.arange(width) - (width - 1) / 2 - shift[:, None])
    through_corner = (width / 2 * (cos + sin) - away) / jnp.maximum(cos * sin, 1e-6)
    return jnp.clip(through_corner, 1.0, width / jnp.maximum(cos, sin))[..., None]


@jax.jit
def levelled(path, light, along_v) -> tuple[Array, Array]:
    """Projections and their light with the vertical shifts taken out."""
    return along_z(path, -along_v), jnp.maximum(along_z(light, -along_v), 0)
