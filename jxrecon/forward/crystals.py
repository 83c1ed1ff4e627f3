"""Crystals: a space group, a cell, and one atom of each orbit; those of the standards and of lithium-rich oxides are built in.

An orbit is every image of a site under the operations of the group, those that fall on each other counted once. Standards after
their certificates (cells) and Sawada, Mater. Res. Bull. 29, 127 (1994) (Al2O3), doi 10.1016/0025-5408(94)90132-5; Booth et al.,
Phys. Rev. B 63, 224302 (2001) (LaB6), doi 10.1103/PhysRevB.63.224302; Li2MnO3 after Boulineau et al., Solid State Ionics 180,
1652 (2010), doi 10.1016/j.ssi.2009.10.020. The layered oxide has no order of lithium and metals in its metal layer, and no
lithium exchanged for nickel.
"""

import dataclasses

import numpy as np
from jaxtyping import Float

from .cell import Cell
from .reflections import PARTS, PHASES, symmetry

SAME_SITE = 1e-3  # of an axis


@dataclasses.dataclass(frozen=True)
class Atom:
    """site: fractions of the axes; occupancy: of every site of the orbit; b_iso: Debye-Waller B in square angstroms."""

    element: str
    site: tuple[float | int, float | int, float | int]
    occupancy: float = 1.0
    b_iso: float = 0.5


@dataclasses.dataclass(frozen=True)
class Crystal:
    """space_group: a name, or operations `x,y,z; -x,-y,-z; ...` (see `reflections.symmetry`)."""

    name: str
    space_group: str
    cell: Cell
    atoms: tuple[Atom, ...]


def orbit(
    site: tuple[float | int, float | int, float | int], space_group: str
) -> Float[np.ndarray, "image 3"]:
    """Different images of a site, within one cell."""
    operations = symmetry(space_group)
    images = (operations[:, :, :3] @ np.asarray(site) + operations[:, :, 3] / PARTS) % 1.0
    found: list[np.ndarray] = []
    for image in images:
        apart = [np.abs((image - other + 0.5) % 1.0 - 0.5).max() for other in found]
        if not apart or min(apart) > SAME_SITE:
            found.append(image)
    return np.stack(found)


def _built_in(name: str, *atoms: Atom) -> Crystal:
    return Crystal(name, *PHASES[name], atoms)


_METALS = (("Mn", 0.54), ("Ni", 0.19), ("Co", 0.10), ("Li", 0.17))
CRYSTALS = {
    crystal.name: crystal
    for crystal in (
        _built_in(
            "Li-rich NMC",
            *(Atom(element, (0, 0, 0), share, 0.4) for element, share in _METALS),
            Atom("Li", (0, 0, 0.5), 1.0, 1.0),
            Atom("O", (0, 0, 0.2585), 1.0, 0.8),
        ),
        _built_in(
            "Li2MnO3",
            Atom("Mn", (0, 0.16708, 0), 1.0, 0.3),
            Atom("Li", (0, 0.5, 0), 1.0, 0.8),
            Atom("Li", (0, 0, 0.5), 1.0, 0.8),
            Atom("Li", (0, 0.6606, 0.5), 1.0, 0.8),
            Atom("O", (0.2189, 0, 0.2273), 1.0, 0.5),
            Atom("O", (0.2540, 0.32119, 0.2233), 1.0, 0.5),
        ),
        _built_in(
            "LiMn2O4",
            Atom("Li", (0.125, 0.125, 0.125), 1.0, 1.0),
            Atom("Mn", (0.5, 0.5, 0.5), 1.0, 0.5),
            Atom("O", (0.2632, 0.2632, 0.2632), 1.0, 0.8),
        ),
        _built_in("Al2O3", Atom("Al", (0, 0, 0.35216), 1.0, 0.25), Atom("O", (0.30624, 0, 0.25), 1.0, 0.25)),
        _built_in("LaB6", Atom("La", (0, 0, 0), 1.0, 0.4), Atom("B", (0.1996, 0.5, 0.5), 1.0, 0.3)),
        _built_in("CeO2", Atom("Ce", (0, 0, 0), 1.0, 0.25), Atom("O", (0.25, 0.25, 0.25), 1.0, 0.45)),
        _built_in("Si", Atom("Si", (0.125, 0.125, 0.125), 1.0, 0.5)),
    )
}
