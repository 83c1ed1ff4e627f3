"""A double well: voxels would rather be pore or solid than in between, and do not insist.

    R = sum_r u^2 (1 - u)^2,      u = n / n_s

Weak, it pulls at most a little at voxels that are partly pore, and its pull vanishes with all slopes at both levels, so that
an n_s that is wrong by some percent moves the levels hardly at all. With total variation it is the default where nothing is
known of the noise; its curvature at a level, 2, makes of a weight w a normal distribution about it with variance n_s^2 / (2
w).

Parameters: weight, nats (a voxel half-way costs 1/16); solid, n_s (`priors.solid`); it may be learnt, `morphology.solid_level`.
Cost at 128^3, value and gradient: 3 ms of one core.

The potential of Cahn & Hilliard, J. Chem. Phys. 28, 258 (1958), doi:10.1063/1.1744102, without their gradient term.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..objective import AbstractTerm, Batch
from ..parameters import Parameters
from .solid import AbstractSolid, UniformSolid, solid_fraction


class DoubleWell(AbstractTerm):
    """See above."""

    weight: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=2.0)
    solid: AbstractSolid = eqx.field(default_factory=UniformSolid)

    def __call__(self, parameters: Parameters, batch: dict[str, Batch]) -> Float[Array, ""]:
        u = solid_fraction(parameters, self, self.solid)
        return jnp.sum((u * (1 - u)) ** 2)
