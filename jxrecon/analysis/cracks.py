"""Cracks of a particle: sheets of pores through its core, told apart, with their width and how far they reach.

A crack's voxels are pores where the sheetness is at least `WEAK` in a region that somewhere, in `FEWEST` pores, reaches
`STRONG`. Cracks start in the core, so that each lies about a plane through it. The planes are taken one after the other: of
many normals n the one whose neighbourhood

    exp(-(sin of the angle between x and the plane)^2 / (2 0.12^2))

holds most of the score that the planes before it have not explained, as long as that is a share of `LEAST` and the plane has
`STRONG` pores of its own. A voxel belongs to the nearest plane, if its own disc leans less than 53 degrees against it, else to
the one it leans against less.

A crack comes from the core if its radius (0 in the centre, 1 at the surface) begins below 0.2, and reaches the surface if its
outermost voxel has at most `SURFACE` voxels of solid before it. Two planes within about 20 degrees of each other come out as
one.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

from ..errors import InputError
from .sheetness import NORMALS, Sheetness, directions, sheetness

WEAK, STRONG = 7.0, 12.0  # scores
FEWEST = 20
LEAST = 0.08
ANGLE = 0.12
LEAN = 0.6  # least |cosine| between a voxel's own normal and that of its plane
AGREE = 0.7  # the same, of voxels that choose a plane
CORE, SURFACE = 0.2, 2.0
INNER = 8.0  # voxels from the centre, nearer than which a direction means little
MOST = 8  # cracks
TRIALS = 1500


@dataclasses.dataclass(frozen=True)
class Crack:
    """voxels: how many; normal: (z, y, x); inner, outer: range of the relative radius; width, widest: mean and 95th percentile of
    the diameters, in their unit."""

    voxels: int
    normal: Float[np.ndarray, "3"]
    inner: float
    outer: float
    from_core: bool
    to_surface: bool
    width: float
    widest: float


@dataclasses.dataclass(frozen=True)
class Cracks:
    """label: 0 where no crack is, else its number from 1 on; the largest first."""

    label: Int[np.ndarray, "z y x"]
    cracks: list[Crack]

    def proximity(self, length: float) -> Float[np.ndarray, "z y x"]:
        """exp(-distance / length), in voxels: 1 in a crack; 0 everywhere if there is none."""
        if not self.cracks:
            return np.zeros(self.label.shape)
        return np.exp(-np.asarray(ndimage.distance_transform_edt(self.label == 0)) / length)

    def metrics(self) -> dict[str, float]:
        """Numbers by name."""
        return {
            "cracks": len(self.cracks),
            "cracks_from_core": sum(c.from_core for c in self.cracks),
            "cracks_to_surface": sum(c.to_surface for c in self.cracks),
            "crack_voxels": sum(c.voxels for c in self.cracks),
        }


def crack_voxels(pore: Bool[np.ndarray, "z y x"], found: Sheetness) -> Bool[np.ndarray, "z y x"]:
    """Pores of regions that are sheets enough."""
    region, _ = ndimage.label(found.score >= WEAK, np.ones((3, 3, 3)))  # pyright: ignore[reportGeneralTypeIssues]
    strong = np.bincount(region[pore & (found.score >= STRONG)], minlength=int(region.max()) + 1)
    strong[0] = 0
    return pore & (strong >= FEWEST)[region]


def planes_through(
    place: Float[np.ndarray, "voxel 3"],
    normal: Float[np.ndarray, "voxel 3"],
    score: Float[np.ndarray, " voxel"],
) -> Float[np.ndarray, "plane 3"]:
    """Normals of the planes through the origin that explain the scores of voxels about it, the first one best."""
    trial = directions(TRIALS)
    apart = np.abs(place @ trial.T) / np.linalg.norm(place, axis=1, keepdims=True)
    near = np.exp(-((apart / ANGLE) ** 2) / 2) * (np.abs(normal @ trial.T) > AGREE)
    weight = np.sqrt(score - WEAK)
    left, strong, chosen = weight.copy(), score >= STRONG, []
    while len(chosen) < MOST:
        best = int(np.argmax(left @ near))
        own = np.count_nonzero(strong & (left * near[:, best] > weight / 2))
        if chosen and (left @ near[:, best] < LEAST * weight.sum() or own < FEWEST):
            break
        chosen.append(best)
        left *= 1 - near[:, best]
    return trial[chosen]


def nearest_plane(
    place: Float[np.ndarray, "voxel 3"],
    normal: Float[np.ndarray, "voxel 3"],
    planes: Float[np.ndarray, "plane 3"],
) -> Int[np.ndarray, " voxel"]:
    distance = np.maximum(np.linalg.norm(place, axis=1, keepdims=True), INNER)
    return np.argmin(np.abs(place @ planes.T) / distance + (np.abs(normal @ planes.T) < LEAN), axis=1)


def measured(
    here: Bool[np.ndarray, "z y x"],
    normal: Float[np.ndarray, "3"],
    radius: Float[np.ndarray, "z y x"],
    depth: Float[np.ndarray, "z y x"],
    diameter: Float[np.ndarray, "z y x"],
) -> Crack:
    inner, outer = float(radius[here].min()), float(radius[here].max())
    wide = diameter[here]
    return Crack(
        voxels=int(np.count_nonzero(here)),
        normal=normal,
        inner=inner,
        outer=outer,
        from_core=inner < CORE,
        to_surface=bool(depth[here].min() <= SURFACE),
        width=float(wide.mean()),
        widest=float(np.quantile(wide, 0.95)),
    )


def find_cracks(
    share: Float[np.ndarray, "z y x"],
    particle: Bool[np.ndarray, "z y x"],
    diameter: Float[np.ndarray, "z y x"],
    level: float = 0.5,
    found: Sheetness | None = None,
) -> Cracks:
    """Of a particle with these shares of pore and this map of pore diameters; no crack is an empty list.

    found: the sheetness, if it is known already. InputError for an empty mask and for shares that are no numbers.
    """
    if not particle.any():
        raise InputError("the mask holds no voxel; expected the particle.")
    if not np.isfinite(share[particle]).all():
        raise InputError("some shares of pore within the particle are no numbers; expected 0 to 1.")
    pore, label = particle & (share > level), np.zeros(share.shape, np.int16)
    if not pore.any():
        return Cracks(label, [])
    found = sheetness(share, particle) if found is None else found
    voxels = crack_voxels(pore, found)
    if not voxels.any():
        return Cracks(label, [])
    place = np.argwhere(voxels) - np.array(ndimage.center_of_mass(particle))
    normal, score = directions(NORMALS)[found.normal[voxels]], found.score[voxels]
    far = np.linalg.norm(place, axis=1) > INNER
    planes = planes_through(place[far], normal[far], score[far])
    which = nearest_plane(place, normal, planes)
    size = np.bincount(which, minlength=len(planes))
    order = [k for k in np.argsort(-size) if size[k] > 0]
    rank = np.zeros(len(planes), np.int16)
    rank[order] = np.arange(1, len(order) + 1)
    label[voxels] = rank[which]
    depth = np.asarray(ndimage.distance_transform_edt(np.pad(particle, 1)))[1:-1, 1:-1, 1:-1]
    return Cracks(
        label,
        [
            measured(label == n, planes[k], found.radius, depth, diameter)
            for n, k in enumerate(order, start=1)
        ],
    )
