"""Least squares between a volume and phases that somebody has reconstructed, unwrapped and aligned: tomography of its own.

    L = 1/2 sum_t sum_(v,u) w_t(v, u) ( p_t(v, u) - A_t n_e (v, u) )^2

with measured line integrals p of the electron density in e/A^3 times pixels and weights w, their inverse variances: what the last
step of a step-by-step chain minimises, with the same priors and the same loop as the joint problem, which may refine the shifts.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..objective import AbstractTerm, Batch
from ..parameters import Parameters
from .tomography import views


class ProjectionMisfit(AbstractTerm):
    """See above. Projections are aligned: the axis stands on their middle (width - 1)/2, but for `alignment.shift`; rows are
    those of the volume."""

    projections: Float[Array, "view v u"]
    inverse_variance: Float[Array, "view v u"]
    weight: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=1.0)

    def __call__(self, parameters: Parameters, batch: dict[str, Batch]) -> Float[Array, ""]:
        difference = self.predicted(parameters) - self.projections
        return jnp.sum(self.inverse_variance * difference**2) / 2

    def predicted(self, parameters: Parameters) -> Float[Array, "view v u"]:
        """Line integrals of the volume, where the alignment puts them."""
        volume, alignment = parameters.volume, parameters.alignment
        assert volume is not None and alignment is not None
        angle = alignment.angle + alignment.rotation
        _, v, u = self.projections.shape
        return views(volume.electron_density(), angle, alignment.shift, shape=(v, u))
