"""Positivity, one-sided: no electron density is below zero.

    R = sum_r min(n, 0)^2

n in e/A^3. A volume with a `softness` is positive by itself (`numerics.positive`); this is for one that may be of either sign,
and a weight of 1 / (2 s^2) lets noise go as far as s below zero.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..objective import AbstractTerm, Batch
from ..parameters import Parameters
from .density import electron_density


class Positivity(AbstractTerm):
    """See above."""

    weight: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=1.0)

    def __call__(self, parameters: Parameters, batch: dict[str, Batch]) -> Float[Array, ""]:
        density = electron_density(parameters, self)
        return jnp.sum(jnp.minimum(density, jnp.zeros((), density.dtype)) ** 2)
