"""A start for shifts that needs neither the whole particle nor a good air: every view against the mean of all.

A particle that is more or less round looks more or less alike from every side. Each view p, seen with the light l, is moved to
where it fits the mean M of all moved views best, over all whole pixels at once by Fourier transforms,

    E(s) = sum l (p - D_s M)^2 = const - 2 <l p, D_s M> + <l, D_s M^2>,

both high-passed against offsets and ramps, and to a part of a pixel by a parabola through E. It is right along v and, as far as
the particle turns about its own middle, along u; what the particle's shape makes of it, projection matching takes away.
"""

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from .views import each_view, lit_middle, moved

HIGH_PASS = 1 / 8  # of the lit width: the Gaussian that is subtracted
REACH = 1 / 5  # of the lit width: the longest shift
PASSES = 8
COVERED = 0.1  # of all views: where fewer see it, the mean counts for nothing


def mean_image_shift(
    path: Float[np.ndarray, "view v u"], weight: Float[np.ndarray, "..."] | Bool[np.ndarray, "..."]
) -> Float[np.ndarray, "view 2"]:
    """Shift (v, u) of every view against the mean of all, less its mean over the views."""
    path, light = lit_middle(path, each_view(weight, path.shape))
    width = HIGH_PASS * path.shape[2]
    seen = light * _high_passed(path, width)
    shift = np.zeros((len(path), 2))
    for _ in range(PASSES):
        mean = _high_passed(_mean_image(path, light, shift)[None], width)[0]
        found = _best_shifts(seen, light, mean, max(2, int(REACH * path.shape[2])))
        found -= np.mean(found, axis=0)
        moving, shift = np.max(np.abs(found - shift)), found
        if moving < 0.1:
            break
    return shift


def _high_passed(images: Float[np.ndarray, "view v u"], width: float) -> Float[np.ndarray, "view v u"]:
    return images - ndimage.gaussian_filter(images, (0, width, width), mode="nearest")


def _mean_image(
    path: Float[np.ndarray, "view v u"],
    light: Float[np.ndarray, "view v u"],
    shift: Float[np.ndarray, "view 2"],
) -> Float[np.ndarray, "v u"]:
    """Mean of the views with their shifts taken out, weighted by their light."""
    weights = np.clip(moved(light, -shift, order=1), 0, 1)
    total = weights.sum(0)
    mean = np.sum(weights * moved(path, -shift, order=1), 0) / np.maximum(total, 1e-6)
    return np.where(total > COVERED * total.max(initial=0), mean, 0)


def _best_shifts(
    seen: Float[np.ndarray, "view v u"],
    light: Float[np.ndarray, "view v u"],
    mean: Float[np.ndarray, "v u"],
    reach: int,
) -> Float[np.ndarray, "view 2"]:
    """argmin of E over shifts of at most `reach` pixels; `seen` is light times projection."""
    shape = [n + reach for n in mean.shape]  # room, so that nothing wraps within the reach
    image, power = (np.fft.rfft2(x, shape).conj() for x in (mean, mean**2))
    at = np.arange(-reach, reach + 1)
    shifts = []
    for one, weight in zip(seen, light):
        spectrum = np.fft.rfft2(weight, shape) * power - 2 * np.fft.rfft2(one, shape) * image
        shifts.append(_lowest(np.fft.irfft2(spectrum, shape)[np.ix_(at, at)]) - reach)
    return np.array(shifts)


def _lowest(energy: Float[np.ndarray, "p q"]) -> Float[np.ndarray, "2"]:
    """Where it is lowest, refined along each axis by a parabola through the neighbours."""
    place = np.unravel_index(np.argmin(energy), energy.shape)
    refined = []
    for axis, k in enumerate(place):
        line = energy.take(place[1 - axis], axis=1 - axis)
        part = 0.0
        if 0 < k < len(line) - 1:
            bend = line[k - 1] - 2 * line[k] + line[k + 1]
            part = 0.5 * (line[k - 1] - line[k + 1]) / bend if bend > 0 else 0.0
        refined.append(k + part)
    return np.array(refined, float)
