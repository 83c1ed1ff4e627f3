"""Directional total variation: maps of the lattice have their edges where the density has them, or the other way round.

    R = sum_r sqrt(|P grad u|^2 + eps^2) - eps,     P = 1 - xi xi^T,     xi = grad g / sqrt(|grad g|^2 + edge^2)

`of="lattice"`: u is every map of strain in 1e-3, g the electron density on the lattice's voxels: a crack of the tomogram is
where the unit cell may jump, in the direction across it and no other. `of="density"`: u is the density, g the sum of the
strains (in 1e-3) on its voxels. The guide g is taken as it is and not pulled at. Where edges of the two do not coincide this
is worse than plain total variation of u: the guide's edges show.

Parameters: weight, nats for a step of 1e-3, or 1 e/A^3, over one voxel face; eps, the step below which u is smoothed, in its
own units; edge, the step of the guide that counts as one, in the guide's; lattice_voxel: edge of a voxel of the lattice in
voxels of the density, None where both fill the same box; guide: a volume to be used instead, on the voxels of u. Cost at
128^3, value and gradient: 30 ms of one core (`kernels.directional_variation`).

Ehrhardt & Betcke, SIAM J. Imaging Sci. 9, 1084 (2016), doi:10.1137/15M1047325.
"""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..forward.pattern_misfit import lattice_of
from ..kernels.directional_variation import directional_variation
from ..lattice import STRAIN
from ..numerics.regrid import regridded
from ..objective import AbstractTerm, Batch
from ..parameters import Parameters
from .density import electron_density


class DirectionalTotalVariation(AbstractTerm):
    """See above."""

    weight: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=1.0)
    of: Literal["lattice", "density"] = "lattice"
    eps: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=0.1)
    edge: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=0.02)
    lattice_voxel: float | None = None
    guide: Float[Array, "y x z"] | None = None

    def __check_init__(self):
        if self.of not in ("lattice", "density"):
            raise ValueError(f"`of` is {self.of!r}; expected 'lattice' or 'density'.")
        for name in ("eps", "edge"):
            value = getattr(self, name)
            if not isinstance(value, jax.core.Tracer) and not float(value) > 0:
                raise ValueError(f"`{name}` is {float(value):g}; expected a step above 0.")

    def _pair(self, parameters: Parameters) -> tuple[Float[Array, "map y x z"], Float[Array, "_ _ _"]]:
        """(maps u, guide g)."""
        voxel = self.lattice_voxel
        if self.of == "density":
            u = electron_density(parameters, self)
            if self.guide is not None:
                return u[None], self.guide
            strain = jnp.sum(lattice_of(parameters, self).strain, axis=0) / STRAIN
            return u[None], regridded(strain, u.shape, voxel)
        u = lattice_of(parameters, self).strain / STRAIN
        if self.guide is not None:
            return u, self.guide
        y, x, z = u.shape[1:]
        return u, regridded(
            electron_density(parameters, self), (y, x, z), None if voxel is None else 1 / voxel
        )

    def __call__(self, parameters: Parameters, batch: dict[str, Batch]) -> Float[Array, ""]:
        maps, guide = self._pair(parameters)
        if guide.shape != maps.shape[1:]:
            raise ValueError(
                f"`guide` has {guide.shape} voxels, what it guides {maps.shape[1:]}; expected the same."
            )
        guide = jax.lax.stop_gradient(guide).astype(maps.dtype)
        each = [directional_variation(u, guide, self.eps, self.edge) for u in maps]
        return sum(each[1:], start=each[0])
