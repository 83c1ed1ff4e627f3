"""Electron density of a lithium transition-metal oxide without pores, from its composition and its unit cell.

    n_s = n_ref [Z(y, x) / Z_0] [V_0 / V],      Z(y, x) = Z_0 + 3 (y - y_0) - 8 x,      phi = 1 - n_e / n_s

per formula unit Li_y M O_(2-x), y_0 lithium in the pristine one; V is the volume of the unit cell. n_ref = 3 Z_0 / V_0 of the
crystal (three formula units in the hexagonal cell, 1.227 e/A^3 for Li1.17 Ni0.19 Mn0.54 Co0.10 O2), or what a mass density
says (1.02 for 3.6 g/cm^3). Charging takes electrons out, 0.1 Li is 0.7 % of n_s and 0.05 O is 1.0 %, which without Z(y, x)
reads as porosity.

Densities in e/A^3. Tsai et al., iScience 11, 356 (2019), doi:10.1016/j.isci.2018.12.028 (compositions); Diaz et al., Phys.
Rev. B 85, 020104 (2012), doi:10.1103/PhysRevB.85.020104 (electron density from the phase).
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .cell import Cell, cosines, ties
from .material import Material

LITHIUM, OXYGEN = 3, 8  # electrons
PRISTINE = Material()
Values = float | int | Float[Array, "..."] | Float[np.ndarray, "..."]


def electrons_ratio(
    lithium: Values, lost_oxygen: Values, pristine: Material = PRISTINE, pristine_lithium: float = 1.17
) -> Values:
    """Z(y, x) / Z_0."""
    return 1 + (LITHIUM * (lithium - pristine_lithium) - OXYGEN * lost_oxygen) / pristine.electrons()


def crystal_density(pristine: Material, cell: Cell, formula_units: int = 3) -> float:
    """n_ref of a crystal, e/A^3."""
    return formula_units * pristine.electrons() / cell.volume_cubic_angstrom


def volume_ratio(strain: Float[Array, "free y x z"], cell: Cell) -> Float[Array, "y x z"]:
    """V / V(zero strain), from relative changes of the cell's free lengths and changes (radians) of its free angles."""
    which = ties(cell)
    ratio = jnp.ones(strain.shape[1:], strain.dtype)
    for axis in range(3):
        ratio = ratio * (1 + jnp.tensordot(jnp.asarray(which[:, axis], strain.dtype), strain, 1))
    if not which[:, 3:].any():
        return ratio
    start = np.radians(cell.angles_deg)
    angles = [
        start[k] + jnp.tensordot(jnp.asarray(which[:, 3 + k], strain.dtype), strain, 1) for k in range(3)
    ]
    a, b, c = (jnp.cos(angle) for angle in angles)
    square = 1 - a**2 - b**2 - c**2 + 2 * a * b * c
    return ratio * jnp.sqrt(square / float(np.linalg.det(cosines(cell))))


def solid_density(reference: Values, electrons: Values, volume: Values) -> Values:
    """n_s, from n_ref, Z/Z_0 and V/V_0."""
    return reference * electrons / volume


def porosity(density: Values, solid: Values) -> Values:
    """phi of a density n_e in a solid of n_s; below 0 where n_e is above n_s."""
    return 1 - density / solid
