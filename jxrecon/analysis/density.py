"""Which voxels of a density are the particle, and how its electron densities are distributed.

The mask is the smoothed density above a threshold, by default half of its density-weighted mean sum n^2 / sum n (which neither
much air nor a few bright voxels move), without specks, with pores inside filled. The histogram inside it has peaks where its
smoothed counts are highest, to a fraction of a bin by a parabola: solid, glass, unresolved pores.

Densities in e/A^3.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Real
from scipy import ndimage

SPECK = 0.01  # bodies below this fraction of the largest one's volume are noise
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclasses.dataclass(frozen=True)
class DensityHistogram:
    """edges (bin + 1,) e/A^3; share (bin,) of the voxels; quantiles at QUANTILES; peaks: from the lowest density on."""

    edges: np.ndarray
    share: np.ndarray
    mean: float
    spread: float
    quantiles: np.ndarray
    peaks: np.ndarray

    @property
    def centres(self) -> np.ndarray:
        return (self.edges[1:] + self.edges[:-1]) / 2

    def metrics(self) -> dict[str, float]:
        """Numbers by name: mean, standard deviation, median and the highest peak."""
        main = (
            self.peaks[np.argmax(np.interp(self.peaks, self.centres, self.share))]
            if len(self.peaks)
            else np.nan
        )
        return {
            "density_mean": self.mean,
            "density_spread": self.spread,
            "density_median": float(self.quantiles[len(QUANTILES) // 2]),
            "density_peak": float(main),
        }


def typical_density(density: Real[np.ndarray, "z y x"]) -> float:
    """Density-weighted mean of what is positive; 0 where nothing is."""
    positive = np.maximum(density, 0)
    total = np.sum(positive, dtype=np.float64)
    return float(np.sum(positive * positive, dtype=np.float64) / total) if total > 0 else 0.0


def particle_mask(
    density: Real[np.ndarray, "z y x"],
    threshold: float | None = None,
    margin: float | int = 0,
    smoothing: float | int = 1,
) -> Bool[np.ndarray, "z y x"]:
    """Voxels of the particle, pores included, and `margin` voxels around it; none where the density is nowhere positive.

    threshold: e/A^3, of the density smoothed by a Gaussian of `smoothing` voxels.
    """
    smooth = ndimage.gaussian_filter(np.asarray(density, np.float32), smoothing)
    level = typical_density(smooth) / 2 if threshold is None else threshold
    if not level > 0:
        return np.zeros(density.shape, bool)
    bodies, count = ndimage.label(smooth > level)  # pyright: ignore[reportGeneralTypeIssues]
    if count == 0:
        return np.zeros(density.shape, bool)
    sizes = np.bincount(bodies.ravel())
    sizes[0] = 0
    whole = ndimage.binary_fill_holes((sizes >= SPECK * sizes.max())[bodies])
    assert whole is not None
    return grown(whole, margin)


def grown(mask: Bool[np.ndarray, "z y x"], margin: float | int) -> Bool[np.ndarray, "z y x"]:
    """The mask and all within `margin` voxels of it; of a negative margin what is deeper inside than that."""
    if margin == 0 or not mask.any():
        return mask
    if margin < 0:
        return ~grown(~mask, -margin)
    return np.asarray(ndimage.distance_transform_edt(~mask)) <= margin


def _prominence(curve: np.ndarray, top: int) -> float:
    """How far one must go down from a maximum before it goes up to something higher."""
    left, right = curve[:top][::-1], curve[top + 1 :]
    valleys = []
    for side in (left, right):
        higher = np.flatnonzero(side > curve[top])
        valleys.append(float(np.min(side[: higher[0]] if len(higher) else side, initial=curve[top])))
    return float(curve[top]) - max(valleys)


def peaks_of(
    centres: Float[np.ndarray, " bin"], share: Float[np.ndarray, " bin"], smoothing: float | int, least: float
) -> Float[np.ndarray, " peak"]:
    """Where the smoothed histogram has maxima that stand out by `least` of the highest one."""
    smooth = ndimage.gaussian_filter1d(share, smoothing, mode="constant")
    before, top, after = smooth[:-2], smooth[1:-1], smooth[2:]
    maxima = np.flatnonzero((top > before) & (top >= after)) + 1
    inner = np.array([k for k in maxima.tolist() if _prominence(smooth, k) >= least * smooth.max()], int)
    left, top, right = (smooth[inner + k] for k in (-1, 0, 1))
    offset = (left - right) / np.minimum(2 * (left - 2 * top + right), -1e-300)
    return centres[inner] + np.clip(offset, -0.5, 0.5) * (centres[1] - centres[0])


def density_histogram(
    density: Real[np.ndarray, "z y x"],
    mask: Bool[np.ndarray, "z y x"],
    limits: tuple[float, float] | None = None,
    bins: int = 200,
    smoothing: float | int = 2,
    least: float = 0.05,
) -> DensityHistogram:
    """Distribution of the density inside the mask.

    limits: of the bins, e/A^3, by default from the 0.1st to the 99.9th percentile and a tenth of that beyond either end; mean,
    spread and quantiles are of all voxels of the mask. smoothing: bins, before peaks are sought; least: how far a peak has to
    stand out, relative to the highest. Raises ValueError for an empty mask.
    """
    values = np.asarray(density[mask], np.float64)
    values = values[np.isfinite(values)]
    if values.size == 0:
        raise ValueError("the mask holds no voxel; expected the particle.")
    if limits is None:
        low, high = np.percentile(values, [0.1, 99.9])
        edge = 0.1 * (high - low) or 0.01
        limits = (float(low) - edge, float(high) + edge)
    counts, edges = np.histogram(values, bins, limits)
    share = counts / values.size
    return DensityHistogram(
        edges=edges,
        share=share,
        mean=float(values.mean()),
        spread=float(values.std()),
        quantiles=np.quantile(values, QUANTILES),
        peaks=peaks_of((edges[1:] + edges[:-1]) / 2, share, smoothing, least),
    )
