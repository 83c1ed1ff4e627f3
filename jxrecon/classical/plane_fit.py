"""A plane of phase fitted to the air of one view, on coherent means of small blocks of pixels.

The phase that a plane leaves is never unwrapped: arg( <T exp(-i plane)> ) of blocks that agree with the plane is small, and what
does not agree, the particle, is kept out by its weight. Three steps, each a few weighted least squares:
 - `refined`: Tukey's weights of shrinking width, within the rim of the lit region;
 - `lifted`: matter has negative phase, so that the plane has to lie on top: what lies below it counts only as far as noise goes,
   and what lies above it tells the noise. It matters for a weak particle that fills most of the field;
 - `settled`: all pixels that agree to three times the noise, in one piece with the rim, without thin contours inside of the
   particle and without the particle's edge.
"""

import dataclasses

import numpy as np
from jaxtyping import Complex, Float
from scipy import ndimage

from .views import lit_pixels

WIDTHS_RAD = (1.5, 1.0, 0.7, 0.5, 0.4)  # of Tukey's weights, two fits each
LIFTS = 10  # fits that bring the plane on top
BELOW = 1.0  # times the noise that air may lie under the plane meanwhile
LOUDEST = 0.06  # rad: more noise than that after smoothing is not believed
FEWEST = 12  # blocks of air
DIMMEST = 0.85  # amplitude of a piece of air beside the brightest piece


def plane_wave(slope: Float[np.ndarray, "2"], shape: tuple[int, int]) -> Complex[np.ndarray, "v u"]:
    """exp(i slope.r), r from the middle of the detector."""
    v, u = (np.exp(1j * g * (np.arange(n) - (n - 1) / 2)) for g, n in zip(slope, shape))
    return v[:, None] * u


@dataclasses.dataclass(frozen=True)
class Blocks:
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
    def of(wave, weight, rim, slope, size: int) -> "Blocks":
        flat = wave * plane_wave(slope, wave.shape).conj()
        total = _block_sum(weight, size)
        mean = _block_sum(weight * flat, size) / np.maximum(total, np.finfo(float).tiny)
        # The middle of the detector, in blocks.
        middle = np.array([((n - 1) / 2 - (size - 1) / 2) / size for n in wave.shape])
        offset = np.angle(np.sum(rim * flat))
        return Blocks(mean, total, _block_sum(rim, size), slope, size, middle, np.array([offset, 0.0, 0.0]))

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

    def fitted(self, weight: np.ndarray, smooth: float) -> "Blocks":
        """With the plane moved to the least squares of what is left."""
        design = self.design().reshape(3, -1)
        w = weight.ravel()
        matrix = (design * w) @ design.T
        scale = np.sqrt(np.maximum(np.diag(matrix), np.finfo(float).tiny))
        matrix = matrix / np.outer(scale, scale) + 1e-9 * np.eye(3)
        step = np.linalg.solve(matrix, design @ (w * self.residual(smooth).ravel()) / scale) / scale
        return dataclasses.replace(self, plane=self.plane + step)

    def refined(self, widths: tuple[float, ...], smooth: float = 1.0) -> "Blocks":
        blocks = self
        for width in widths:
            for _ in range(2):
                blocks = blocks.fitted(blocks.rim * _tukey(blocks.residual(smooth), width), smooth)
        return blocks

    def score(self) -> float:
        """How much of the rim agrees with the plane, the bright parts counting more."""
        flat = self.flat(1.0)
        return float(np.sum(self.rim * np.abs(flat) ** 2 * _tukey(np.angle(flat), WIDTHS_RAD[-1])))

    def lifted(self) -> "Blocks":
        """The plane on top of what is near the rim: matter has negative phase, and may fill most of the rim."""
        blocks = self
        for _ in range(LIFTS):
            left, noise = blocks.noise()
            below = np.exp(-0.5 * (left / (BELOW * noise)) ** 2)
            weight = np.where(left < 0, below, _tukey(left, 4 * noise))
            blocks = blocks.fitted(blocks.rim * weight, 1.0)
        return blocks

    def noise(self) -> tuple[np.ndarray, float]:
        """Smoothed phase off the plane, and its noise: what lies above the plane is air, so the upper half tells it.

        Not less than what white noise, seen in the differences of neighbours, leaves of itself after smoothing.
        """
        left = self.residual(1.5)
        above = left[self.near() & (left > 0) & (left < WIDTHS_RAD[-1])]
        upper = 1.4826 * np.median(above) if above.size else 0.0
        pairs = np.diff(self.residual(), axis=1)[self.rim[:, 1:] * self.rim[:, :-1] > 0]
        white = 0.3 * 1.05 * np.median(np.abs(pairs)) if pairs.size else 0.0
        return left, float(np.clip(max(upper, white), 0.015, LOUDEST))

    def near(self) -> np.ndarray:
        return self.rim > 0.3 * np.max(self.rim, initial=0)

    def settled(self, search: bool) -> tuple["Blocks", np.ndarray]:
        """The plane through all of the air, and the air; without `search` the rim itself is the air."""
        blocks, mask = self.lifted() if search else self, self.rim > 0
        for _ in range(4):
            if search:
                mask = blocks.air()
            blocks = blocks.fitted(mask * blocks.weight * _tukey(blocks.residual(), 3.0), 0.0)
        return blocks, mask

    def air(self) -> np.ndarray:
        """Blocks that agree with the plane to three times the noise, in one piece with the rim, off the particle's edge."""
        left, noise = self.noise()
        near, lit = self.near(), lit_pixels(self.weight)
        mask = (np.abs(left) < 3 * noise) & lit
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
        kept = np.isin(labels, [label for label in touching if bright[label] >= least])
        if np.count_nonzero(kept) >= FEWEST:
            return kept
        # No piece is large enough to be sure: the highest phases of the rim.
        return near & (left >= np.quantile(left[near], 0.85)) & (left < WIDTHS_RAD[-1])


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
