"""What the priors of a volume read, and the regions that they speak of.

Volumes are `y x z` with the rotation axis z last; coordinates count from the middle (n - 1)/2 of each axis.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from ..errors import InputError
from ..parameters import Parameters


def electron_density(parameters: Parameters, prior: object) -> Float[Array, "y x z"]:
    """The specimen's electron density in e/A^3; raises `InputError` where there is no volume."""
    if parameters.volume is None:
        raise InputError(
            f"the prior `{type(prior).__name__}` is one of a volume, and there is none; take it out of `objective.terms`, or "
            "choose a model that has a volume (`model: ptychotomography`)."
        )
    return parameters.volume.electron_density()


def _radius(shape: tuple[int, int, int], axes: tuple[int, ...]) -> np.ndarray:
    """Distance from the middle, in the directions of `axes`, relative to half of the shortest of these edges."""
    squares = 0.0
    for axis in axes:
        away = np.arange(shape[axis]) - (shape[axis] - 1) / 2
        squares = squares + np.expand_dims(away**2, [k for k in range(3) if k != axis])
    return np.sqrt(squares) / (min(shape[axis] for axis in axes) / 2)


def ball(shape: tuple[int, int, int], radius: float | int) -> Bool[Array, "y x z"]:
    """Voxels within `radius`, relative to the ball that touches the nearest faces."""
    return jnp.asarray(_radius(shape, (0, 1, 2)) <= radius)


def cylinder(shape: tuple[int, int, int], radius: float | int) -> Bool[Array, "y x z"]:
    """Voxels within `radius` of the rotation axis, relative to the cylinder that touches the nearest sides."""
    return jnp.asarray(np.broadcast_to(_radius(shape, (0, 1)) <= radius, shape))


def squares_where(u: Float[Array, "y x z"], region: Bool[Array, "y x z"]) -> Float[Array, ""]:
    """sum of u^2 over the region."""
    return jnp.sum(jnp.where(region, u, jnp.zeros((), u.dtype)) ** 2)
