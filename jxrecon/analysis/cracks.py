"""Cracks of a particle: sheets of pores through its core, told apart, with their width and how far they reach.

A crack's firm part are pores where the sheetness is at least `WEAK` in a region that somewhere, in `FEWEST` pores, reaches
`STRONG`. Cracks start in the core, so that each lies about a plane through it. The planes are taken one after the other: of
many normals n the one whose neighbourhood

    exp(-(sin of the angle between x and the plane)^2 / (2 0.12^2))

holds most of the score that the planes before it have not explained, as long as that is a share of `LEAST` and the plane has
`STRONG` pores of its own. A voxel belongs to the nearest plane, if its own disc leans less than 53 degrees against it, else to
the one it leans against less. Then pores join that are sheet enough at `FAINT`, hang together with a firm part by others of
that kind, and lie as near to its plane as 1.5 times that angle.

A crack comes from the core if the radius (0 in the centre, 1 at the surface) of its firm part begins below 0.2, and reaches
the surface if that has at most `SURFACE` voxels of solid before it. On twins at 20 nm voxels 0.91 to 1.00 of the pores in
cracks wider than 1.5 voxels are found, together with as many pores of porous layers beside them, and 17 of 21 cracks are
rightly said to reach the surface or not: two planes within about 25 degrees of each other may come out as one, and where the
core is full of pores one too many may.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

from ..errors import InputError
from .sheetness import NORMALS, Sheetness, directions, sheetness

FAINT, WEAK, STRONG = 4.5, 7.0, 12.0  # scores
FEWEST = 20
LEAST = 0.08
ANGLE = 0.12
ASIDE = 1.5 * ANGLE
LEAN = 0.6  # least |cosine| between a voxel's own normal and that of its plane
AGREE = 0.7  # the same, of voxels that choose a plane
CORE, SURFACE = 0.2, 3.0
INNER = 8.0  # voxels from the centre, nearer than which a direction means little
MOST = 8  # cracks
TRIALS = 1500


@dataclasses.dataclass(frozen=True)
class Crack:
    """voxels: how many; normal: (z, y, x); inner, outer: range of the relative radius of the firm part; width, widest: mean and
    95th percentile of the diameters, in their unit."""

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
            "cracks": float(len(self.cracks)),
            "cracks_from_core": float(sum(c.from_core for c in self.cracks)),
            "cracks_to_surface": float(sum(c.to_surface for c in self.cracks)),
            "crack_voxels": float(sum(c.voxels for c in self.cracks)),
        }


def hanging(
    region: Bool[np.ndarray, "z y x"], seed: Bool[np.ndarray, "z y x"], fewest: int
) -> Bool[np.ndarray, "z y x"]:
    """The bodies of the region that hold as many seeds; corners join."""
    body = np.zeros(region.shape, np.int32)
    ndimage.label(region, np.ones((3, 3, 3)), output=body)
    held = np.bincount(body[seed], minlength=int(body.max()) + 1) >= fewest
    held[0] = False
    return held[body]


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
) -> tuple[Int[np.ndarray, " voxel"], Float[np.ndarray, " voxel"]]:
    """Its number, and the sine of the angle to it; 1 more where a voxel's own disc leans against it."""
    distance = np.maximum(np.linalg.norm(place, axis=1, keepdims=True), INNER)
    apart = np.abs(place @ planes.T) / distance + (np.abs(normal @ planes.T) < LEAN)
    return np.argmin(apart, axis=1), np.min(apart, axis=1)


def told_apart(
    firm: Bool[np.ndarray, "z y x"],
    faint: Bool[np.ndarray, "z y x"],
    found: Sheetness,
    centre: Float[np.ndarray, "3"],
) -> tuple[Int[np.ndarray, "z y x"], Float[np.ndarray, "plane 3"]]:
    """The number of its plane from 1 on for each firm voxel and for the faint ones near a plane, and the planes' normals."""

    def seen(voxels: Bool[np.ndarray, "z y x"]):
        return np.argwhere(voxels) - centre, directions(NORMALS)[found.normal[voxels]]

    place, normal = seen(firm)
    far = np.linalg.norm(place, axis=1) > INNER
    if not far.any():
        return np.zeros(firm.shape, np.int16), np.zeros((0, 3), np.float32)
    planes = planes_through(place[far], normal[far], found.score[firm][far])
    label = np.zeros(firm.shape, np.int16)
    for voxels, most in ((faint, ASIDE), (firm, np.inf)):
        which, apart = nearest_plane(*seen(voxels), planes)
        label[voxels] = np.where(apart < most, which + 1, 0)
    return label, planes


def measured(
    here: Bool[np.ndarray, "z y x"],
    firm: Bool[np.ndarray, "z y x"],
    normal: Float[np.ndarray, "3"],
    radius: Float[np.ndarray, "z y x"],
    depth: Float[np.ndarray, "z y x"],
    diameter: Float[np.ndarray, "z y x"],
) -> Crack:
    inner, outer = float(radius[here & firm].min()), float(radius[here & firm].max())
    wide = diameter[here]
    return Crack(
        voxels=int(np.count_nonzero(here)),
        normal=normal,
        inner=inner,
        outer=outer,
        from_core=inner < CORE,
        to_surface=bool(depth[here & firm].min() <= SURFACE),
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
    firm = pore & hanging(found.score >= WEAK, pore & (found.score >= STRONG), FEWEST)
    if not firm.any():
        return Cracks(label, [])
    faint = pore & hanging(found.score >= FAINT, firm, 1)
    number, planes = told_apart(firm, faint, found, np.array(ndimage.center_of_mass(particle)))
    depth = np.asarray(ndimage.distance_transform_edt(np.pad(particle, 1)))[1:-1, 1:-1, 1:-1]
    size = np.bincount(number[firm], minlength=len(planes) + 1)[1:]
    cracks = []
    for k in np.argsort(-size)[: np.count_nonzero(size)]:
        here = number == k + 1
        label[here] = len(cracks) + 1
        cracks.append(measured(here, firm, planes[k], found.radius, depth, diameter))
    return Cracks(label, cracks)
