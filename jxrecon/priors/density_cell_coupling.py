"""Density-cell coupling: the electron density is what composition and unit cell make of the solid, less the pores.

    R = sum_r (n_e - (1 - phi) n_s)^2 / (2 s^2),      n_s = n_ref [Z(y, x) / Z_0] [V_0 / V(a, c)],      0 <= phi <= 1

It ties the density of the tomogram to the cell volume of diffraction, and separates chemistry from porosity: a drop of the
density with charging is mostly lithium and oxygen that left. phi is the unknown `morphology.porosity` (its logit) where there
is one, else the best one for every voxel, which leaves what no porosity can explain: densities above n_s, and below zero.
Then the cell and the composition cannot make the solid lighter than what is measured; that they do not make it heavier is for
a resolved level to say, `PartialVolumeMixture` with the same `CrystalSolid`.

Parameters: weight; spread, s, e/A^3; solid, n_s (`priors.crystal_solid`): n_ref = 1.227 e/A^3 of the crystal or 1.0 of its
mass density, y and x given or unknown; mask, True in the particle with its pores (None: everywhere). Cost at 128^3, value and
gradient: 5 ms of one core with a coarse lattice.

Tsai et al., iScience 11, 356 (2019), doi:10.1016/j.isci.2018.12.028; Diaz et al., Phys. Rev. B 85, 020104 (2012),
doi:10.1103/PhysRevB.85.020104.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..objective import AbstractTerm, Batch
from ..parameters import Parameters
from .crystal_solid import CrystalSolid
from .density import electron_density
from .deviation import check_spread
from .solid import AbstractSolid, masked, voxels_of


class DensityCellCoupling(AbstractTerm):
    """See above."""

    weight: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=1.0)
    spread: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=0.05)
    solid: AbstractSolid = eqx.field(default_factory=CrystalSolid)
    mask: Bool[Array, "y x z"] | None = None

    def __check_init__(self):
        check_spread(self.spread)

    def porosity(self, parameters: Parameters) -> Float[Array, ""]:
        """Mean over the mask of 1 - n_e / n_s, pores that are not resolved included."""
        density = electron_density(parameters, self)
        part = 1 - density / self.solid(parameters, density.shape)
        return jnp.sum(masked(part, self.mask)) / voxels_of(self.mask, part.shape, part.dtype)

    def __call__(self, parameters: Parameters, batch: dict[str, Batch]) -> Float[Array, ""]:
        density, learnt = electron_density(parameters, self), parameters.morphology
        solid = jnp.asarray(self.solid(parameters, density.shape), density.dtype)
        if learnt is None or learnt.porosity is None:
            away = density - jnp.clip(density, 0, solid)
        elif learnt.porosity.shape != density.shape:
            raise ValueError(
                f"`morphology.porosity` has {learnt.porosity.shape} voxels, the volume {density.shape}; expected the same."
            )
        else:
            away = density - jax.nn.sigmoid(-learnt.porosity) * solid
        return jnp.sum(masked(away / self.spread, self.mask) ** 2) / 2
