"""What the steps of the classical chain share: a weight for each view, what was lit, content moved by parts of a pixel.

A shift (v, u) says how far the content of a projection is displaced, in pixels to larger v and u; correcting it moves the
content by minus the shift. Cubic splines move it; beyond the edge the projection goes on with its edge's value.
"""

import numpy as np
from jaxtyping import Bool, Float, Shaped
from scipy import ndimage

from ..errors import InputError

LIT = 0.1  # of a view's largest weight: what is less counts as not lit


def each_view(weight: Shaped[np.ndarray, "..."], shape: tuple[int, ...]) -> Shaped[np.ndarray, "view v u"]:
    """A weight or mask (v, u) or (view, v, u), one for each view of `shape`."""
    if weight.shape not in (shape, shape[1:]):
        raise InputError(f"the weight has the shape {weight.shape}; expected {shape} or {shape[1:]}.")
    return np.broadcast_to(weight, shape)


def lit_pixels(
    weight: Float[np.ndarray, "*view v u"] | Bool[np.ndarray, "*view v u"],
) -> Bool[np.ndarray, "*view v u"]:
    """Where the weight is more than a tenth of the view's largest."""
    return weight > LIT * np.max(weight, axis=(-2, -1), keepdims=True)


def moved(
    images: Float[np.ndarray, "view v u"], shift: Float[np.ndarray, "view 2"], order: int = 3
) -> Float[np.ndarray, "view v u"]:
    """The content of every view moved by its shift (v, u)."""
    return np.stack(
        [ndimage.shift(image, by, order=order, mode="nearest") for image, by in zip(images, shift)]
    )


def binned(images: Float[np.ndarray, "view v u"], factors: tuple[int, int]) -> Float[np.ndarray, "view q p"]:
    """Means of blocks of `factors` (v, u) pixels about the middle; what fills no block is cropped on both sides."""
    size = [n // f for n, f in zip(images.shape[1:], factors)]
    first = [(n - m * f) // 2 for n, m, f in zip(images.shape[1:], size, factors)]
    rows, columns = (slice(a, a + m * f) for a, m, f in zip(first, size, factors))
    return images[:, rows, columns].reshape(-1, size[0], factors[0], size[1], factors[1]).mean((2, 4))


def relative_light(weight: Shaped[np.ndarray, "view v u"]) -> Float[np.ndarray, "view v u"]:
    """How well each pixel was lit: 0 where it was not, up to 1 from the view's 95th percentile on."""
    light = np.where(lit_pixels(weight), weight, 0).astype(float)
    full = np.percentile(light, 95, axis=(1, 2), keepdims=True)
    return np.clip(light / np.where(full > 0, full, 1), 0, 1)


def lit_middle(
    path: Float[np.ndarray, "view v u"], weight: Shaped[np.ndarray, "view v u"]
) -> tuple[Float[np.ndarray, "view q p"], Float[np.ndarray, "view q p"]]:
    """Projections and their light (0 to 1), cropped on both sides alike to what any view lit; zero where a view lit nothing.

    The outermost two lit pixels do not count: they hold what the tails of the illumination made.
    """
    light = relative_light(weight)
    inner = np.stack([ndimage.binary_erosion(m, iterations=2, border_value=1) for m in light > 0])
    light = np.where(inner, light, 0)
    window = [slice(None)]
    for axis in (1, 2):
        seen = np.flatnonzero(inner.any(axis=tuple({0, 1, 2} - {axis})))
        count = path.shape[axis]
        margin = min(seen[0], count - 1 - seen[-1]) if seen.size else 0
        window.append(slice(margin, count - margin))
    return np.where(inner, path, 0)[tuple(window)], light[tuple(window)]
