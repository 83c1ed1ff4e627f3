"""Two-point correlation: two points a distance r apart are both pore as often as is known from elsewhere.

    R = sum_k (S_k - S*_k)^2 / (2 spread^2),      S_k = sum p(x) p(x + d) / sum m(x) m(x + d),  |d| within 1/2 of k

p = 1 - n / n_s inside the mask m. S_0 is the mean of p^2, the porosity phi of sharp pores, and S at large distances phi^2;
the slope at 0 is minus a quarter of the specific surface. Averaged over directions, so that it asks of directions that were
not measured (a missing wedge) what the others show. Without a mask, m = 1 and the volume is periodic.

Parameters: weight; target, S* at 0, 1, 2, ... voxels; spread, of S; mask, True in the particle with its pores (None:
everywhere); solid, n_s (`priors.solid`). Cost at 128^3, value and gradient, 16 distances: 28 ms of one core, and a transform
more with a mask (`kernels.two_point`).

Torquato, Random Heterogeneous Materials, Springer (2002), doi:10.1007/978-1-4757-6355-3; Yeong & Torquato, Phys. Rev. E 57, 495
(1998), doi:10.1103/PhysRevE.57.495 (structures from S).
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..kernels.two_point import two_point
from ..objective import AbstractTerm, Batch
from ..parameters import Parameters
from .deviation import check_spread, curve, deviation
from .solid import AbstractSolid, UniformSolid, pore_fraction


class TwoPointCorrelation(AbstractTerm):
    """See above."""

    target: Float[Array, " lag"] = eqx.field(converter=curve)
    spread: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=0.002)
    weight: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=1.0)
    mask: Bool[Array, "y x z"] | None = None
    solid: AbstractSolid = eqx.field(default_factory=UniformSolid)

    def __check_init__(self):
        check_spread(self.spread)

    def correlation(self, parameters: Parameters) -> Float[Array, " lag"]:
        """S of the file's head."""
        p, count = pore_fraction(parameters, self, self.solid, self.mask), self.target.shape[0]
        found = two_point(p, count)
        return found if self.mask is None else found / two_point(self.mask.astype(p.dtype), count)

    def __call__(self, parameters: Parameters, batch: dict[str, Batch]) -> Float[Array, ""]:
        return deviation(self.correlation(parameters), self.target, self.spread)
