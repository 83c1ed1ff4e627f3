"""Does the cell grow where the cracks are? The cracks of a tomogram against the cell volumes of diffraction.

    proximity = exp(-d / l),      d the distance to the nearest crack, l a length (by default 0.16 of the particle's radius)

on the fine voxels of the tomogram, then averaged over the coarse voxels of the diffraction, within the particle; of both maps the
coefficient of Pearson over the coarse voxels that are mostly particle. Both grids have the same middle; where they do not,
`brought_together` finds the translation from the two densities (`volume_registration`).
"""

import numpy as np
from jaxtyping import Bool, Float, Real, Shaped
from scipy import ndimage

from .volume_registration import VolumeAlignment, matched, moved, register

LENGTH = 0.16  # of the radius of a ball as large as the particle
MOSTLY = 0.5  # share of particle in a coarse voxel


def equivalent_radius(mask: Bool[np.ndarray, "z y x"]) -> float:
    """Of the ball with as many voxels."""
    return float(np.cbrt(np.count_nonzero(mask) * 3 / (4 * np.pi)))


def crack_proximity(crack: Bool[np.ndarray, "z y x"], length: float | int) -> Float[np.ndarray, "z y x"]:
    """exp(-d / length), lengths in voxels; 1 in a crack, 0 everywhere where there is none."""
    if not crack.any():
        return np.zeros(crack.shape, np.float32)
    return np.exp(-np.asarray(ndimage.distance_transform_edt(~crack)) / length).astype(np.float32)


def coarsened(
    values: Real[np.ndarray, "_ _ _"], weight: Shaped[np.ndarray, "_ _ _"], by: int
) -> tuple[Float[np.ndarray, "z y x"], Float[np.ndarray, "z y x"]]:
    """Weighted means over cubes of `by`^3 voxels and the mean weights; NaN where the weight is 0. Margins that fill no cube go,
    as much on either side."""
    cut = tuple(slice((n % by) // 2, (n % by) // 2 + n // by * by) for n in values.shape)

    def cubes(a: np.ndarray) -> np.ndarray:
        z, y, x = (n // by for n in a.shape)
        return a.reshape(z, by, y, by, x, by).mean(axis=(1, 3, 5), dtype=np.float64)

    share = cubes(np.asarray(weight, np.float64)[cut])
    total = cubes((np.asarray(values, np.float64) * weight)[cut])
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(share > 0, total / share, np.nan), share


def brought_together(
    density: Real[np.ndarray, "_ _ _"], matter: Float[np.ndarray, "z y x"]
) -> VolumeAlignment:
    """How the tomogram's density, on the coarse voxels, has to move onto what diffraction sees of matter."""
    return register(density, matter, np.ones_like(matter))


def pearson(
    first: Real[np.ndarray, "*space"], second: Real[np.ndarray, "*space"], where: Bool[np.ndarray, "*space"]
) -> float:
    """Correlation coefficient over some voxels, without those that are no numbers; NaN where either is flat."""
    good = where & np.isfinite(first) & np.isfinite(second)
    a, b = (np.asarray(v[good], np.float64) for v in (first, second))
    if a.size < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def crack_and_cell(
    crack: Bool[np.ndarray, "_ _ _"],
    particle: Bool[np.ndarray, "_ _ _"],
    volume_change: Float[np.ndarray, "z y x"],
    by: int = 1,
    length: float | None = None,
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> float:
    """Pearson's coefficient of crack proximity and cell volume. crack, particle: on voxels `by` times smaller; length: of the
    proximity, in these; shift: of the tomogram on the coarse voxels (`brought_together`)."""
    reach = LENGTH * equivalent_radius(particle) if length is None else length
    near, share = coarsened(crack_proximity(crack, reach), particle, by)
    near, share = (matched(v, volume_change.shape) for v in (np.nan_to_num(near) * share, share))
    if any(shift):
        near, share = (moved(v, np.array(shift)) for v in (near, share))
    return pearson(near / np.maximum(share, 1e-6), volume_change, share > MOSTLY)
