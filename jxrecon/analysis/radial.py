"""How the electron density of a particle changes from its core to its surface.

With the distance d of a voxel from the nearest one outside the particle (in voxels; 1 at the surface),

    rho = 1 - (d - 1/2) / (d_max - 1/2)

is 0 in the core and almost 1 at the surface. Each shell of rho is a mean over its voxels, so that it weighs as much as its
volume; the two innermost of twenty shells hold a thousandth of the voxels, and a parabola that counts every shell alike follows
these few. `quadratic` therefore weighs shells by their voxels, and gives the unweighted one beside it.

Several particles are averaged shell by shell, each particle alike; error bars are half the standard deviation between them.

Tsai et al., iScience 11, 356 (2019), doi 10.1016/j.isci.2018.12.028 (figure 3B). Densities in e/A^3.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Real
from scipy import ndimage

BINS = 20
CORE, SHELL = (0.0, 0.5), (0.7, 0.95)  # ranges of rho that stand for both


@dataclasses.dataclass(frozen=True)
class RadialProfile:
    """Shells of one particle: their middles in rho, mean, standard deviation within them and number of voxels."""

    rho: Float[np.ndarray, " shell"]
    mean: Float[np.ndarray, " shell"]
    spread: Float[np.ndarray, " shell"]
    voxels: Int[np.ndarray, " shell"]


@dataclasses.dataclass(frozen=True)
class Quadratic:
    """p2 rho^2 + p1 rho + p0."""

    p2: float
    p1: float
    p0: float

    def __call__(self, rho: Float[np.ndarray, " place"]) -> Float[np.ndarray, " place"]:
        return (self.p2 * rho + self.p1) * rho + self.p0


@dataclasses.dataclass(frozen=True)
class MeanProfile:
    """Shells of several particles: mean over particles, half the standard deviation between them (the error bar), and the
    shells' shares of the volume. Shells that a particle lacks leave it out."""

    rho: Float[np.ndarray, " shell"]
    mean: Float[np.ndarray, " shell"]
    half_std: Float[np.ndarray, " shell"]
    share: Float[np.ndarray, " shell"]
    count: int

    def fits(self) -> dict[str, Quadratic]:
        """Weighted by the shells' volumes, and unweighted."""
        return fits_of(self.rho, self.mean, self.share)


def distance_map(mask: Bool[np.ndarray, "z y x"]) -> Float[np.ndarray, "z y x"]:
    """Distance in voxels from the nearest voxel outside; 0 there. Beyond the volume is not outside. Raises ValueError."""
    if not mask.any() or mask.all():
        raise ValueError(
            f"`mask` holds {np.count_nonzero(mask)} of {mask.size} voxels; expected a particle and what lies around it."
        )
    return np.asarray(ndimage.distance_transform_edt(mask))


def normalised_radius(mask: Bool[np.ndarray, "z y x"]) -> Float[np.ndarray, "z y x"]:
    """rho; NaN outside. A particle one voxel thick is all core."""
    distance = distance_map(mask)
    most = float(distance.max())
    rho = 1 - (distance - 0.5) / (most - 0.5)
    return np.where(mask, rho, np.nan).astype(np.float32)


def radial_profile(
    values: Real[np.ndarray, "z y x"], rho: Float[np.ndarray, "z y x"], bins: int = BINS
) -> RadialProfile:
    """Shells of equal width in rho from 0 to 1; voxels without rho or value are left out, empty shells are NaN."""
    inside = np.isfinite(rho) & np.isfinite(values)
    shell = np.clip((rho[inside] * bins).astype(int), 0, bins - 1)
    found = np.asarray(values[inside], np.float64)
    voxels = np.bincount(shell, minlength=bins)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(shell, found, bins) / voxels
        spread = np.sqrt(np.bincount(shell, (found - mean[shell]) ** 2, bins) / voxels)
    return RadialProfile((np.arange(bins) + 0.5) / bins, mean, spread, voxels)


def zone_mean(
    values: Real[np.ndarray, "z y x"], rho: Float[np.ndarray, "z y x"], zone: tuple[float | int, float | int]
) -> float:
    """Mean over the voxels with zone[0] <= rho < zone[1]; NaN where there is none."""
    inside = (rho >= zone[0]) & (rho < zone[1]) & np.isfinite(values)
    return float(np.mean(values[inside], dtype=np.float64)) if inside.any() else float("nan")


def quadratic(
    rho: Float[np.ndarray, " shell"],
    mean: Float[np.ndarray, " shell"],
    weight: Real[np.ndarray, " shell"] | None = None,
) -> Quadratic:
    """Least squares with these weights (voxels or volumes), without shells that are no number; ValueError for less than three."""
    weight = np.ones_like(mean) if weight is None else np.asarray(weight, np.float64)
    good = np.isfinite(mean) & (weight > 0)
    if np.count_nonzero(good) < 3:
        raise ValueError(f"{np.count_nonzero(good)} shells hold voxels; a parabola wants three.")
    p2, p1, p0 = np.polyfit(rho[good], mean[good], 2, w=np.sqrt(weight[good])).tolist()
    return Quadratic(p2, p1, p0)


def fits_of(
    rho: Float[np.ndarray, " shell"], mean: Float[np.ndarray, " shell"], weight: Real[np.ndarray, " shell"]
) -> dict[str, Quadratic]:
    """The parabola that goes by volume, and the one that counts every shell alike."""
    return {"weighted": quadratic(rho, mean, weight), "unweighted": quadratic(rho, mean)}


def averaged_profile(profiles: Sequence[RadialProfile]) -> MeanProfile:
    """Of several particles with the same shells."""
    if not profiles:
        raise ValueError("no profile was given; expected one at least.")
    means = np.stack([p.mean for p in profiles])
    known = np.isfinite(means)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known.any(axis=0), np.nansum(means, axis=0) / count, np.nan)
    variance = np.nansum((means - mean) ** 2, axis=0) / count
    share = np.mean([p.voxels / p.voxels.sum() for p in profiles], axis=0)
    return MeanProfile(profiles[0].rho, mean, np.sqrt(variance) / 2, share, len(profiles))
