"""Modica and Mortola's phase field: two phases with as little surface between them as possible.

    R = sum_r width |grad u|^2 + u^2 (1 - u)^2 / width,      u = n / n_s

Pore (u = 0) and solid (u = 1) are free; the cheapest way from one to the other is a wall tanh(x / (2 width)), 4 widths thick
from one eighth to seven, whose energy is a third of its area in voxel faces: 3 R tends to the perimeter as the width shrinks.
Not convex: it sharpens what is there and decides what is between the phases, so that it belongs behind a first few epochs
without it.

Parameters: weight, nats for three voxel faces of surface; width, voxels (1 to 2); solid, n_s (`priors.solid`).
Cost at 128^3, value and gradient: 9 ms of one core (`kernels.gradient_penalty`).

Modica & Mortola, Boll. Un. Mat. Ital. B 14, 285 (1977); Modica, Arch. Rational Mech. Anal. 98, 123 (1987),
doi:10.1007/BF00251230.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..kernels.gradient_penalty import phase_field
from ..objective import AbstractTerm, Batch
from ..parameters import Parameters
from .solid import AbstractSolid, UniformSolid, solid_fraction


class ModicaMortola(AbstractTerm):
    """See above."""

    weight: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=1.0)
    width: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=1.5)
    solid: AbstractSolid = eqx.field(default_factory=UniformSolid)

    def __check_init__(self):
        if not isinstance(self.width, jax.core.Tracer) and not float(self.width) > 0:
            raise ValueError(f"`width` is {float(self.width):g}; expected 1 to 2 voxels.")

    def __call__(self, parameters: Parameters, batch: dict[str, Batch]) -> Float[Array, ""]:
        return phase_field(solid_fraction(parameters, self, self.solid), self.width)
