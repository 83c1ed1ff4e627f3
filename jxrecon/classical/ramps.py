"""Amplitude, phase offset and phase ramp of every projection, found in the air around the particle.

A ptychographic reconstruction of a view is free up to  T(r) -> a exp(i (c + g.r)) T(r); in air the true T is 1, so that the
air's own plane tells a, c and g. Air is what agrees with one plane of phase, lies near the rim of the lit region and is bright:
 - start: peaks of the spectrum | sum b(r) T(r) exp(-i g.r) |, where b weighs the rim of the lit region: air adds up at its
   ramp whatever its shape, and phase that wraps needs no unwrapping;
 - each peak is refined (`plane_fit`), and the plane with most bright agreement near the rim wins;
 - slope by least squares over all of the air, scale by the coherent mean, which noise does not bias.

Ramps matter: a slope of 1 mrad per pixel over 500 pixels looks like a density that falls by half a radian. Guizar-Sicairos et
al., Opt. Express 19, 21345 (2011), doi 10.1364/OE.19.021345.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Complex, Float
from scipy import ndimage

from ..errors import InputError
from .plane_fit import FEWEST, WIDTHS_RAD, Blocks, plane_wave
from .views import each_view, lit_pixels

PEAKS = 5  # of the spectrum, each tried with its eight neighbours
FINALISTS = 4  # planes that are refined to the end
GRID = 128  # blocks along the longer axis on which they are compared
RIM = 0.08  # of the lit region's size: how fast the weight of the rim falls inwards
COHERENCE = 0.75  # |sum T| / sum |T| of air: less is no plane (noise of 0.75 rad per pixel)


@dataclasses.dataclass(frozen=True)
class Ramps:
    """What was found: T = scale exp(i slope.(r - middle)) in air.

    scale: complex (view,); slope_rad_px (view, 2) along v, u; air (view, v, u) the pixels that were taken for air.
    """

    scale: np.ndarray
    slope_rad_px: np.ndarray
    air: np.ndarray


def without_ramps(wave: Complex[np.ndarray, "view v u"], ramps: Ramps) -> Complex[np.ndarray, "view v u"]:
    """Projections that are 1 in air."""
    flat = np.empty_like(wave)
    for j, (image, scale, slope) in enumerate(zip(wave, ramps.scale, ramps.slope_rad_px)):
        flat[j] = image * (plane_wave(slope, image.shape).conj() / scale)
    return flat


def find_ramps(
    wave: Complex[np.ndarray, "view v u"],
    weight: Float[np.ndarray, "..."] | Bool[np.ndarray, "..."],
    air: Bool[np.ndarray, "..."] | None = None,
    *,
    near: Float[np.ndarray, "view 2"] | None = None,
) -> Ramps:
    """The plane of every view.

    weight says how well each pixel was lit (0: not at all), `air` which ones are air, if known; `near`: slopes (rad per pixel)
    that are known well enough to begin with, so that none are searched.
    """
    weights = np.asarray(each_view(weight, wave.shape), float)
    airs = [None] * len(wave) if air is None else each_view(air, wave.shape)
    starts = [None] * len(wave) if near is None else near
    found = []
    for j, view in enumerate(zip(wave, weights, airs, starts)):
        try:
            found.append(find_ramp(*view))
        except InputError as error:
            raise InputError(f"view {j}: {error}") from None
    scale, slope, mask = zip(*found)
    return Ramps(np.array(scale), np.array(slope), np.array(mask))


def find_ramp(
    wave: Complex[np.ndarray, "v u"],
    weight: Float[np.ndarray, "v u"],
    air: Bool[np.ndarray, "v u"] | None = None,
    near: Float[np.ndarray, "2"] | None = None,
) -> tuple[complex, Float[np.ndarray, "2"], Bool[np.ndarray, "v u"]]:
    """Scale, slope and air of one view."""
    lit = lit_pixels(weight) & np.isfinite(wave)
    wave = np.where(lit, wave, 0)
    rim = _rim(lit) if air is None else (lit & air).astype(float)
    size = max(1, -(-max(wave.shape) // GRID))
    starts = _starts(rim * wave) if near is None else [near]
    trials = [Blocks.of(wave, np.where(lit, weight, 0), rim, slope, size) for slope in starts]
    if len(trials) > FINALISTS:
        trials = sorted((t.refined(WIDTHS_RAD[1:2], 0.0) for t in trials), key=Blocks.score)[-FINALISTS:]
    best, mask = max((t.refined(WIDTHS_RAD) for t in trials), key=Blocks.score).settled(air is None)
    blocks = np.count_nonzero(mask)
    mask = np.repeat(np.repeat(mask, size, 0), size, 1)[: wave.shape[0], : wave.shape[1]] & lit
    if air is not None:
        mask &= air
    used = weight * mask
    total = np.sum(used * wave * plane_wave(best.slope, wave.shape).conj())
    if blocks < FEWEST or not np.abs(total) > COHERENCE * np.sum(used * np.abs(wave)):
        raise InputError("no air was found beside the particle to refer the phase to; give `air`.")
    return complex(total / np.sum(used)), best.slope, mask


def _rim(lit: Bool[np.ndarray, "v u"]) -> Float[np.ndarray, "v u"]:
    """exp(-depth / width): 1 at the border of the lit region; the frame's edge is a border too."""
    depth = np.asarray(ndimage.distance_transform_edt(np.pad(lit, 1)))[1:-1, 1:-1]
    return np.where(lit, np.exp(-depth / (RIM * np.sqrt(max(np.count_nonzero(lit), 1)))), 0)


def _starts(wave: Complex[np.ndarray, "v u"]) -> list[Float[np.ndarray, "2"]]:
    """Slopes (rad per pixel) at which the wave adds up well.

    Air at two sides or in corners adds up in fringes, like light behind two slits: the neighbours of a peak may be meant.
    """
    shape = [2 * n for n in wave.shape]
    spectrum = np.abs(np.fft.fft2(wave, shape))
    v, u = (2 * np.pi * np.fft.fftfreq(n) for n in shape)
    starts = set()
    for _ in range(PEAKS):
        i, k = (int(n) for n in np.unravel_index(np.argmax(spectrum), spectrum.shape))
        starts |= {((i + a) % shape[0], (k + b) % shape[1]) for a in (-2, 0, 2) for b in (-2, 0, 2)}
        spectrum[np.ix_(np.arange(i - 1, i + 2) % shape[0], np.arange(k - 1, k + 2) % shape[1])] = 0
    return [np.array([v[i], u[k]]) for i, k in sorted(starts)]
