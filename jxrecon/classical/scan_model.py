"""From a scan of patterns and what is known of it to the model of each of its slices (`forward.diffraction_tomography`).

The cell for zero strain is that of the mean pattern, the air that of rays beside the specimen, the axis where the centres of mass
turn about (`pattern_setup`). Patterns that were normalised are made counts again, as photon noise is that of counts.
"""

import dataclasses
import logging
from collections.abc import Sequence
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from ..data.access import Access
from ..errors import InputError
from ..forward.angular_factors import AngularFactors, fourier, radial_texture
from ..forward.background import chebyshev
from ..forward.cell import Cell, bragg_deg
from ..forward.diffraction_tomography import Bins, DiffractionTomography, bins_around, gaussian_beam
from ..forward.powder import Powder
from ..patterns import Patterns
from .pattern_setup import Alignment, air_pattern, axis_shifts, bulk_cell, mean_pattern
from .whole_pattern import phase_within

_log = logging.getLogger(__name__)
Factors = Literal["none", "waves", "radial"]
FEWEST = 20  # channels
# Voxels and the interpolation between rays are a step wide each: a variance of 1/12 + 1/12 that the model has by itself.
OWN_VARIANCE = 1 / 6


@dataclasses.dataclass(frozen=True)
class Known:
    """What a person says of a scan, as in `tasks.diffraction_tomography`; `cell` is a first guess."""

    group: str
    cell: Cell
    peaks: tuple[str, ...]
    range_deg: tuple[float, ...] | None = None
    near_deg: float = 0.8
    reach_deg: float = 4.0
    fwhm_deg: float = 0.2
    search_deg: float = 0.7
    beam_m: float | None = None
    distance_m: float | None = None
    attenuation: str | None = None
    air_rays: int = 1
    alignment: Alignment = "axis"
    background_terms: int = 3
    factors: Factors = "none"


@dataclasses.dataclass(frozen=True)
class ScanSetup:
    """counts: of the channels that are used, times `scale` what the file holds. air: counts per unit of the monitor. shift: of
    each view, steps to larger u. beam: weights along u. attenuation: per voxel (`z y x`). distance: of the detector, steps."""

    counts: Float[np.ndarray, "view v u channel"]
    monitor: Float[np.ndarray, "view v u"]
    two_theta_deg: Float[np.ndarray, " channel"]
    angle_rad: Float[np.ndarray, " view"]
    wavelength_m: float
    hkl: Int[np.ndarray, "peak 3"]
    names: tuple[str, ...]
    cell: Cell
    fwhm_deg: float
    shift: Float[np.ndarray, " view"]
    air: Float[np.ndarray, " channel"]
    beam: Float[np.ndarray, " tap"] | None
    attenuation: Float[np.ndarray, "z y x"] | None
    distance: float | None
    step_m: float | None
    scale: float
    bins: Bins
    reach_deg: float
    background_terms: int
    factors: Factors = "none"

    @property
    def slices(self) -> int:
        return self.counts.shape[1]

    def model(self, number: int) -> DiffractionTomography:
        """Of one slice."""
        f32 = lambda x: None if x is None else jnp.asarray(x, jnp.float32)  # noqa: E731
        x = self.two_theta_deg
        mu = None if self.attenuation is None else self.attenuation[number][..., None]
        return DiffractionTomography(
            powder=Powder(self.cell, self.hkl, x, self.wavelength_m, self.reach_deg),
            basis=jnp.asarray(chebyshev(x, self.background_terms + 1)[1:], jnp.float32),
            angle=jnp.asarray(self.angle_rad, jnp.float32),
            shift=jnp.asarray(self.shift, jnp.float32),
            monitor=jnp.asarray(self.monitor[:, number : number + 1], jnp.float32),
            beam=f32(self.beam),
            absorption=f32(mu),
            distance=f32(self.distance),
            bins=self.bins,
            around=jnp.asarray(self.air, jnp.float32)[None, None, None],
            factors=self.angular_factors(number),
        )

    def angular_factors(self, number: int) -> AngularFactors | None:
        """Of the reflections in each view of one slice, as yet all 1."""
        peaks, width = len(self.names), self.counts.shape[2]
        if self.factors == "waves":
            return fourier(self.angle_rad, peaks)
        if self.factors == "radial":
            height = np.array([number - (self.slices - 1) / 2])
            return radial_texture(self.angle_rad, peaks, (width, width, 1), height)
        return None

    def bin_sizes(self) -> np.ndarray:
        """Channels in each bin."""
        return np.asarray(self.bins(jnp.ones(self.two_theta_deg.size)))

    def bin_deg(self) -> np.ndarray:
        """2 theta of the middle of each bin."""
        ends = np.cumsum(self.bin_sizes()).astype(int)
        return np.array([part.mean() for part in np.split(self.two_theta_deg, ends[:-1])])


