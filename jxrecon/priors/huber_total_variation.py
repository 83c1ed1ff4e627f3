"""Huber's total variation: few edges, and smooth rather than flat between them.

    R = sum_r h(|grad n|),     h(g) = g^2 / (2 d) where g < d,  g - d/2 elsewhere

over all voxels, n in e/A^3 and its differences per voxel. Slopes below the bend d are smoothed as by Tikhonov's prior with
weight 1/(2d), steps above it cost their height as in total variation, less a constant: no terraces where the density rises
slowly. The limits are exact, unlike those of the root in `total_variation`: at half the bend that one is already 10 % off its
parabola.

Parameters: weight, nats for a step of 1 e/A^3 over one voxel face; bend, e/A^3.
Cost at 128^3, value and gradient: 8 ms of one core (`kernels.gradient_penalty`).

Huber, Ann. Math. Statist. 35, 73 (1964), doi:10.1214/aoms/1177703732; Rudin, Osher & Fatemi, Physica D 60, 259 (1992),
doi:10.1016/0167-2789(92)90242-F.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..kernels.gradient_penalty import huber_variation
from ..objective import AbstractTerm, Batch
from ..parameters import Parameters
from .density import electron_density


class HuberTotalVariation(AbstractTerm):
    """See above."""

    weight: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=3.0)
    bend: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=0.05)

    def __check_init__(self):
        if not isinstance(self.bend, jax.core.Tracer) and not float(self.bend) > 0:
            raise ValueError(
                f"`bend` is {float(self.bend):g}; expected a density above 0, such as 0.05 e/A^3."
            )

    def __call__(self, parameters: Parameters, batch: dict[str, Batch]) -> Float[Array, ""]:
        return huber_variation(electron_density(parameters, self), self.bend)
