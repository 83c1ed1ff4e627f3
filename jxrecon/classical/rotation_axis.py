"""Where the rotation axis lies on the detector: the shift along u that all views have in common.

Two views half a turn apart see the same thing mirrored about the axis, p(angle + pi, a + t) = p(angle, a - t): the mirror image
of one is the other, moved by twice the offset a of the axis from the middle of the detector. Pairs that are not quite half a turn
apart are off by half the gap times how far the specimen's middle lies from the axis; they are the start.

Then the filtered back projection f of some slices is made for trial offsets. Matter cannot be negative, and a wrong offset draws
every edge apart into a bright and a dark arc:

    a = argmin  sum |f(a)| / sum f(a)                      a parabola through the lowest trials tells parts of a pixel.

Donath, Beckmann & Schreyer, J. Opt. Soc. Am. A 23, 1048 (2006), doi 10.1364/JOSAA.23.001048.
"""

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from ..errors import InputError
from .filtered_back_projection import fbp
from .views import binned, moved

SLICES = 8  # that are reconstructed
ROUNDS = ((4.0, 4), (1.0, 1), (0.25, 1))  # pixels between trials, and how many columns are binned
TRIALS = 9  # a round
SMALLEST = 64  # binned columns
WIDEST_GAP_RAD = np.deg2rad(15.0)  # by which a pair may miss half a turn


def pair_offset(
    path: Float[np.ndarray, "view v u"], angle: Float[np.ndarray, " view"], shift: Float[np.ndarray, "view 2"]
) -> float:
    """Offset of the axis from the middle of the detector, from views half a turn apart, shifts taken out; median of all pairs."""
    gap = np.abs((angle[:, None] - angle - np.pi) % (2 * np.pi))
    gap = np.minimum(gap, 2 * np.pi - gap)
    closest = gap.min()
    if closest > WIDEST_GAP_RAD:
        raise InputError(
            f"no two views are half a turn apart (nearest: {np.rad2deg(closest):.1f} degrees off); give a first offset."
        )
    level = moved(path, -shift, order=1)
    rows = _heaviest_rows(level)
    pairs = zip(*np.nonzero(np.triu(gap <= closest + 1e-3)))
    return float(np.median([_displacement(level[j, rows], level[k, rows, ::-1]) / 2 for j, k in pairs]))


def _heaviest_rows(path: Float[np.ndarray, "view v u"]) -> slice:
    """The neighbouring rows of the largest mass."""
    count = min(SLICES, path.shape[1])
    mass = np.convolve(np.abs(path.sum((0, 2))), np.ones(count), "valid")
    first = int(np.argmax(mass))
    return slice(first, first + count)


def _displacement(image: Float[np.ndarray, "v u"], mirrored: Float[np.ndarray, "v u"]) -> float:
    """How far along u `image` lies beyond `mirrored`: peak of the correlation of their slopes, by a parabola."""
    first, second = (ndimage.gaussian_filter1d(x, 1.0, axis=1, order=1) for x in (image, mirrored))
    size = 2 * image.shape[1]
    spectrum = np.sum(np.fft.rfft(first, size) * np.fft.rfft(second, size).conj(), axis=0)
    correlation = np.fft.irfft(spectrum, size)
    k = int(np.argmax(correlation))
    left, peak, right = correlation[[k - 1, k, (k + 1) % size]]
    place = k + 0.5 * (left - right) / min(left - 2 * peak + right, -np.finfo(float).tiny)
    return float(place - size if place >= size / 2 else place)


def axis_offset(
    path: Float[np.ndarray, "view v u"],
    angle: Float[np.ndarray, " view"],
    shift: Float[np.ndarray, "view 2"] | None = None,
    *,
    start: float | None = None,
) -> float:
    """Offset (pixels along u) of the axis from the middle (D - 1)/2, beyond the shifts that are known already.

    path: line integrals, positive, zero in air. start: where to look, else `pair_offset` tells.
    """
    known = np.zeros((len(path), 2)) if shift is None else shift
    best = pair_offset(path, angle, known) if start is None else float(start)
    levelled = moved(path, -known * [1, 0], order=1)
    slices, along_u = levelled[:, _heaviest_rows(levelled)], known * [0, 1]
    for step, factor in ROUNDS:
        factor = factor if slices.shape[2] >= factor * SMALLEST else 1
        coarse, scale = binned(slices, (1, factor)), np.array([1, factor])
        trials = best + step * (np.arange(TRIALS) - TRIALS // 2)
        costs = [_negativity(coarse, angle, (along_u + [0.0, trial]) / scale) for trial in trials]
        best = _vertex(trials, np.array(costs))
    return float(best)


def _negativity(path, angle, shift) -> float:
    """sum |f| / sum f of the filtered back projection, 1 for a volume without negative values."""
    volume = fbp(*(x.astype(np.float32) for x in (path, angle, shift)), filter="hann")
    at = np.arange(volume.shape[2]) - (volume.shape[2] - 1) / 2
    seen = np.hypot(at[:, None], at) < 0.45 * len(at)  # by every view, whatever the angle
    values = np.asarray(volume)[:, seen]
    return float(np.sum(np.abs(values)) / max(np.sum(values), 1e-6 * np.sum(np.abs(values)), 1e-300))


def _vertex(places: Float[np.ndarray, " trial"], costs: Float[np.ndarray, " trial"]) -> float:
    """Where the cost is lowest; inside the row of trials by a parabola through five of them, or three at its ends."""
    k = int(np.argmin(costs))
    reach = min(2, k, len(places) - 1 - k)
    if reach == 0:
        return float(places[k])
    near = slice(k - reach, k + reach + 1)
    bend, slope, _ = np.polyfit(places[near] - places[k], costs[near], 2)
    width = places[1] - places[0]
    return float(places[k] + np.clip(-slope / (2 * bend), -width, width)) if bend > 0 else float(places[k])
