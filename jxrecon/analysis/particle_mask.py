"""The particle of a tomogram, and nothing else: air and the glass around it out, pores and cracks in.

What is denser than half of the solid (the median of what is denser than the density-weighted mean; of a slightly smoothed volume)
is closed by a ball, which bridges the mouths of cracks, and filled. With d the distance to the outside,

    depth = max d,    core = { d > depth / 2 },    body = opening by a ball of the radius depth / 6

a wall of glass is thin and has no core: the particle is the body with the deepest one, whatever the volumes are. Opening takes
off what sticks to it (splinters, glass that it touches) and leaves what lies within two voxels of the opened body. What is left
of the solid is closed once more without the glass, whose gap to the particle closing had bridged. Where a body has several cores,
bodies touch: they are parted where their cores meet (watershed of d), and one of them is returned, with a warning. What a person
has to know is in `warnings`, one line each; what cannot be a particle is an `InputError`.

Densities in e/A^3, lengths in voxels.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int, Real
from scipy import ndimage

from ..errors import InputError
from .density import typical_density

SMOOTHING = 0.7  # voxels, before the threshold
CLOSING = 4.0  # voxels: the mouth of a crack up to twice as wide is bridged
FIRST = 2.0  # voxels, while there is glass that it may bridge to
THIN = 1 / 6  # of the depth: what is thinner sticks to the particle
NECK = 0.5  # of the depth: bodies joined by less are two
LEFT = 2.0  # voxels around an opened body that stay
SHALLOWEST = 3.0  # voxels: a body whose depth is less is noise
LARGE = 0.1  # of the particle's volume, from which another body is worth a word
FILLED = 0.4  # share of solid in a particle, at least
CUT = 1e-3  # of the particle's voxels, on a face of the volume


@dataclasses.dataclass(frozen=True)
class ParticleMask:
    """mask: pores and cracks included; threshold: e/A^3; warnings: what is unusual, one line each; cut: whether a face of the
    volume goes through the particle; touching: bodies that were parted from it."""

    mask: Bool[np.ndarray, "z y x"]
    threshold: float
    warnings: tuple[str, ...] = ()
    cut: bool = False
    touching: int = 0

    @property
    def voxels(self) -> int:
        return int(np.count_nonzero(self.mask))


def dice(first: Bool[np.ndarray, "*space"], second: Bool[np.ndarray, "*space"]) -> float:
    """Twice the common part over the sum of both; 1 where both are empty."""
    total = np.count_nonzero(first) + np.count_nonzero(second)
    return float(2 * np.count_nonzero(first & second) / total) if total else 1.0


def depth(mask: Bool[np.ndarray, "z y x"]) -> Float[np.ndarray, "z y x"]:
    """Distance of each voxel of the mask from the nearest voxel outside; what lies beyond the volume is not outside."""
    return np.asarray(ndimage.distance_transform_edt(mask))


def closed(mask: Bool[np.ndarray, "z y x"], radius: float | int) -> Bool[np.ndarray, "z y x"]:
    """Closing by a ball, then holes filled; the volume goes on beyond its faces as it is there."""
    margin = int(np.ceil(radius)) + 1
    padded = np.pad(mask, margin, mode="edge")
    grown = np.asarray(ndimage.distance_transform_edt(~padded)) <= radius
    whole = np.asarray(ndimage.distance_transform_edt(grown)) > radius
    inner = tuple(slice(margin, -margin) for _ in range(3))
    return np.asarray(ndimage.binary_fill_holes(whole[inner] | mask), bool)


def within(mask: Bool[np.ndarray, "z y x"], distance: float | int) -> Bool[np.ndarray, "z y x"]:
    """Voxels at most this far from one of the mask; none of an empty one."""
    if not mask.any():
        return mask
    return np.asarray(ndimage.distance_transform_edt(~mask)) <= distance


def clean(density: Real[np.ndarray, "z y x"]) -> tuple[Float[np.ndarray, "z y x"], tuple[str, ...]]:
    """The volume in single precision with air for what is no number, and a word about that. Raises InputError."""
    finite = np.isfinite(density)
    count = int(density.size - np.count_nonzero(finite))
    if count == density.size:
        raise InputError("the volume holds no finite number; expected electron densities in e/A^3.")
    values = np.where(finite, density, 0).astype(np.float32)
    low, high = float(density[finite].min()), float(density[finite].max())
    if low == high:
        raise InputError(
            f"the volume holds one value, {low:g} e/A^3, everywhere; expected a particle in air."
        )
    if count == 0:
        return values, ()
    share = 100 * count / density.size
    return values, (f"{count} voxels ({share:.2g} %) are no numbers and were taken for air",)


def solid_level(smooth: Float[np.ndarray, "z y x"]) -> float:
    """Density of what is denser than the typical, its median; 0 where nothing is."""
    dense = smooth[smooth > typical_density(smooth)]
    return float(np.median(dense)) if dense.size else 0.0


def _labelled(mask: np.ndarray) -> tuple[np.ndarray, int]:
    labels, count = ndimage.label(mask)  # pyright: ignore[reportGeneralTypeIssues]
    return labels, int(count)


def opened(
    body: Bool[np.ndarray, "z y x"], distance: Float[np.ndarray, "z y x"], radius: float
) -> Bool[np.ndarray, "z y x"]:
    """The body without what a ball of this radius does not reach, and what lies beside it within a few voxels."""
    return body & within(distance > radius, radius + LEFT)


def parted(
    body: Bool[np.ndarray, "z y x"], distance: Float[np.ndarray, "z y x"]
) -> tuple[Int[np.ndarray, "z y x"], int]:
    """Numbers from 1 for bodies that touch, the deepest first, and how many there are."""
    from skimage.segmentation import watershed

    cores, count = _labelled(distance > NECK * distance.max())
    deepest = ndimage.maximum(distance, cores, np.arange(1, count + 1))
    order = np.argsort(-np.asarray(deepest), kind="stable")
    rank = np.zeros(count + 1, int)
    rank[order + 1] = np.arange(1, count + 1)
    cores = rank[cores]
    return (watershed(-distance, cores, mask=body) if count > 1 else body.astype(int)), count


def _deepest(bodies: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """The connected body with the deepest core."""
    labels, _ = _labelled(bodies)
    return labels == labels[np.unravel_index(np.argmax(distance), distance.shape)]


def without_glass(
    mask: Bool[np.ndarray, "z y x"],
    above: Bool[np.ndarray, "z y x"],
    distance: Float[np.ndarray, "z y x"],
    closing: float | int,
) -> Bool[np.ndarray, "z y x"]:
    """The pieces of solid that go deeper into the mask than what sticks to it, closed."""
    pieces, count = _labelled(above & mask)
    reach = np.asarray(ndimage.maximum(distance, pieces, np.arange(count + 1)))
    reach[0] = 0
    return closed((reach > closing + LEFT)[pieces], closing) & (mask | ~above)


def _faces(mask: np.ndarray) -> list[str]:
    """Faces of the volume that the mask lies on with more than a few voxels: `first z`, `last x`."""
    least = CUT * np.count_nonzero(mask)
    ends = [
        (f"{side} {axis}", np.take(mask, index, k))
        for k, axis in enumerate("zyx")
        for side, index in (("first", 0), ("last", -1))
    ]
    return [name for name, face in ends if np.count_nonzero(face) > least]


def _others(bodies: np.ndarray, particle: np.ndarray, distance: np.ndarray) -> int:
    """Bodies elsewhere that are as thick as half of this one."""
    cores, count = _labelled(bodies & ~particle & (distance > NECK * distance[particle].max()))
    return count if count and np.count_nonzero(bodies & ~particle) > LARGE * np.count_nonzero(particle) else 0


def particle_of(
    density: Real[np.ndarray, "z y x"],
    threshold: float | None = None,
    closing: float | int = CLOSING,
) -> ParticleMask:
    """The particle with the deepest core.

    threshold: e/A^3 of the smoothed density, by default half of the solid's; closing: radius in voxels. Raises InputError
    where there is no particle: no number, one value, nothing above the threshold, nothing below it, specks alone.
    """
    values, warnings = clean(density)
    smooth = ndimage.gaussian_filter(values, SMOOTHING, mode="nearest")
    level = solid_level(smooth) / 2 if threshold is None else float(threshold)
    above = smooth > level
    if not (level > 0 and above.any()):
        raise InputError(
            f"nothing is denser than {level:.3g} e/A^3; the volume's largest density is {float(values.max()):.3g}."
        )
    bodies = closed(above, min(closing, FIRST))
    if bodies.all():
        raise InputError(f"everything is denser than {level:.3g} e/A^3; expected air around the particle.")
    distance = depth(bodies)
    most = float(distance.max())
    if most < SHALLOWEST:
        raise InputError(
            f"no body above {level:.3g} e/A^3 is more than {2 * most - 1:.0f} voxels thick; expected a particle."
        )
    body = _deepest(bodies, distance)
    whole = _deepest(opened(body, distance, THIN * most), distance)
    whole = without_glass(whole, above, distance, closing)
    filled = np.count_nonzero(whole & above) / max(np.count_nonzero(whole), 1)
    if filled < FILLED:
        raise InputError(
            f"no body above {level:.3g} e/A^3: what there is holds {100 * filled:.0f} % of solid, as noise does; "
            "expected a particle."
        )
    labels, count = parted(whole, np.where(whole, distance, 0))
    mask = labels == 1
    warnings += _said(mask, bodies, distance, count)
    return ParticleMask(mask, level, warnings, cut=bool(_faces(mask)), touching=count - 1)


def _said(mask: np.ndarray, bodies: np.ndarray, distance: np.ndarray, count: int) -> tuple[str, ...]:
    """Warnings about a mask: touching bodies, others, faces."""
    found = ()
    if count > 1:
        found += (
            f"{count} particles touch; they were parted where they are narrowest, and the deepest taken",
        )
    elif other := _others(bodies, mask, distance):
        found += (f"{other + 1} particles lie in the volume; the deepest was taken",)
    if faces := _faces(mask):
        found += (
            f"the particle is cut by the volume's {' and '.join(faces)} plane; distances count from its true surface alone",
        )
    return found
