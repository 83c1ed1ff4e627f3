"""Total variation: few edges, and flat between them.

    R = sum_r sqrt(|grad n|^2 + eps^2) - eps

over all voxels, n in e/A^3 and its differences per voxel. For steps well above eps it is the area of all surfaces, in voxel
faces, times the step of the density across them (coarea formula; a tenth more for a ball with sharp stairs); for slopes below
eps it is |grad n|^2 / (2 eps), which smooths. A weight of one over the mean slope of such specimens makes it their prior in nats.

Rudin, Osher & Fatemi, Physica D 60, 259 (1992), doi 10.1016/0167-2789(92)90242-F.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..kernels.gradient_penalty import total_variation
from ..objective import AbstractTerm, Batch
from ..parameters import Parameters
from .density import electron_density


class TotalVariation(AbstractTerm):
    """weight: nats for a step of 1 e/A^3 over one voxel face. eps: e/A^3; a smaller step from voxel to voxel counts as noise."""

    weight: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=3.0)
    eps: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=0.02)

    def __check_init__(self):
        if not isinstance(self.eps, jax.core.Tracer) and not float(self.eps) > 0:
            raise ValueError(f"`eps` is {float(self.eps):g}; expected a density above 0, such as 0.02 e/A^3.")

    def __call__(self, parameters: Parameters, batch: dict[str, Batch]) -> Float[Array, ""]:
        return total_variation(electron_density(parameters, self), self.eps)
