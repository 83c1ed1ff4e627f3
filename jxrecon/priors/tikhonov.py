"""Tikhonov: smooth everywhere.

    R = sum_r |grad n|^2

over all voxels, n in e/A^3 and its differences per voxel. Of the gradient and not of n itself, whose squares would pull the
density of a specimen below the true one; a constant costs nothing. Edges are blurred as noise is: total variation keeps them.

Tikhonov & Arsenin, Solutions of Ill-Posed Problems (1977).
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..kernels.gradient_penalty import squared_gradient
from ..objective import AbstractTerm, Batch
from ..parameters import Parameters
from .density import electron_density


class Tikhonov(AbstractTerm):
    """See above; a weight of 1 / (2 s^2) is a normal distribution of the differences with standard deviation s."""

    weight: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=1.0)

    def __call__(self, parameters: Parameters, batch: dict[str, Batch]) -> Float[Array, ""]:
        return squared_gradient(electron_density(parameters, self))
