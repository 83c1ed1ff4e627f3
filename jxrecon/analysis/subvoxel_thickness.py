"""Local thickness to a fraction of a voxel, from the share of pore in each voxel: balls that end at the surface, not at voxels.

The surface is where the share, linear between neighbouring voxels, crosses `level`: one point for each line of the grid that
it cuts. With D(c) the distance of any place c to the nearest of these points,

    diameter(x) = 2 max { D(c) : |x - c| <= D(c) + 0.3 }     (voxels),

c over places on the ridge of D. These start at the middles of voxels where D rises by less than 0.6 voxel for each voxel on
the way to any neighbour, and climb: away from all points of the surface that are as near as the nearest, by steps of 1/2, 1/4
and 1/8 voxel, kept where D grows. The 0.3 closes the gaps between balls whose middles are about a voxel apart. Where none
reaches (a few voxels of the surface), the nearest voxel's value stands, as in the clean-up of Hildebrand & Ruegsegger's method
in use.

The mean diameter of slabs and balls of 2.5 to 12 voxels, anywhere and in any direction, is right within 0.25 voxel. Points on
the surface are about a voxel apart, so that D is slightly too large, by 0.1 / D. Diameters are those of what the voxels show:
pores narrower than about a voxel are not among them.

Hildebrand & Ruegsegger, J. Microscopy 185, 67 (1997), doi 10.1046/j.1365-2818.1997.1340694.x.
"""

import numpy as np
from jaxtyping import Bool, Float, Shaped
from scipy import ndimage
from scipy.spatial import KDTree

from .local_thickness import NEIGHBOURS
from .split_voxels import checked_share

REACH = 0.3  # voxels beyond a ball that it still covers
STEEP = 0.6  # rise of D towards a neighbour, for each voxel of the way, of what is no ridge
STEPS = (1 / 2, 1 / 4, 1 / 8) * 2  # voxels
TOUCHING = 0.15  # voxels more than the nearest point
CONTACTS = 6
BALANCED = 0.1  # mean of the directions to the points that a ball touches, below which it can grow no more
AT_ONCE = 2**22  # pairs of ball and voxel


def surface_points(share: Float[np.ndarray, "z y x"], level: float) -> Float[np.ndarray, "point 3"]:
    """Where the lines of the grid cross the surface, in voxels; the edge of the volume is none."""
    points = []
    for axis in range(3):
        first = np.moveaxis(share, axis, 0)[:-1]
        second = np.moveaxis(share, axis, 0)[1:]
        where = np.nonzero((first > level) != (second > level))
        a, b = first[where], second[where]
        along = where[0] + (level - a) / (b - a)
        points.append(np.insert(np.column_stack(where[1:]).astype(np.float64), axis, along, axis=1))
    found = np.concatenate(points)
    return (
        found if len(found) > 1 else np.repeat(found, 2, axis=0)
    )  # a search for one neighbour has another form


def ridge_of(
    pore: Bool[np.ndarray, "z y x"], reach: Float[np.ndarray, " voxel"]
) -> Bool[np.ndarray, " voxel"]:
    """Which voxels of the set lie on or near the ridge of the distance `reach`, given in the order of the set."""
    padded = np.zeros(np.array(pore.shape) + 2)
    padded[1:-1, 1:-1, 1:-1][pore] = reach
    place = np.argwhere(pore) + 1
    ridge = np.ones(len(reach), bool)
    for offset in NEIGHBOURS:
        there = padded[tuple((place + offset).T)]
        ridge &= there - reach < STEEP * np.linalg.norm(offset)
    return ridge


def climb(
    tree: KDTree, place: Float[np.ndarray, "ball 3"], reach: Float[np.ndarray, " ball"]
) -> tuple[Float[np.ndarray, "ball 3"], Float[np.ndarray, " ball"]]:
    """Middles and radii of the balls after they have grown."""
    place, reach = place.copy(), reach.copy()
    contacts = min(CONTACTS, tree.n)
    for step in STEPS:
        far, which = tree.query(place, k=contacts, workers=-1)
        outward = (place[:, None] - tree.data[which]) / np.maximum(far, 1e-6)[..., None]
        touching = far < far[:, :1] + TOUCHING
        direction = np.sum(outward, axis=1, where=touching[..., None])
        length = np.linalg.norm(direction, axis=1)
        free = np.flatnonzero(length > BALANCED * touching.sum(axis=1))
        moved = place[free] + step * direction[free] / length[free, None]
        found = tree.query(moved, workers=-1)[0]
        better = found > reach[free]
        place[free[better]], reach[free[better]] = moved[better], found[better]
    return place, reach


def painted(
    shape: tuple[int, ...], place: Float[np.ndarray, "ball 3"], reach: Float[np.ndarray, " ball"]
) -> Float[np.ndarray, "z y x"]:
    """For each voxel the radius of the largest ball that covers it, `REACH` included; 0 where none does."""
    order = np.argsort(reach, kind="stable")
    place, reach = place[order], reach[order]
    nearest = np.rint(place).astype(int)
    extent = np.ceil(reach + REACH + 0.5).astype(int)
    margin = int(extent.max())
    whole = np.zeros([n + 2 * margin for n in shape], np.float32)
    flat, strides = whole.ravel(), np.array(whole.strides) // whole.itemsize
    first = (nearest + margin) @ strides
    for n in np.unique(extent):  # small first, larger ones overwrite
        axis = np.arange(-n, n + 1)
        offset = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
        offset = offset[np.sum(offset**2, axis=1) < (n + 0.87) ** 2]
        here = np.flatnonzero(extent == n)
        step = max(1, AT_ONCE // len(offset))
        for some in np.split(here, range(step, len(here), step)):
            aside = nearest[some] - place[some]
            apart = np.sum(aside**2, axis=1)[:, None] + 2 * aside @ offset.T + np.sum(offset**2, axis=1)
            who, what = np.nonzero(apart <= ((reach[some] + REACH) ** 2)[:, None])
            flat[first[some][who] + offset[what] @ strides] = reach[some][who]
    inside = tuple(slice(margin, margin + n) for n in shape)
    return whole[inside]


def subvoxel_thickness(
    share: Shaped[np.ndarray, "..."], voxel: float | int = 1.0, level: float = 0.5
) -> Float[np.ndarray, "z y x"]:
    """Diameters in the unit of `voxel` where the share of pore exceeds `level`; 0 elsewhere.

    Raises InputError for shares that are no numbers and where there is no pore or no wall.
    """
    values = checked_share(share, level)
    pore = values > level
    tree = KDTree(surface_points(values, level))
    middle = np.argwhere(pore).astype(np.float64)
    reach = tree.query(middle, workers=-1)[0]
    ridge = ridge_of(pore, reach)
    grown, radius = climb(tree, middle[ridge], reach[ridge])
    both = np.concatenate([middle[ridge], grown]), np.concatenate([reach[ridge], radius])
    found = painted(pore.shape, *both) * pore
    missed = pore & (found == 0)
    if missed.any():
        nearest = ndimage.distance_transform_edt(found == 0, return_distances=False, return_indices=True)
        found[missed] = found[tuple(axis[missed] for axis in np.asarray(nearest))]
    return 2.0 * found * voxel
