"""The fine voxels that one row of a scan meets, and their patterns, ready to be projected.

The beam is about two steps high: layers of fine voxels above and below add to a row with its Gaussian profile. What a ray sees
of a column (y, x) is therefore the mean over these layers, and for each reflection all columns are the rows of one sparse
matrix times a `Family` of patterns. For many views the product is taken once; for a few it is cheaper to project the sparse
matrix first.
"""

import dataclasses

import numpy as np
import scipy.sparse
from jaxtyping import Float

from .diffraction_background import spinel_share
from .drawn import Drawn
from .lattice_maps import intensities, lattice, microstrain
from .maps import Maps
from .states import State
from .voxel_patterns import Family, Optics, family

SIGMA = 1 / np.sqrt(8 * np.log(2))
REACH = 1.25  # of the beam's profile, in its widths
SHELL_OF = {"006": "003", "012": "101"}  # whose grains these reflections come from
AMPLITUDE = {"006": 0.08, "012": 0.2}  # beside the reflections of unit amplitude


@dataclasses.dataclass(frozen=True)
class Voxels:
    """Fine voxels with matter in them, as lists."""

    layer: np.ndarray
    column: np.ndarray  # y x
    expansion: np.ndarray
    strain: np.ndarray
    density: np.ndarray
    inside: np.ndarray
    radius: np.ndarray
    proximity: np.ndarray
    amounts: dict[str, np.ndarray]

    def of(self, chosen: np.ndarray) -> "Voxels":
        arrays = {k: v[chosen] for k, v in vars(self).items() if k != "amounts"}
        return Voxels(**arrays, amounts={k: v[chosen] for k, v in self.amounts.items()})


def amount_of(name: str, state: State, density: np.ndarray, radius: np.ndarray, shells: bool) -> np.ndarray:
    """What a voxel scatters into a reflection; the same everywhere without shells."""
    shell = SHELL_OF.get(name, name)
    found = intensities(state, density, radius)[shell]
    if not shells:
        found = state.crystallinity * density * (state.amplitude_003 if shell == "003" else 1.0)
    return AMPLITUDE.get(name, 1.0) * found


def voxels(maps: Maps, names: tuple[str, ...], shells: bool) -> Voxels:
    """Everything inside of the surface."""
    there = np.flatnonzero(maps.inside > 0)
    layer, column = np.divmod(there, maps.inside.shape[1] * maps.inside.shape[2])
    take = {
        k: getattr(maps, k).ravel()[there].astype(np.float64) for k in ("volume_change", "electron_density")
    }
    take |= {
        k: getattr(maps, k).ravel()[there].astype(np.float64) for k in ("inside", "radius", "crack_proximity")
    }
    density, radius, proximity = (take[k] for k in ("electron_density", "radius", "crack_proximity"))
    return Voxels(
        layer,
        column,
        take["volume_change"],
        microstrain(maps.state, radius, proximity)[1],
        density,
        take["inside"],
        radius,
        proximity,
        {name: amount_of(name, maps.state, density, radius, shells) for name in names},
    )


@dataclasses.dataclass(frozen=True)
class Sheet:
    """Patterns of the columns of one reflection: `sums` (column, knot) times `table` (knot, channel)."""

    sums: scipy.sparse.csr_array
    table: Float[np.ndarray, "knot channel"]
    product: Float[np.ndarray, "column channel"] | None = None

    def multiplied(self) -> "Sheet":
        return dataclasses.replace(self, product=self.sums @ self.table)

    def seen(self, matrix: scipy.sparse.csr_array) -> Float[np.ndarray, "bin channel"]:
        """Sums over columns."""
        if self.product is not None:
            return matrix.astype(np.float32) @ self.product
        return (matrix.astype(np.float32) @ self.sums) @ self.table

    def in_beam(
        self, beam: Float[np.ndarray, "u ray"], matrix: scipy.sparse.csr_array
    ) -> Float[np.ndarray, "u channel"]:
        """Sums over the columns on fine rays, and over these: in the order that is cheaper."""
        if self.product is not None:
            return beam.astype(np.float32) @ self.seen(matrix)
        return self.seen(scipy.sparse.csr_array(beam) @ matrix)


