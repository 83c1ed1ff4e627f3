"""The body of a particle: its outer surface, grains and cracks, drawn once and then looked at on any grid.

The surface is a warped ball, R(direction) = R (1 + 0.025 g(direction)), and the relative radius of a point is
rho = r / R(direction). Nothing here knows a voxel: `Body.at` gives distances, from which shares of voxels follow.
Metres, coordinates (z, y, x) about the particle's centre.
"""

import dataclasses

import numpy as np
from jaxtyping import Float

from .cracks import Crack, Sheet, draw_cracks
from .grains import Grains, Neighbours, draw_grains, jittered_lattice
from .random_field import RandomField, draw_field
from .states import State

ROUGHNESS = 0.025  # standard deviation of the surface, relative to the radius
LARGEST = 1.12  # radii within which a particle lies
GOLDEN = (5**0.5 - 1) / 2  # moves the layers from seed to seed, so that a few seeds together show none


@dataclasses.dataclass(frozen=True)
class Surface:
    """A ball warped by a smooth field of the direction."""

    radius_m: float
    warp: RandomField

    def distances(
        self, points: Float[np.ndarray, "point 3"]
    ) -> tuple[Float[np.ndarray, " point"], Float[np.ndarray, " point"]]:
        """Of each point from the centre, and of the surface in its direction."""
        r = np.sqrt(np.einsum("pk,pk->p", points, points)) + np.float32(1e-6 * self.radius_m)
        warp = np.clip(self.warp.at(points / r[:, None]), -4, 4)
        return r, self.radius_m * (1 + ROUGHNESS * warp)


@dataclasses.dataclass(frozen=True)
class Place:
    """What the body is at some points: relative radius, depth under the surface, grains, cracks."""

    radius: Float[np.ndarray, " point"]
    depth: Float[np.ndarray, " point"]
    grains: Neighbours
    sheets: list[Sheet]


@dataclasses.dataclass(frozen=True)
class Body:
    """Surface, grains and cracks; `seed_margin` is the distance of each grain's seed to each crack's edge."""

    state: State
    surface: Surface
    grains: Grains
    cracks: list[Crack]
    seed_margin: Float[np.ndarray, "crack grain"]

    def at(self, points: Float[np.ndarray, "point 3"]) -> Place:
        """Points far outside the surface may have no second grain near."""
        r, surface = self.surface.distances(points)
        sheets = [crack.at(points, r) for crack in self.cracks]
        return Place(r / surface, surface - r, self.grains.nearest(points), sheets)

    def crack_share(self, place: Place, pixel: float) -> Float[np.ndarray, " point"]:
        """Share of a voxel that lies in cracks."""
        closed = np.ones_like(place.radius)
        for sheet, margin in zip(place.sheets, self.seed_margin, strict=True):
            closed *= 1 - sheet.open_share(margin[place.grains.first], pixel)
        return 1 - closed

    def proximity(self, place: Place) -> Float[np.ndarray, " point"]:
        """1 at a crack, falling to 0 away from all of them."""
        return np.max([s.proximity() for s in place.sheets], axis=0, initial=0) + np.zeros_like(place.radius)

    def expansion(self, place: Place) -> Float[np.ndarray, " point"]:
        """Relative volume change of the unit cell: base + core exp(-(rho/0.45)^2) + crack proximity, and fragments' offsets."""
        base, core, crack = self.state.expansion
        found = base + core * np.exp(-((place.radius / 0.45) ** 2)) + crack * self.proximity(place)
        for sheet, part in zip(place.sheets, self.cracks, strict=True):
            found += part.offset * np.sign(sheet.distance) * sheet.envelope
        return np.maximum(found, 0)


def draw_body(
    seed: int,
    state: State,
    *,
    radius_m: float,
    grain_m: float,
    layer_m: float,
    fragment_spread: float,
) -> Body:
    """Each part has random numbers of its own, so that all states of a seed share surface, grains and layers."""
    of_surface, of_seeds, of_layers, of_cracks = np.random.default_rng([seed, 7]).spawn(4)
    surface = Surface(radius_m, draw_field(of_surface, 0.45, waves=28, axes=3))
    seeds = jittered_lattice(of_seeds, LARGEST * radius_m, grain_m)
    r, outside = surface.distances(seeds)
    grains = draw_grains(
        of_layers,
        seeds,
        r / outside,
        particle_m=radius_m,
        spacing_m=grain_m,
        layer_m=layer_m,
        offset=seed * GOLDEN % 1,
    )
    cracks = draw_cracks(of_cracks, state, radius_m, fragment_spread)
    margins = [np.minimum(crack.at(seeds, r).margin(), 4 * grain_m) for crack in cracks]
    margin = np.array(margins, np.float32).reshape(len(cracks), len(seeds))
    return Body(state, surface, grains, cracks, margin)
