"""The reference of `ray_transform`: the volume is turned, with bilinear interpolation, and its rows are added up."""

import jax
import jax.numpy as jnp
from jax.scipy.ndimage import map_coordinates
from jaxtyping import Array, Float

from .ray_transform import middle


def project_reference(
    volume: Float[Array, "y x z"], angle: Float[Array, " view"], shift: Float[Array, " view"], *, width: int
) -> Float[Array, "view u z"]:
    """The same line integrals as `ray_transform.project`, differentiable in any mode and any number of times."""
    rows, columns, _ = volume.shape

    def turned(y, x):
        return jax.vmap(lambda plane: map_coordinates(plane, (y, x), order=1), in_axes=2, out_axes=2)(volume)

    def one(view):
        angle, shift = view
        u = jnp.arange(width) - middle(width) - shift
        w = (jnp.arange(rows + columns) - middle(rows + columns))[:, None]
        y = u * jnp.sin(angle) + w * jnp.cos(angle) + middle(rows)
        x = u * jnp.cos(angle) - w * jnp.sin(angle) + middle(columns)
        return jnp.sum(turned(y, x), axis=0)

    return jax.lax.map(one, (angle, shift))
