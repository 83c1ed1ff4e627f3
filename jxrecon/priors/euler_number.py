"""Euler number: pores hang together as much as is known from elsewhere.

    R = (chi - target)^2 / (2 spread^2),      chi(p) = sum p - sum_edges prod p + sum_squares prod p - sum_cubes prod p

p = 1 - n / n_s inside the mask. Of sharp pores chi counts separate ones, less tunnels, plus islands of solid inside them,
with voxels that hang together by faces. A polynomial in p, and so smooth, but every voxel that is neither counts for a little
of each: it describes what is nearly sharp already.

Parameters: weight; target, chi*; spread, of chi; mask, True in the particle with its pores (None: everywhere); solid, n_s
(`priors.solid`). Cost at 128^3, value and gradient: 22 ms of one core (`kernels.euler_number`).

Kong & Rosenfeld, Comput. Vision Graph. Image Process. 48, 357 (1989), doi:10.1016/0734-189X(89)90147-3.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..kernels.euler_number import euler_number
from ..objective import AbstractTerm, Batch
from ..parameters import Parameters
from .deviation import check_spread, deviation
from .solid import AbstractSolid, UniformSolid, pore_fraction


class EulerNumber(AbstractTerm):
    """See above."""

    target: Float[Array, ""] = eqx.field(converter=jnp.asarray)
    spread: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=50.0)
    weight: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=1.0)
    mask: Bool[Array, "y x z"] | None = None
    solid: AbstractSolid = eqx.field(default_factory=UniformSolid)

    def __check_init__(self):
        check_spread(self.spread)

    def number(self, parameters: Parameters) -> Float[Array, ""]:
        """chi of the file's head."""
        return euler_number(pore_fraction(parameters, self, self.solid, self.mask))

    def __call__(self, parameters: Parameters, batch: dict[str, Batch]) -> Float[Array, ""]:
        return deviation(self.number(parameters), self.target, self.spread)
