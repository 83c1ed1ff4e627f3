"""The cell lies within bounds: what is beyond them is pulled back, what is inside feels nothing.

    R = 1/2 sum_r sum_f ( max(e_f - high, 0)^2 + max(low - e_f, 0)^2 ) / tolerance^2

e_f(r) are the strains of a voxel: relative changes of the free lengths of the cell for zero strain, radians of its free angles.
Areas, widths and backgrounds need no bounds: they are positive by the maps of `lattice.Lattice`.

Parameters: low, high, relative; tolerance: strain beyond a bound that costs half a nat; weight.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..forward.pattern_misfit import lattice_of
from ..objective import AbstractTerm, Batch
from ..parameters import Parameters


class CellBounds(AbstractTerm):
    """See above."""

    weight: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=1.0)
    low: float = -0.03
    high: float = 0.03
    tolerance: float = 1e-3

    def __check_init__(self):
        if not self.low < self.high:
            raise ValueError(f"`low` is {self.low:g} and `high` {self.high:g}; expected low below high.")
        if not self.tolerance > 0:
            raise ValueError(f"`tolerance` is {self.tolerance:g}; expected a strain above 0.")

    def __call__(self, parameters: Parameters, batch: dict[str, Batch]) -> Float[Array, ""]:
        strain = lattice_of(parameters, self).strain
        beyond = jnp.maximum(strain - self.high, 0) + jnp.maximum(self.low - strain, 0)
        return jnp.sum((beyond / self.tolerance) ** 2) / 2
