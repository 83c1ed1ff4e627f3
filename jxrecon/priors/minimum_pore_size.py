"""Minimum pore size: no pore is narrower than what could be resolved.

    R = sum_r p (1 - o_r(p)),      p = 1 - n / n_s

o_r is the soft opening of the pores by a ball of radius r (`kernels.soft_opening`): 1 where such a ball fits into the pores and
reaches the voxel, 0 in slits and specks that are narrower. A binary ball of radius r or more costs nothing but for its rim, one
that is smaller its whole volume. Of several radii the measured resolution is the one to take: half of it, in voxels.

Parameters: weight, nats per voxel of too narrow pore; radius, voxels; mask, True in the particle with its pores (None:
everywhere); solid, n_s (`priors.solid`). Cost at 128^3, value and gradient: 65 ms of one core for a radius up to 1.5, 75 ms
up to 2.5, 110 ms for any larger one.

Guest, Prevost & Belytschko, Int. J. Numer. Methods Eng. 61, 238 (2004), doi:10.1002/nme.1064 (minimum length scales by
projection); Lazarov, Wang & Sigmund, Arch. Appl. Mech. 86, 189 (2016), doi:10.1007/s00419-015-1106-4.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..kernels.soft_opening import opening
from ..objective import AbstractTerm, Batch
from ..parameters import Parameters
from .solid import AbstractSolid, UniformSolid, pore_fraction


class MinimumPoreSize(AbstractTerm):
    """See above."""

    weight: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=0.5)
    radius: float = 1.5
    mask: Bool[Array, "y x z"] | None = None
    solid: AbstractSolid = eqx.field(default_factory=UniformSolid)

    def __check_init__(self):
        if not self.radius >= 1:
            raise ValueError(f"`radius` is {self.radius:g}; expected 1 voxel or more.")

    def __call__(self, parameters: Parameters, batch: dict[str, Batch]) -> Float[Array, ""]:
        p = pore_fraction(parameters, self, self.solid, self.mask)
        return jnp.sum(p * (1 - opening(p, self.radius)))