def as_counts(patterns: Patterns) -> tuple[np.ndarray, float]:
    """(counts, factor): intensities times what makes their variance their mean."""
    scale = float(patterns.metadata.get("counts_per_unit") or 1.0)
    if patterns.variance is not None and scale == 1.0:
        seen = patterns.counts > 0
        scale = float(patterns.counts[seen].sum() / patterns.variance[seen].sum())
        _log.warning(
            "%s: intensities are no counts; they are taken %g times, which makes their variance their mean.",
            patterns.source,
            scale,
        )
    return np.where(patterns.counts >= 0, patterns.counts * scale, -1).astype(np.float32), scale


def chosen(
    group: str, cell: Cell, peaks: Sequence[str], x: np.ndarray, wavelength_m: float
) -> Int[np.ndarray, "peak 3"]:
    """Indices of the peaks, which the space group has and the channels reach."""
    ends = float(x[0]), float(x[-1])
    allowed = phase_within("phase", group, cell, wavelength_m, ends)
    for name in peaks:
        if name not in allowed.names:
            there = ", ".join(allowed.names) or "none"
            raise InputError(
                f"`peaks` names {name}; {group} has, from {ends[0]:g} to {ends[1]:g} degrees at {wavelength_m:.5g} m: {there}."
            )
    return allowed.hkl[[allowed.names.index(name) for name in peaks]]


def attenuation_per_voxel(
    said: str, access: Access, shape: tuple[int, ...], step_m: float | None
) -> np.ndarray:
    """1/m of `FILE.h5:/dataset` times the voxel."""
    path, _, name = said.partition(":")
    if not name or step_m is None:
        raise InputError(
            f"`attenuation` is {said!r}; expected `FILE.h5:/dataset` in 1/m, and data that say their step."
        )
    with access.open(path) as file:
        values = file.array(name).astype(np.float64)
        if values.shape != shape:
            raise InputError(f"{file.where(name)}: has shape {values.shape}; expected {shape} (z, y, x).")
    return np.nan_to_num(values) * step_m


def beam_weights(beam_m: float | None, patterns: Patterns) -> np.ndarray | None:
    """Beyond what the model blurs by itself; None for a beam that is not wider."""
    said = patterns.metadata.get("beam_m") if beam_m is None else beam_m
    if said is None or patterns.step_m is None:
        return None
    variance = (float(said) / patterns.step_m[1]) ** 2 / (8 * np.log(2)) - OWN_VARIANCE
    return gaussian_beam(float(np.sqrt(8 * np.log(2) * variance))) if variance > 0.02 else None


def scan_setup(patterns: Patterns, known: Known, access: Access) -> ScanSetup:
    """See the file's head."""
    low, high = known.range_deg or (-np.inf, np.inf)
    keep = (patterns.two_theta_deg >= low) & (patterns.two_theta_deg <= high)
    if keep.sum() < FEWEST:
        raise InputError(f"`range_deg` leaves {int(keep.sum())} channels; expected {FEWEST} or more.")
    x, monitor, wavelength = patterns.two_theta_deg[keep], patterns.monitor, patterns.wavelength_m
    counts, scale = as_counts(patterns)
    counts, width, rays = counts[..., keep], counts.shape[2], known.air_rays
    if 2 * rays >= width:
        raise InputError(f"`air_rays` is {rays} on either side of {width} rays; expected fewer.")
    hkl = chosen(known.group, known.cell, known.peaks, x, wavelength)
    centre, angle = bragg_deg(hkl, known.cell, wavelength), np.radians(patterns.angle_deg)
    air = air_pattern(counts, monitor, x, centre, rays) if rays else np.zeros(len(x))
    mean, guess = mean_pattern(counts, monitor) - air, (known.fwhm_deg, known.search_deg)
    bulk, usual = bulk_cell(mean, x, hkl, known.cell, wavelength, *guess)
    step = None if patterns.step_m is None else patterns.step_m[1]
    mu, grid = None, (counts.shape[1], width, width)
    if known.attenuation is not None:
        mu = attenuation_per_voxel(known.attenuation, access, grid, step)
    return ScanSetup(
        counts=counts,
        monitor=monitor,
        two_theta_deg=x,
        angle_rad=angle,
        wavelength_m=wavelength,
        hkl=hkl,
        names=known.peaks,
        cell=bulk,
        fwhm_deg=usual,
        shift=axis_shifts(counts, monitor, angle, air, known.alignment),
        air=air,
        beam=beam_weights(known.beam_m, patterns),
        attenuation=mu,
        distance=None if known.distance_m is None or step is None else known.distance_m / step,
        step_m=step,
        scale=scale,
        bins=bins_around(x, bragg_deg(hkl, bulk, wavelength), known.near_deg),
        reach_deg=known.reach_deg,
        background_terms=known.background_terms,
        factors=known.factors,
    )
