"""Amplitude, phase offset and phase ramp of every projection, found in the air around the particle.

A ptychographic reconstruction of a view is free up to  T(r) -> a exp(i (c + g.r)) T(r); in air the true T is 1, so that the
air's own plane tells a, c and g. Air is what agrees with one plane of phase, lies near the rim of the lit region and is bright:
 - start: peaks of the spectrum | sum b(r) T(r) exp(-i g.r) |, where b weighs the rim of the lit region: air adds up at its
   ramp whatever its shape, and phase that wraps needs no unwrapping;
 - each peak is refined by weighted least squares on the phase that is left, with Tukey's weights of shrinking width, on
   coherent means of small blocks; the plane with most bright agreement near the rim wins;
 - the air is then what agrees with it to three times the noise, without thin contours inside of the particle and without the
   particle's edge; slope by least squares, scale by the coherent mean, which noise does not bias.

Ramps matter: a slope of 1 mrad per pixel over 500 pixels looks like a density that falls by half a radian. Guizar-Sicairos et
al., Opt. Express 19, 21345 (2011), doi 10.1364/OE.19.021345.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Complex, Float
from scipy import ndimage

from ..errors import InputError
from .views import each_view, lit_pixels

PEAKS = 8  # of the spectrum, each tried with its eight neighbours
FINALISTS = 4  # planes that are refined to the end
GRID = 128  # blocks along the longer axis on which they are compared
RIM = 0.08  # of the lit region's size: how fast the weight of the rim falls inwards
WIDTHS_RAD = (1.5, 1.0, 0.7, 0.5, 0.4)  # of Tukey's weights, one fit each
FEWEST = 12  # blocks of air
COHERENCE = 0.75  # |sum T| / sum |T| of air: less is no plane (noise of 0.75 rad per pixel)
DIMMEST = 0.85  # amplitude of a piece of air beside the brightest piece


@dataclasses.dataclass(frozen=True)
class Ramps:
    """What was found: T = scale exp(i slope.(r - middle)) in air.

    scale: complex (view,); slope_rad_px (view, 2) along v, u; air (view, v, u) the pixels that were taken for air.
    """

    scale: np.ndarray
    slope_rad_px: np.ndarray
    air: np.ndarray


def plane_wave(slope: Float[np.ndarray, "2"], shape: tuple[int, int]) -> Complex[np.ndarray, "v u"]:
    """exp(i slope.r), r from the middle of the detector."""
    v, u = (np.exp(1j * g * (np.arange(n) - (n - 1) / 2)) for g, n in zip(slope, shape))
    return v[:, None] * u


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
) -> Ramps:
    """The plane of every view; `weight` says how well each pixel was lit (0: not at all), `air` which ones are air, if known."""
    weights = each_view(weight, wave.shape)
    airs = None if air is None else each_view(air, wave.shape)
    found = []
    for j in range(len(wave)):
        try:
            known = None if airs is None else airs[j]
            found.append(find_ramp(wave[j], np.asarray(weights[j], float), known))
        except InputError as error:
            raise InputError(f"view {j}: {error}") from None
    scale, slope, mask = zip(*found)
    return Ramps(np.array(scale), np.array(slope), np.array(mask))


def find_ramp(
    wave: Complex[np.ndarray, "v u"], weight: Float[np.ndarray, "v u"], air: Bool[np.ndarray, "v u"] | None
) -> tuple[complex, Float[np.ndarray, "2"], Bool[np.ndarray, "v u"]]:
    """Scale, slope and air of one view."""
    lit = lit_pixels(weight) & np.isfinite(wave)
    wave = np.where(lit, wave, 0)
    rim = _rim(lit) if air is None else (lit & air).astype(float)
    size = max(1, -(-max(wave.shape) // GRID))
    lit_weight = np.where(lit, weight, 0)
    trials = [_Blocks.of(wave, lit_weight, rim, slope, size) for slope in _starts(rim * wave)]
    trials = sorted((t.refined(WIDTHS_RAD[1:2], 0.0) for t in trials), key=_Blocks.score)[-FINALISTS:]
    best, mask = max((t.refined(WIDTHS_RAD) for t in trials), key=_Blocks.score).settled(air is None)
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


@dataclasses.dataclass(frozen=True)
class _Blocks:
    """Coherent means of blocks of size x size pixels, once the plane `slope` is taken out, and the plane that is left.

    weight: how much was lit; rim: weight for the search; plane (3,): offset and slopes in rad per block from the middle.
    """

    mean: np.ndarray
    weight: np.ndarray
    rim: np.ndarray
    first: np.ndarray
    size: int
    middle: np.ndarray
    plane: np.ndarray

    @staticmethod
    def of(wave, weight, rim, slope, size: int) -> "_Blocks":
        flat = wave * plane_wave(slope, wave.shape).conj()
        total = _block_sum(weight, size)
        mean = _block_sum(weight * flat, size) / np.maximum(total, np.finfo(float).tiny)
        # The middle of the detector, in blocks.
        middle = np.array([((n - 1) / 2 - (size - 1) / 2) / size for n in wave.shape])
        offset = np.angle(np.sum(rim * flat))
        return _Blocks(mean, total, _block_sum(rim, size), slope, size, middle, np.array([offset, 0.0, 0.0]))

    @property
    def slope(self) -> np.ndarray:
        return self.first + self.plane[1:] / self.size

    def design(self) -> np.ndarray:
        v, u = np.indices(self.mean.shape)
        return np.stack([np.ones(v.shape), v - self.middle[0], u - self.middle[1]])

    def residual(self, smooth: float = 0.0) -> np.ndarray:
        """Phase that the plane does not explain, rad; of the mean over neighbours with `smooth` > 0."""
        return np.angle(self.flat(smooth))

    def flat(self, smooth: float = 0.0) -> np.ndarray:
        """The means without the plane, averaged over neighbours within `smooth` blocks."""
        at = (np.arange(n) - m for n, m in zip(self.mean.shape, self.middle))
        v, u = (np.exp(-1j * g * r) for g, r in zip(self.plane[1:], at))
        left = self.mean * (np.exp(-1j * self.plane[0]) * v[:, None] * u)
        return _smoothed(left, self.weight, smooth) if smooth else left

    def fitted(self, weight: np.ndarray, smooth: float) -> "_Blocks":
        """With the plane moved to the least squares of what is left."""
        design = self.design().reshape(3, -1)
        w = weight.ravel()
        matrix = (design * w) @ design.T
        scale = np.sqrt(np.maximum(np.diag(matrix), np.finfo(float).tiny))
        matrix = matrix / np.outer(scale, scale) + 1e-9 * np.eye(3)
        step = np.linalg.solve(matrix, design @ (w * self.residual(smooth).ravel()) / scale) / scale
        return dataclasses.replace(self, plane=self.plane + step)

    def refined(self, widths: tuple[float, ...], smooth: float = 1.0) -> "_Blocks":
        blocks = self
        for width in widths:
            for _ in range(2):
                blocks = blocks.fitted(blocks.rim * _tukey(blocks.residual(smooth), width), smooth)
        return blocks

    def score(self) -> float:
        """How much of the rim agrees with the plane, the bright parts counting more."""
        flat = self.flat(1.0)
        return float(np.sum(self.rim * np.abs(flat) ** 2 * _tukey(np.angle(flat), WIDTHS_RAD[-1])))

    def settled(self, search: bool) -> tuple["_Blocks", np.ndarray]:
        """The plane through all of the air, and the air; without `search` the rim itself is the air."""
        blocks, mask = self, self.rim > 0
        for _ in range(8 if search else 3):
            if search:
                mask = blocks.air()
            blocks = blocks.fitted(mask * blocks.weight * _tukey(blocks.residual(), 3.0), 0.0)
        return blocks, mask

    def air(self) -> np.ndarray:
        """Blocks that agree with the plane to three times the noise, in one piece with the rim, off the particle's edge."""
        left = np.abs(self.residual(1.5))
        near = self.rim > 0.3 * np.max(self.rim, initial=0)
        agree = near & (left < WIDTHS_RAD[-1])
        noise = 1.4826 * np.median(left[agree]) if agree.any() else 0.0
        lit = lit_pixels(self.weight)
        mask = (left < np.clip(3 * noise, 0.05, 0.5)) & lit
        cross = ndimage.generate_binary_structure(2, 1)
        # Outside of the lit region counts as air here, so that opening and erosion do not eat the rim.
        mask = ndimage.binary_opening(mask | ~lit, np.ones((3, 3)), border_value=1)
        mask = ndimage.binary_erosion(mask, cross, iterations=2, border_value=1) & lit
        labels = np.asarray(ndimage.label(mask)[0])  # pyright: ignore[reportIndexIssue]
        touching = [label for label in np.unique(labels[near & mask]) if label > 0]
        flat = self.flat()
        bright = {label: np.abs(np.mean(flat[labels == label])) for label in touching}
        large = [bright[label] for label in touching if np.count_nonzero(labels == label) >= FEWEST]
        least = DIMMEST * max(large, default=0.0)
        return np.isin(labels, [label for label in touching if bright[label] >= least])


def _block_sum(image: np.ndarray, size: int) -> np.ndarray:
    pad = [(0, -n % size) for n in image.shape]
    v, u = ((n + -n % size) // size for n in image.shape)
    return np.pad(image, pad).reshape(v, size, u, size).sum((1, 3))


def _smoothed(mean: np.ndarray, weight: np.ndarray, width: float) -> np.ndarray:
    """Weighted mean over neighbours."""
    parts = [
        ndimage.gaussian_filter(part * weight, width, mode="constant") for part in (mean.real, mean.imag)
    ]
    return (parts[0] + 1j * parts[1]) / np.maximum(
        ndimage.gaussian_filter(weight, width, mode="constant"), np.finfo(float).tiny
    )


def _tukey(left: np.ndarray, width: float) -> np.ndarray:
    """Tukey's biweight: 1 at zero, 0 from `width` on."""
    return np.where(np.abs(left) < width, (1 - (left / width) ** 2) ** 2, 0)
