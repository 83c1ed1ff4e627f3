"""Maps of the lattice in two steps: every channel reconstructed (MLEM), then the pattern of every voxel fitted with one cell.

What most of the literature does, as baseline, and as first guess of the direct reconstruction (`direct_lattice`). Where a voxel
holds too little matter for a fit to mean anything, its maps are those of the nearest voxel that holds enough.
"""

import dataclasses
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import binary_dilation, distance_transform_edt

from ..forward.background import chebyshev
from ..forward.diffraction_tomography import DiffractionTomography
from ..lattice import Lattice
from ..numerics.positive import raw
from .pattern_emission import pattern_emission
from .peak_model import LatticePeaks, Profile
from .voxel_fits import VoxelFits, voxel_fits

WIDTHS_DEG = (0.5, 3.0)  # of the usual width: what a fit may find
MATTER, SUPPORT = 0.15, 0.03  # of the usual total area
USUAL = 97  # percentile of the total area
FAR = 7.0  # widths from all peaks, where there is background alone
SOFTNESS = 0.1  # of the usual area, and background
KNOTS = 4  # of the logarithm of the first spectrum


class Usual(NamedTuple):
    """What one part of a specimen says of the next: total area of peaks where there is matter (counts x degree), and what all
    voxels of a `Lattice` have in common."""

    area: Float[np.ndarray, ""]
    softness: Float[np.ndarray, ""]
    floor: Float[np.ndarray, ""]
    mixing: Float[np.ndarray, " peak"]
    shape: Float[np.ndarray, "term knot"]


def usual(lattice: Lattice) -> Usual:
    area = np.percentile(np.asarray(lattice.areas()).sum(axis=0), USUAL)
    common = (lattice.softness, lattice.floor, lattice.mixing, lattice.shape)
    return Usual(*(np.asarray(v, np.float32) for v in (area, *common)))


def fitted_voxels(
    volume: Float[np.ndarray, "y x z channel"],
    model: DiffractionTomography,
    two_theta_deg: Float[np.ndarray, " channel"],
    *,
    fwhm_deg: float = 0.2,
    search_deg: float = 0.5,
    known: Usual | None = None,
) -> tuple[VoxelFits, Bool[np.ndarray, "y x z"]]:
    """Fits of those voxels that may hold matter, and which these are."""
    powder = model.powder
    ranges = (WIDTHS_DEG[0] * fwhm_deg, WIDTHS_DEG[1] * fwhm_deg)
    peaks = LatticePeaks(  # pyright: ignore[reportCallIssue]
        hkl=powder.hkl,
        cell=powder.cell,
        wavelength_m=powder.lines[0][0],
        search_deg=search_deg,
        profile=Profile(fwhm_deg=fwhm_deg, fwhm_range_deg=ranges, positive_area=True),
    )
    near = np.any(np.abs(two_theta_deg[:, None] - powder.reference_deg) < search_deg, axis=1)
    amount = volume[..., near].sum(axis=-1) - near.sum() * np.median(volume, axis=-1)
    step = np.median(np.diff(two_theta_deg))
    most = np.percentile(amount, USUAL) if known is None else known.area / step
    some: np.ndarray = binary_dilation(amount > SUPPORT * most)
    return voxel_fits(volume[some], two_theta_deg, peaks), some


def _credible(area, patterns, two_theta_deg: Float[np.ndarray, " channel"]) -> np.ndarray:
    """Areas between zero and that of the whole pattern: a fit of almost nothing may find anything."""
    whole = np.maximum(patterns, 0).sum(axis=-1, keepdims=True) * np.median(np.diff(two_theta_deg))
    return np.clip(np.nan_to_num(area), 0, whole)


def _on_grid(values: np.ndarray, some: Bool[np.ndarray, "y x z"]) -> np.ndarray:
    maps = np.zeros((*some.shape, values.shape[-1]))
    maps[some] = np.nan_to_num(values)
    return maps


def _filled(maps: np.ndarray, good: Bool[np.ndarray, "y x z"]) -> np.ndarray:
    """(y, x, z, map), values of the nearest good voxel elsewhere."""
    if not good.any():
        return maps
    nearest = np.asarray(distance_transform_edt(~good, return_distances=False, return_indices=True))
    return maps[tuple(nearest)]


