"""Vertical shifts by mass fluctuation: how much matter lies at a height does not depend on the angle.

    m_j(v) = sum_u p_j(v, u) = integral of the density over the plane at height v,     the same for every view j

so that shifts along v show as shifts of a one-dimensional profile. Profiles are compared by their smoothed derivative: a wrong
offset or a ramp along v of one view adds a constant to it, which the mean takes out, and the particle's ends carry the signal.

 - start: peak of the cross-correlation with the profile that agrees best with all others, to a whole pixel;
 - then Gauss-Newton against the mean of all aligned profiles M, with the nuisance of a constant for each view,
       s_j += <M', M(v - s_j) - m_j> / <M', M'>,
   until nothing moves. The mean of all shifts is free (a translation of the particle along the axis) and is set to zero.

Guizar-Sicairos et al., Opt. Express 19, 21345 (2011), doi 10.1364/OE.19.021345.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from .views import each_view, lit_pixels

SMOOTH = 1.0  # pixels, of the derivative
PASSES = 20
STILL = 1e-3  # pixels: no shift moved by more
EDGE = 3  # pixels beside the end of what is lit that are not compared


@dataclasses.dataclass(frozen=True)
class VerticalAlignment:
    """shift (view,) in pixels, how far the content is displaced to larger v; profile (v,): the mean mass profile.

    residual (pass,): rms over views and heights of profile less mean, relative to the mean profile's rms.
    """

    shift: np.ndarray
    profile: np.ndarray
    residual: np.ndarray


def mass_profiles(
    path: Float[np.ndarray, "view v u"], weight: Float[np.ndarray, "..."] | Bool[np.ndarray, "..."]
) -> tuple[Float[np.ndarray, "view v"], Bool[np.ndarray, "view v"]]:
    """Sum over u of what is lit, and the heights at which as much of the row is lit as at the middle of the lit rows."""
    lit = lit_pixels(each_view(weight, path.shape))
    count = lit.sum(2)
    typical = np.nanmedian(np.where(count > 0, count, np.nan), axis=1) if np.any(count) else 0
    return np.sum(np.where(lit, path, 0), axis=2), count >= 0.7 * np.asarray(typical)[:, None]


def vertical_alignment(
    path: Float[np.ndarray, "view v u"], weight: Float[np.ndarray, "..."] | Bool[np.ndarray, "..."]
) -> VerticalAlignment:
    """Shifts along v of line integrals (positive, zero in air) whose particle lies within the lit columns."""
    profiles, known = mass_profiles(path, weight)
    slopes = ndimage.gaussian_filter1d(profiles, SMOOTH, axis=1, order=1, mode="nearest")
    seen = ndimage.binary_erosion(known, np.ones((1, 2 * EDGE + 1))).astype(float)
    slopes = slopes - np.sum(seen * slopes, 1, keepdims=True) / np.maximum(np.sum(seen, 1, keepdims=True), 1)
    shift = _whole_pixels(slopes * seen)
    history = []
    for _ in range(PASSES):
        step, residual = _gauss_newton(slopes, seen, shift)
        shift = shift + step - np.mean(shift + step)
        history.append(residual)
        if np.max(np.abs(step)) < STILL:
            break
    profile = _mean(profiles, known.astype(float), shift)
    return VerticalAlignment(shift, profile, np.array(history))


def _whole_pixels(slopes: Float[np.ndarray, "view v"]) -> Float[np.ndarray, " view"]:
    """Peaks of the cross-correlation of all profiles with the one that correlates best with all."""
    size = slopes.shape[1]
    spectra = np.fft.rfft(slopes, 2 * size, axis=1)
    norm = np.sqrt(np.sum(slopes**2, axis=1)) + np.finfo(float).tiny
    best, shifts = -np.inf, np.zeros(len(slopes))
    for k in np.unique(np.linspace(0, len(slopes) - 1, 16).astype(int)):
        correlation = np.fft.irfft(spectra * spectra[k].conj(), 2 * size, axis=1)
        total = np.median(correlation.max(1) / norm / norm[k])
        if total > best:
            peak = correlation.argmax(1)
            best, shifts = total, np.where(peak >= size, peak - 2 * size, peak).astype(float)
    return shifts - np.median(shifts)


def _resampled(profiles: np.ndarray, shift: np.ndarray, order: int = 3) -> np.ndarray:
    return np.stack([ndimage.shift(p, -s, order=order, mode="nearest") for p, s in zip(profiles, shift)])


def _mean(profiles: np.ndarray, seen: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Mean of the profiles with their shifts taken out, where they were seen."""
    weight = _resampled(seen, shift, order=1)
    return np.sum(weight * _resampled(profiles, shift), 0) / np.maximum(np.sum(weight, 0), 1e-6)


def _gauss_newton(
    slopes: np.ndarray, seen: np.ndarray, shift: np.ndarray
) -> tuple[Float[np.ndarray, " view"], float]:
    """One step of every shift, and the relative misfit before it."""
    mean = _mean(slopes, seen, shift)
    model = _resampled(np.broadcast_to(mean, slopes.shape), -shift)
    tangent = -np.gradient(model, axis=1)

    def centred(x):
        return seen * (x - np.sum(seen * x, 1, keepdims=True) / np.maximum(np.sum(seen, 1, keepdims=True), 1))

    left, tangent = centred(slopes - model), centred(tangent)
    curvature = np.sum(tangent**2, 1)
    step = np.sum(tangent * left, 1) / np.maximum(curvature, 1e-12 * np.max(curvature, initial=1e-300))
    misfit = np.sqrt(np.sum(left**2) / max(np.sum(centred(model) ** 2), np.finfo(float).tiny))
    return np.clip(step, -1, 1), float(misfit)