@dataclasses.dataclass(frozen=True)
class LitSlice:
    """One row of the scan. All arrays but `column` (their place on the fine grid y x) go over its columns of voxels.

    means: of density (e/A^3), of the share inside, and sums that truths are made of. inverse_square: mean of 1 / r^2 over the
    beam, in fine voxels, of which the texture needs the mean direction of the radius.
    """

    column: np.ndarray
    sheets: dict[str, Sheet]
    moved: dict[str, Sheet]
    means: dict[str, Float[np.ndarray, " column"]]
    inverse_square: Float[np.ndarray, " column"]

    def together(self) -> "LitSlice":
        """All reflections in one sheet, for when no view sees one of them stronger than another."""
        sheets, moved = ({"all": _added(list(d.values()))} if d else {} for d in (self.sheets, self.moved))
        return dataclasses.replace(self, sheets=sheets, moved=moved)


def _added(sheets: list[Sheet]) -> Sheet:
    product = sum(s.product for s in sheets if s.product is not None)
    return dataclasses.replace(sheets[0], product=np.asarray(product))


def beam_layers(height_m: float, layers_m: np.ndarray, beam_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the layers that the beam meets at a height, and its share of each."""
    distance = layers_m - height_m
    number = np.flatnonzero(np.abs(distance) <= REACH * beam_m * (1 + 1e-9))
    weight = np.exp(-0.5 * (distance[number] / (SIGMA * beam_m)) ** 2)
    return number, weight / weight.sum()


def lit_slice(
    every: Voxels,
    layers: tuple[np.ndarray, np.ndarray, np.ndarray],
    tables: tuple[Family, dict[str, np.ndarray], dict[str, np.ndarray]],
    width: int,
    many: bool,
) -> LitSlice:
    """layers: numbers, shares of the beam, heights in fine voxels. tables: family, patterns, and their changes (parallax)."""
    number, share, height = layers
    first, last = number[0], number[-1]
    part = every.of((every.layer >= first) & (every.layer <= last))
    weight = share[part.layer - first]
    column, place = np.unique(part.column, return_inverse=True)
    kinds, patterns, changes = tables
    sheets, moved = {}, {}
    for name, amount in part.amounts.items():
        sums = kinds.summed(place, part.expansion, part.strain, weight * amount, len(column))
        sheets[name] = Sheet(sums, patterns[name])
        if name in changes:
            moved[name] = Sheet(sums, changes[name])
    if many:
        sheets, moved = ({k: s.multiplied() for k, s in d.items()} for d in (sheets, moved))
    y, x = (np.array(n) - (width - 1) / 2 for n in np.divmod(column, width))
    square = (x**2 + y**2)[:, None] + height**2
    inverse = (1 / np.maximum(square, 0.25)) @ share
    return LitSlice(column, sheets, moved, _means(part, weight, place, len(column)), inverse)


def _means(part: Voxels, weight: np.ndarray, place: np.ndarray, count: int) -> dict[str, np.ndarray]:
    a, c = lattice(part.expansion)
    of_a, of_c = part.amounts["101"] + part.amounts["104"], part.amounts["003"]
    values = {
        "density": part.density,
        "inside": part.inside,
        "spinel": part.density * spinel_share(part.radius, part.proximity),
        "proximity": part.inside * part.proximity,
        "of_a": of_a,
        "of_c": of_c,
        "a": of_a * a,
        "c": of_c * c,
    }
    return {k: np.bincount(place, weight * v, count) for k, v in values.items()}


def draw_voxels(
    drawn: Drawn, z: np.ndarray, across: np.ndarray, supersample: int, names: tuple[str, ...], shells: bool
) -> Voxels:
    """The fine voxels of all layers z."""
    return voxels(drawn.maps(z, across, across, supersample), names, shells)


def tables_of(
    state: State, optics: Optics, every: Voxels, names: dict[str, tuple[int, int, int]], parallax: bool
) -> tuple[Family, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The family of patterns, the patterns of each reflection, and their changes with the distance where these are wanted."""
    kinds = family(state, optics, every.expansion, every.strain)
    changes = {n: kinds.shift_patterns(hkl) for n, hkl in names.items()} if parallax else {}
    return kinds, {n: kinds.patterns(hkl) for n, hkl in names.items()}, changes
