"""Local thickness of a set of voxels: for each voxel the largest ball inside the set that covers it (Hildebrand & Ruegsegger).

Exact on the grid of voxel middles, in integers. With r^2(c) the squared distance from a voxel c of the set to the nearest one
outside, in voxels, the squared radius at x is

    R^2(x) = max { r^2(c) : |x - c|^2 < r^2(c) }.

Only balls that no neighbour's ball holds are painted: B(c) lies in the ball about c + o of squared radius max_(p in B(c)) |p -
o|^2 + 1 (distance ridge; Saito & Toriwaki). The map is the one that all balls would give, voxel for voxel.

A ball of radius r about the middle of a voxel, which ends at the middle of a voxel outside, fills 2 r - 1 voxels in a row; to
call 2 r its diameter, as the usual programs do, is one voxel too much. Where that matters, shares of voxels say more
(`subvoxel_thickness`). Beyond the edge of the volume nothing is known: there is no wall.

Hildebrand & Ruegsegger, J. Microscopy 185, 67 (1997), doi 10.1046/j.1365-2818.1997.1340694.x; Saito & Toriwaki, Pattern
Recognition 27, 1551 (1994), doi 10.1016/0031-3203(94)90133-3.
"""

import itertools

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from scipy import ndimage

from ..errors import InputError
from .region import bounding_box

NEIGHBOURS = np.array([o for o in itertools.product((-1, 0, 1), repeat=3) if any(o)])
AT_ONCE = 2**22  # voxels painted at once


def checked_pores(pore: Shaped[np.ndarray, "..."]) -> Bool[np.ndarray, "z y x"]:
    """The same, if it is a volume with pores and walls; else an InputError that says what is missing."""
    if pore.ndim != 3:
        raise InputError(f"the pores have {pore.ndim} axes; expected a volume (z, y, x).")
    if pore.dtype != bool:
        raise InputError(
            f"the pores are `{pore.dtype}`; expected True and False, as of `density < threshold`."
        )
    if not pore.any():
        raise InputError("no voxel is pore; expected some True ones. Is the threshold too low?")
    if pore.all():
        raise InputError("every voxel is pore; expected walls, without which no ball has a size.")
    return pore


def ball(squared: int) -> Int[np.ndarray, "voxel 3"]:
    """The points of the grid nearer to the origin than the root of `squared`."""
    n = int(np.ceil(np.sqrt(squared)))
    axis = np.arange(-n, n + 1)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    return points[np.sum(points**2, axis=1) < squared]


def holding(squared: int) -> Int[np.ndarray, "3"]:
    """Least squared radii of balls about a neighbour across face, edge, corner that hold the ball about the origin."""
    axis = np.arange(int(np.ceil(np.sqrt(squared))))
    a, b = axis[:, None], axis
    left = squared - 1 - a**2 - b**2
    c = np.sqrt(np.maximum(left, 0)).astype(int)
    # The point (-a, -b, -c) is farthest from (1, 0, 0), (1, 1, 0), (1, 1, 1) among those of its row and all its images.
    farthest = [np.max((a**2 + b**2 + c**2 + 2 * lean)[left >= 0]) for lean in (a + 0 * b, a + b, a + b + c)]
    return np.array(farthest) + np.arange(1, 4) + 1


def squared_distance(pore: Bool[np.ndarray, "z y x"]) -> Int[np.ndarray, "z y x"]:
    """Of each voxel of the set to the nearest one outside; 0 outside."""
    found = np.zeros(pore.shape, np.int32)
    # One voxel more on every side, so that the walls that touch the set are in the box.
    box = tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in bounding_box(pore))
    distance = np.asarray(ndimage.distance_transform_edt(pore[box]))
    found[box] = np.rint(distance**2)
    return found


def local_squared_radius(pore: Shaped[np.ndarray, "..."]) -> Int[np.ndarray, "z y x"]:
    """R^2 in voxels^2; 0 outside the set. Raises InputError for what has no pores or no walls."""
    squared = squared_distance(checked_pores(pore))
    margin = int(np.ceil(np.sqrt(squared.max())))
    padded = np.pad(squared, margin)
    strides = np.array(padded.strides) // padded.itemsize
    flat = padded.ravel()
    centre = np.flatnonzero(flat)
    sizes, size = np.unique(flat[centre], return_inverse=True)
    needed = np.stack([holding(int(s)) for s in sizes])
    ridge = np.ones(len(centre), bool)
    for offset in NEIGHBOURS:
        kind = np.abs(offset).sum() - 1
        ridge &= flat[centre + int(strides @ offset)] < needed[size, kind]
    centre, size = centre[ridge], size[ridge]
    painted = np.zeros_like(flat)
    for number, limit in enumerate(sizes):  # small first, larger ones overwrite
        offsets = ball(int(limit)) @ strides
        here = centre[size == number]
        step = max(1, AT_ONCE // len(offsets))
        for start in range(0, len(here), step):
            painted[here[start : start + step, None] + offsets] = limit
    inside = tuple(slice(margin, margin + n) for n in pore.shape)
    return painted.reshape(padded.shape)[inside] * pore


def diameter(
    squared: Int[np.ndarray, "*n"], voxel: float | int = 1.0, corrected: bool = True
) -> Float[np.ndarray, "*n"]:
    """(2 R - 1) voxels, or 2 R where not `corrected`; 0 where R is 0. In the unit of `voxel`."""
    return np.where(squared > 0, 2 * np.sqrt(squared) - bool(corrected), 0.0) * voxel


def local_thickness(
    pore: Shaped[np.ndarray, "..."], voxel: float | int = 1.0, corrected: bool = True
) -> Float[np.ndarray, "z y x"]:
    """Diameter of the largest ball in the set that covers each voxel, in the unit of `voxel`; 0 outside the set."""
    return diameter(local_squared_radius(pore), voxel, corrected)
