"""Primary grains of a particle: cells about the points of a jittered lattice, which layers of pores run through.

A point belongs to the grain whose seed is nearest (Voronoi). With the distances F1 <= F2 to the nearest two seeds s1, s2, the
distance to the face between them is

    b = (F2^2 - F1^2) / (2 |s2 - s1|).

Onion layers of the period L are counted in whole grains: phase = (rho R + 0.16 L warp) / L + offset, and a grain is porous
where the fraction of its phase is below `porous_share`. The skin rho > 0.95 is dense. Some porous grains are missing, and
some of these holes take their porous neighbours along. Metres, coordinates (z, y, x) about the particle's centre.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree

from .random_field import draw_field

JITTER = 0.45  # of the spacing, to either side
SKIN = 0.95  # radius outside of which layers are dense
LAST_VACANCY = 0.985  # radius outside of which no grain is missing
POROUS_SHARE = 0.42  # of a period
LAYER_WARP = 0.16  # of a period
FAR = 4.0  # spacings; no point of a particle has its second seed farther away


@dataclasses.dataclass(frozen=True)
class Neighbours:
    """For each point its nearest two grains, the distances to the first one's seed and to the face between them."""

    first: Int[np.ndarray, " point"]
    second: Int[np.ndarray, " point"]
    distance: Float[np.ndarray, " point"]
    face: Float[np.ndarray, " point"]


@dataclasses.dataclass(frozen=True)
class Grains:
    """Seeds and what is fixed for each grain; `chance` are the three random numbers that decide about its absence."""

    seed: Float[np.ndarray, "grain 3"]
    radius: Float[np.ndarray, " grain"]
    layer: Int[np.ndarray, " grain"]
    porous: Bool[np.ndarray, " grain"]
    chance: Float[np.ndarray, "3 grain"]
    spacing_m: float
    tree: KDTree

    def nearest(self, points: Float[np.ndarray, "point 3"]) -> Neighbours:
        """The two grains nearest to each point."""
        distance, grain = self.tree.query(points, k=2, distance_upper_bound=FAR * self.spacing_m)
        first, second = grain.T.astype(np.int32)
        nearer, farther = distance.T
        apart = np.linalg.norm(self.seed[second] - self.seed[first], axis=1)
        face = (farther**2 - nearer**2) / (2 * apart)
        return Neighbours(first, second, nearer.astype(np.float32), face.astype(np.float32))

    def missing(self, vacancies: float, clusters: float) -> Bool[np.ndarray, " grain"]:
        """The grains that are not there, at these shares of the porous grains and of the missing ones."""
        may = self.porous & (self.radius < LAST_VACANCY)
        gone = may & (self.chance[0] < vacancies)
        swallowing = np.flatnonzero(gone & (self.chance[1] < clusters))
        reach = (0.9 + 0.6 * self.chance[2, swallowing]) * self.spacing_m
        for neighbours in self.tree.query_ball_point(self.seed[swallowing], reach):
            gone[neighbours] |= may[neighbours]
        return gone


def jittered_lattice(
    rng: np.random.Generator, reach_m: float, spacing_m: float
) -> Float[np.ndarray, "seed 3"]:
    """A cubic lattice about the origin with its points moved at random, as far as `reach_m`."""
    half = int(np.ceil((reach_m + spacing_m) / spacing_m))
    n = np.arange(-half, half + 1, dtype=np.float32)
    kept = []
    for plane in n:  # one at a time: a large particle has millions
        lattice = np.stack(np.meshgrid(plane, n, n, indexing="ij"), axis=-1).reshape(-1, 3)
        lattice += JITTER * (2 * rng.random(lattice.shape, dtype=np.float32) - 1)
        kept += [lattice[np.linalg.norm(lattice, axis=1) < reach_m / spacing_m]]
    return np.concatenate(kept) * np.float32(spacing_m)


def draw_grains(
    rng: np.random.Generator,
    seed: Float[np.ndarray, "grain 3"],
    radius: Float[np.ndarray, " grain"],
    *,
    particle_m: float,
    spacing_m: float,
    layer_m: float,
    offset: float,
) -> Grains:
    """Layers and vacancies for seeds at these relative radii; `offset` moves the layers, in periods."""
    warp = draw_field(rng, 0.35 * particle_m, waves=28, axes=3)
    phase = radius * particle_m / layer_m + LAYER_WARP * warp.at(seed) + offset
    return Grains(
        seed=seed,
        radius=radius,
        layer=np.floor(phase).astype(np.int16),
        porous=(phase % 1 < POROUS_SHARE) & (radius < SKIN),
        chance=rng.random((3, len(seed)), dtype=np.float32),
        spacing_m=spacing_m,
        tree=KDTree(seed),
    )
