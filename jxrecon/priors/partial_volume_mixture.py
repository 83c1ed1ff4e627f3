"""A mixture of pore, solid, and voxels that are partly either: what unresolved pores make of a histogram.

    R = - sum_r log[ p0 N(n; n_p, s) + p1 N(n; n_s, s) + p2 U(n) ]

N is the normal density, U any part of solid between 0 and 1 with equal right, blurred by the same noise s. Three shares p,
which sum to 1, the solid's level n_s and s may be unknowns (`morphology.shares`, `solid_level`, `log_noise`), which the
volume's own histogram then determines; where they are not, the constants below hold. It separates the levels like a double
well, but leaves in peace what is between them, and is a negative log-likelihood in nats: with weight 1 the prior of
independent voxels. A level that is wrong and cannot move does harm (15 % raise the error of the density by a third): let it
be free, or take it from the unit cell (`CrystalSolid`).

Parameters: weight; shares of pore, solid and partly filled voxels; noise, e/A^3; pore, n_p, e/A^3; solid, n_s (`priors.solid`).
Cost at 128^3, value and gradient: 28 ms of one core, with the derivatives for all levels (`kernels.partial_volume`).

Laidlaw, Fleischer & Barr, IEEE Trans. Med. Imaging 17, 74 (1998), doi:10.1109/42.668696; Santago & Gage, IEEE Trans. Image
Process. 4, 1531 (1995), doi:10.1109/83.469934.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..kernels.partial_volume import mixture
from ..objective import AbstractTerm, Batch
from ..parameters import Parameters
from .density import electron_density
from .deviation import curve
from .solid import AbstractSolid, UniformSolid


class PartialVolumeMixture(AbstractTerm):
    """See above."""

    weight: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=0.05)
    shares: Float[Array, " 3"] = eqx.field(converter=curve, default=(0.1, 0.8, 0.1))
    noise: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=0.05)
    pore: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=0.0)
    solid: AbstractSolid = eqx.field(default_factory=UniformSolid)

    def __check_init__(self):
        if isinstance(self.noise, jax.core.Tracer) or isinstance(self.shares, jax.core.Tracer):
            return
        if not float(self.noise) > 0:
            raise ValueError(
                f"`noise` is {float(self.noise):g}; expected a density above 0, such as 0.05 e/A^3."
            )
        if not (np.all(np.asarray(self.shares) > 0) and abs(float(self.shares.sum()) - 1) < 1e-3):
            raise ValueError(
                f"`shares` is {self.shares.tolist()}; expected three parts above 0 that sum to 1."
            )

    def __call__(self, parameters: Parameters, batch: dict[str, Batch]) -> Float[Array, ""]:
        density, learnt = electron_density(parameters, self), parameters.morphology
        shares, noise = self.shares, self.noise
        if learnt is not None and learnt.shares is not None:
            shares = jax.nn.softmax(learnt.shares)
        if learnt is not None and learnt.log_noise is not None:
            noise = jnp.exp(learnt.log_noise)
        return mixture(density, shares, self.pore, self.solid(parameters, density.shape), noise)
