"""Lineal path: straight lines stay inside the pores as long as is known from elsewhere.

    R = sum_k (L_k - L*_k)^2 / (2 spread^2),      L_k = sum prod_(j=0..k) p(x + j e) / sum prod_(j=0..k) m(x + j e)

over all voxels x and the three axes e, p = 1 - n / n_s inside the mask m. L_0 is the porosity; the second difference of L
gives the distribution of chord lengths. Unlike the two-point correlation it tells channels from scattered pores of the same
amount.

Parameters: weight; target, L* of lines of 1, 2, 3, ... voxels; spread, of L; mask, True in the particle with its pores (None:
everywhere); solid, n_s (`priors.solid`). Cost at 128^3, value and gradient, 12 lengths: 150 ms of one core
(`kernels.lineal_path`).

Lu & Torquato, Phys. Rev. A 45, 922 (1992), doi:10.1103/PhysRevA.45.922.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..kernels.lineal_path import lineal_path
from ..objective import AbstractTerm, Batch
from ..parameters import Parameters
from .deviation import check_spread, curve, deviation
from .solid import AbstractSolid, UniformSolid, pore_fraction


class LinealPath(AbstractTerm):
    """See above."""

    target: Float[Array, " lag"] = eqx.field(converter=curve)
    spread: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=0.002)
    weight: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=1.0)
    mask: Bool[Array, "y x z"] | None = None
    solid: AbstractSolid = eqx.field(default_factory=UniformSolid)

    def __check_init__(self):
        check_spread(self.spread)

    def path(self, parameters: Parameters) -> Float[Array, " lag"]:
        """L of the file's head."""
        p, count = pore_fraction(parameters, self, self.solid, self.mask), self.target.shape[0]
        found = lineal_path(p, count)
        return found if self.mask is None else found / lineal_path(self.mask.astype(p.dtype), count)

    def __call__(self, parameters: Parameters, batch: dict[str, Batch]) -> Float[Array, ""]:
        return deviation(self.path(parameters), self.target, self.spread)
