"""Images as smooth functions of coordinates: cubic B-splines, read out in windows that step by one pixel.

    f(v, u) = sum_ij c_ij b(v - i) b(u - j)

All samples of a window share the fraction of its corner, so that it takes four weights along each axis and no search.

Unser, IEEE Signal Process. Mag. 16, 22 (1999), doi 10.1109/79.799930.
"""

import dataclasses

import numpy as np
import scipy.ndimage
from jaxtyping import Float

TAPS = 4
APRON = 8  # pixels of air about an image before it becomes a spline, which rings for as long


def weights(fraction: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 4"]:
    """b at -1 - t, -t, 1 - t, 2 - t for the fraction t of a pixel."""
    t = fraction
    inner = [(4 - 6 * x**2 + 3 * x**3) / 6 for x in (t, 1 - t)]
    return np.stack([(1 - t) ** 3 / 6, *inner, t**3 / 6], axis=-1)


@dataclasses.dataclass(frozen=True)
class SmoothImages:
    """Images (image, v, u) with nothing around them. `coefficients` begin `APRON` pixels before the images do."""

    coefficients: Float[np.ndarray, "image v u"]

    @property
    def shape(self) -> tuple[int, int]:
        """Of the images, without their aprons."""
        v, u = (n - 2 * APRON for n in self.coefficients.shape[1:])
        return v, u

    def windows(
        self, corners: Float[np.ndarray, "frame 2"], shape: tuple[int, int]
    ) -> Float[np.ndarray, "frame image v u"]:
        """Values at (row + i, column + j) from each corner (row, column) on, in the images' pixels."""
        whole = np.floor(corners).astype(int)
        first = whole - 1 + APRON
        size = np.asarray(shape) + TAPS - 1
        before = np.maximum(-first.min(axis=0), 0)
        after = np.maximum((first + size).max(axis=0) - self.coefficients.shape[1:], 0)
        room = [(0, 0), *zip(before, after, strict=True)]
        first = first + before
        padded = np.pad(self.coefficients, room)
        view = np.lib.stride_tricks.sliding_window_view(padded, tuple(size), axis=(1, 2))  # pyright: ignore
        patch = view[:, first[:, 0], first[:, 1]].swapaxes(0, 1)
        along_v, along_u = (weights(f)[:, :, None, None, None] for f in (corners - whole).T)
        patch = sum(along_v[:, k] * patch[:, :, k : k + shape[0]] for k in range(TAPS))
        return sum(along_u[:, k] * patch[..., k : k + shape[1]] for k in range(TAPS))  # pyright: ignore


def smooth(images: Float[np.ndarray, "image v u"]) -> SmoothImages:
    """The spline through the images' pixels, in float64."""
    padded = np.pad(np.asarray(images, np.float64), [(0, 0), (APRON, APRON), (APRON, APRON)])
    return SmoothImages(
        np.stack([scipy.ndimage.spline_filter(image, order=3, mode="mirror") for image in padded])
    )
