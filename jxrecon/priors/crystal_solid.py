"""The solid's electron density from composition and unit cell, voxel by voxel.

    n_s(r) = n_ref [Z(y, x) / Z_0] [V_0 / V(r)]           (`forward.solid_density`)

with V from the maps of the lattice that diffraction finds, on voxels of their own size, or from an expansion that is known.
The unknowns `morphology.reference`, `lithium` and `lost_oxygen`, where there are any, take the places of the constants: y and
x from electrochemistry, or free where something else (a resolved level in `PartialVolumeMixture`) says what the solid has.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..errors import InputError
from ..forward.cell import Cell
from ..forward.material import Material
from ..forward.solid_density import PRISTINE, electrons_ratio, solid_density, volume_ratio
from ..numerics.regrid import regridded
from ..parameters import Parameters
from .solid import AbstractSolid, Level


class CrystalSolid(AbstractSolid):
    """reference: n_ref, e/A^3 of the pristine solid, 1.227 of the crystal or 1.0 by its mass density. pristine, pristine_lithium:
    formula and its lithium. lithium, lost_oxygen: y and x. pristine_cell: of volume V_0; cell: that of zero strain in the
    maps of the lattice, None for the pristine one. lattice_voxel: edge of a voxel of these maps, in voxels of the density,
    None where both fill the same box. expansion: V/V_0 - 1 instead of maps, a number or one for each voxel of the density.
    """

    reference: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=1.0)
    lithium: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=1.17)
    lost_oxygen: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=0.0)
    pristine: Material = PRISTINE
    pristine_lithium: float = 1.17
    pristine_cell: Cell = Cell("trigonal", (2.852, 14.24))
    cell: Cell | None = None
    lattice_voxel: float | None = None
    expansion: Float[Array, ""] | Float[Array, "y x z"] | None = eqx.field(
        converter=lambda x: None if x is None else jnp.asarray(x), default=None
    )

    def _volume(self, parameters: Parameters, shape: tuple[int, ...]) -> Level:
        """V / V_0."""
        if self.expansion is not None:
            return 1 + self.expansion
        if parameters.lattice is None:
            raise InputError(
                "`CrystalSolid` takes the unit cell from maps of the lattice, and there are none among the unknowns; give "
                "`expansion`, V/V_0 - 1 (0.0 for the pristine cell)."
            )
        cell = self.cell or self.pristine_cell
        first = cell.volume_cubic_angstrom / self.pristine_cell.volume_cubic_angstrom
        # The change, and not the ratio, is what is zero where maps end.
        change = volume_ratio(parameters.lattice.strain, cell) - 1
        return first * (1 + regridded(change, shape, self.lattice_voxel))

    def __call__(self, parameters: Parameters, shape: tuple[int, ...]) -> Level:
        learnt = {} if parameters.morphology is None else vars(parameters.morphology)
        names = ("reference", "lithium", "lost_oxygen")
        known = [getattr(self, name) if learnt.get(name) is None else learnt[name] for name in names]
        electrons = electrons_ratio(known[1], known[2], self.pristine, self.pristine_lithium)
        return jnp.asarray(solid_density(known[0], electrons, self._volume(parameters, shape)))
