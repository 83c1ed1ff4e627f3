"""What a scan of patterns says of itself before any reconstruction: its air, its cell, where the axis of rotation is.

    air       exp of a few Chebyshev polynomials of 2 theta, by maximum likelihood of the channels far from all peaks in the rays
              that pass on either side of the specimen, per unit of the monitor
    cell      one cell and one width for the mean of all patterns: what peaks lie near in every voxel
    shifts    sum_u u p(t, u) / sum_u p(t, u) = x0 cos t + y0 sin t + s_t: the centre of mass of each view moves as that of a
              body at rest, and what it moves besides is the shift of the view (or, of all, their mean: the axis)

Masked channels (negative counts) are left out.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from ..errors import InputError
from ..forward.background import chebyshev
from ..forward.cell import Cell
from .peak_fit import peak_fit
from .peak_model import LatticePeaks, Profile

AIR_TERMS, NEWTON_STEPS = 3, 25
FAR_DEG = 0.9  # from all peaks: what is under them
LEAST = 1e-3  # counts
ARC_DEG = 60.0  # views over less than this do not tell a shift of the axis from a place of the specimen
Counts = Float[np.ndarray, "view v u channel"]
Alignment = Literal["views", "axis", "none"]
Monitor = Float[np.ndarray, "view v u"]


def sums(
    counts: Counts, monitor: Monitor
) -> tuple[Float[np.ndarray, " channel"], Float[np.ndarray, " channel"]]:
    """Counts of each channel, and monitor that they were counted with."""
    seen = counts >= 0
    total = np.asarray(np.sum(counts, axis=(0, 1, 2), where=seen, dtype=np.float64))
    return total, np.einsum("tvu,tvux->x", monitor, seen.astype(np.float64))


def mean_pattern(counts: Counts, monitor: Monitor) -> Float[np.ndarray, " channel"]:
    """Counts per unit of the monitor; 0 in a channel that no ray has."""
    total, flux = sums(counts, monitor)
    return total / np.where(flux > 0, flux, np.inf)


def far_from(
    two_theta_deg: Float[np.ndarray, " channel"], centre_deg: Float[np.ndarray, " peak"], least: int
) -> np.ndarray:
    """Channels far from all peaks; where these are few, those that are farthest."""
    away = np.min(np.abs(two_theta_deg[:, None] - centre_deg), axis=1)
    enough = np.sort(away)[-min(least, len(away))]
    return away >= min(FAR_DEG, enough)


def air_pattern(
    counts: Counts,
    monitor: Monitor,
    two_theta_deg: Float[np.ndarray, " channel"],
    centre_deg: Float[np.ndarray, " peak"],
    rays: int = 1,
) -> Float[np.ndarray, " channel"]:
    """Counts per unit of the monitor, of so many rays on either side."""
    sides = [slice(None, rays), slice(-rays, None)]
    outer, flux = (np.concatenate([a[:, :, side] for side in sides], axis=2) for a in (counts, monitor))
    total, exposed = sums(outer, flux)
    far = far_from(two_theta_deg, centre_deg, 4 * AIR_TERMS) & (exposed > 0)
    basis = chebyshev(two_theta_deg, AIR_TERMS)
    inside, found = basis[:, far], np.zeros(AIR_TERMS)
    found[0] = np.log(max(total[far].sum(), LEAST) / exposed[far].sum())
    for _ in range(NEWTON_STEPS):
        expected = exposed[far] * np.exp(np.clip(found @ inside, -30, 30))
        curvature = (inside * expected) @ inside.T + 1e-9 * np.eye(AIR_TERMS)
        found = found + np.clip(np.linalg.solve(curvature, inside @ (total[far] - expected)), -1, 1)
    return np.exp(found @ basis)


def bulk_cell(
    pattern: Float[np.ndarray, " channel"],
    two_theta_deg: Float[np.ndarray, " channel"],
    hkl: Int[np.ndarray, "peak 3"],
    cell: Cell,
    wavelength_m: float,
    fwhm_deg: float,
    search_deg: float,
) -> tuple[Cell, float]:
    """The cell that the mean pattern has, and the median width of its peaks."""
    peaks = LatticePeaks(  # pyright: ignore[reportCallIssue]
        hkl=hkl,
        cell=cell,
        wavelength_m=wavelength_m,
        search_deg=search_deg,
        profile=Profile(fwhm_deg=fwhm_deg, fwhm_range_deg=(0.2 * fwhm_deg, 5 * fwhm_deg), positive_area=True),
    )
    found = peak_fit(pattern[None], two_theta_deg, peaks, noise="unknown").values
    lengths, widths = np.asarray(found.cell[0], float), np.asarray(found.fwhm_deg[0], float)
    if not (np.isfinite(lengths).all() and np.isfinite(widths).all()):
        raise InputError(
            f"no cell near {cell.parameters} fits the mean pattern; look at `phase`, `peaks` and the wavelength."
        )
    return Cell(cell.system, tuple(lengths.tolist())), float(np.median(widths))


def axis_shifts(
    counts: Counts,
    monitor: Monitor,
    angle_rad: Float[np.ndarray, " view"],
    air: Float[np.ndarray, " channel"],
    alignment: Alignment,
) -> Float[np.ndarray, " view"]:
    """Steps to larger u of each view (`views`), of all alike (`axis`), or zeros (`none`)."""
    if alignment == "none":
        return np.zeros(len(angle_rad))
    if np.ptp(angle_rad) < np.radians(ARC_DEG):
        raise InputError(
            f"the views span {np.degrees(np.ptp(angle_rad)):.0f} degrees, too few to find the axis; give `alignment=none`."
        )
    light = np.where(counts >= 0, counts - monitor[..., None] * air, 0).sum(axis=-1, dtype=np.float64)
    amount = np.sum(light / monitor, axis=1)
    if np.any(amount.sum(axis=1) <= 0):
        raise InputError(
            f"view {int(np.argmin(amount.sum(axis=1)))} holds no more than air; leave it out, or give `air_rays=0`."
        )
    u = np.arange(amount.shape[1]) - (amount.shape[1] - 1) / 2
    middle = amount @ u / amount.sum(axis=1)
    design = np.stack([np.cos(angle_rad), np.sin(angle_rad), np.ones_like(angle_rad)], axis=1)
    x0, y0, axis = np.linalg.lstsq(design, middle, rcond=None)[0]
    return middle - design[:, :2] @ [x0, y0] if alignment == "views" else np.full(len(angle_rad), axis)