def _bridged(values: np.ndarray, known: Bool[np.ndarray, " channel"]) -> np.ndarray:
    """Channels that no ray has, on the line between their neighbours."""
    if known.all() or not known.any():
        return values
    channel, good = np.arange(known.size), np.flatnonzero(known)
    place = np.interp(channel, good, np.arange(good.size))
    low = np.minimum(place.astype(int), good.size - 1)
    high = np.minimum(low + 1, good.size - 1)
    share = (place - low).astype(values.dtype)
    return (1 - share) * values[..., good[low]] + share * values[..., good[high]]


def _background(
    mean, volume, two_theta_deg, centre_deg, fwhm_deg: float, shape: np.ndarray, known: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Map (y, x, z, 1), and coefficients of ln(spectrum), Chebyshev from degree 1 on; of channels far from all peaks.

    mean: counts of the specimen in each channel. shape: the coefficients where they are `known`, else how many are wanted.
    """
    away = np.min(np.abs(two_theta_deg[:, None] - centre_deg), axis=1)
    far = away > min(FAR * fwhm_deg, np.percentile(away, 75))
    basis = chebyshev(two_theta_deg, shape.shape[1] + 1)[:, far]
    if not known:
        terms = 1 + min(KNOTS, shape.shape[1], far.sum() // 3)
        level = np.maximum(mean[far], 1e-6)
        shape[0, : terms - 1] = np.linalg.lstsq(basis[:terms].T, np.log(level), rcond=None)[0][1:]
    return volume[..., far].mean(axis=-1, keepdims=True) / np.exp(shape[0] @ basis[1:]).mean(), shape


def _specimen_mean(counts, model: DiffractionTomography) -> Float[np.ndarray, " channel"]:
    """Counts of a ray in each channel, without what lies around."""
    seen, around = counts >= 0, np.asarray(dataclasses.replace(model, bins=None).surroundings())
    return np.sum(counts - around, axis=(0, 1, 2), where=seen) / np.maximum(seen.sum(axis=(0, 1, 2)), 1)


def first_lattice(
    counts: Float[np.ndarray, "view v u channel"],
    model: DiffractionTomography,
    two_theta_deg: Float[np.ndarray, " channel"],
    *,
    fwhm_deg: float = 0.2,
    usual: Usual | None = None,
) -> Lattice:
    """Start of the direct reconstruction, with one term of background. The model's basis: Chebyshev from degree 1 on.

    usual: of another part of the specimen, as this one may hold nothing.
    """
    powder = model.powder
    known = np.any(counts >= 0, axis=(0, 1, 2))
    volume = _bridged(np.asarray(pattern_emission(jnp.asarray(counts, jnp.float32), model)), known)
    fit, some = fitted_voxels(volume, model, two_theta_deg, fwhm_deg=fwhm_deg, known=usual)

    area = _on_grid(_credible(fit.area, volume[some], two_theta_deg), some)
    total = area.sum(axis=-1)
    good = total > MATTER * (np.percentile(total, USUAL) if usual is None else usual.area)
    good[some] &= np.isfinite(fit.strain).all(axis=-1)
    strain = _filled(_on_grid(fit.strain, some), good)
    width = _filled(np.maximum(_on_grid(fit.fwhm_deg, some), WIDTHS_DEG[0] * fwhm_deg), good)
    mean = _bridged(_specimen_mean(counts, model), known)
    shape = np.zeros((1, model.basis.shape[0])) if usual is None else usual.shape
    level, shape = _background(
        mean, volume, two_theta_deg, powder.reference_deg, fwhm_deg, shape, usual is not None
    )
    mixing = np.zeros(area.shape[-1])
    softness, floor = (SOFTNESS * max(float(np.percentile(m, 98)), 1e-6) for m in (area, level))
    if usual is not None:
        softness, floor, mixing = float(usual.softness), float(usual.floor), usual.mixing

    def first(maps):
        return jnp.asarray(np.moveaxis(maps, -1, 0), jnp.float32)

    return Lattice(
        strain=first(strain),
        log_width=jnp.log(first(width) / fwhm_deg),
        area=raw(first(area), softness),
        mixing=jnp.asarray(mixing, jnp.float32),
        background=raw(first(level), floor),
        shape=jnp.asarray(shape, jnp.float32),
        softness=jnp.float32(softness),
        floor=jnp.float32(floor),
        width_deg=jnp.float32(fwhm_deg),
        support=jnp.asarray(some, jnp.float32),
    )
