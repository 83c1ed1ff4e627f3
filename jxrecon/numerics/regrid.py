"""A field on voxels of another size, both grids about one middle.

Linear interpolation between middles of voxels; towards coarser voxels the triangle is as wide as these, so that nothing is
skipped. Beyond the field's faces it is zero. Linear, with its exact transpose by automatic differentiation.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def regridded(
    field: Float[Array, "y x z"], shape: tuple[int, ...], ratio: float | None = None
) -> Float[Array, "v w u"]:
    """The field on `shape` voxels, of which `ratio` make an edge of one of its own; None: both grids fill the same box."""
    if field.shape == shape and ratio in (None, 1.0):
        return field
    old, new = np.array(field.shape), np.array(shape)
    scale = new / old if ratio is None else np.full(3, float(ratio))
    move = (new - old * scale) / 2
    as_field = lambda values: jnp.asarray(values, field.dtype)  # noqa: E731
    return jax.image.scale_and_translate(
        field, shape, (0, 1, 2), as_field(scale), as_field(move), "linear", antialias=True
    )
