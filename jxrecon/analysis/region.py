"""Which part of an object the scan saw, and smooth windows on it.

The coverage of an object pixel is the illumination that it received over the whole scan, sum_j |P(r - r_j)|^2 (all modes).
Pixels at the rim saw only the faint tails of the probe; numbers about an object are taken where the coverage is at least a
tenth of its own intensity-weighted mean, which neither a bright spot nor a wide dark margin moves.
"""

import numpy as np
from jaxtyping import Bool, Complex, Float
from scipy import ndimage


def coverage(
    positions_px: Float[np.ndarray, "scan 2"], probe: Complex[np.ndarray, "mode v u"], shape: tuple[int, int]
) -> Float[np.ndarray, "y x"]:
    """sum_j sum_m |P_m(r - r_j)|^2 on an object of `shape`; positions (y, x) from its centre, rounded to pixels."""
    hits = np.zeros(shape)
    pixel = np.rint(positions_px).astype(int) + np.array(shape) // 2
    inside = np.all((pixel >= 0) & (pixel < np.array(shape)), axis=1)
    np.add.at(hits, tuple(pixel[inside].T), 1.0)
    power = np.asarray(np.sum(np.abs(probe) ** 2, axis=0, dtype=np.float64))
    full = _full_convolution(hits, power)
    v, u = (n // 2 for n in power.shape)
    return np.maximum(full[v : v + shape[0], u : u + shape[1]], 0.0)


def _full_convolution(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Linear convolution by FFT; SciPy's would cost every start the import of all its signal processing."""
    size = [n + m - 1 for n, m in zip(a.shape, b.shape, strict=True)]
    return np.fft.irfft2(np.fft.rfft2(a, size) * np.fft.rfft2(b, size), size)


def illuminated(light: Float[np.ndarray, "y x"], fraction: float | int = 0.1) -> Bool[np.ndarray, "y x"]:
    """Pixels whose coverage is at least `fraction` of its intensity-weighted mean, without holes and frayed edges."""
    typical = np.sum(light**2) / max(np.sum(light), np.finfo(float).tiny)
    if not typical > 0:
        return np.zeros(light.shape, bool)
    whole = ndimage.binary_fill_holes(light >= fraction * typical)
    return np.asarray(ndimage.binary_opening(whole, ndimage.generate_binary_structure(2, 1), iterations=2))


def common_region(
    first: Float[np.ndarray, "p q"], second: Float[np.ndarray, "y x"], fraction: float | int = 0.1
) -> Bool[np.ndarray, "y x"]:
    """Pixels that both of two scans lit, from their coverages, on the grid of the second; centres coincide."""
    shape = (second.shape[0], second.shape[1])
    return illuminated(second, fraction) & centred(illuminated(first, fraction), shape, fill=False)


def central(shape: tuple[int, int], fraction: float | int) -> Bool[np.ndarray, "y x"]:
    """The middle `fraction` of both axes, an even number of pixels."""
    size = tuple(int(n * fraction) // 2 * 2 for n in shape)
    return centred(np.ones(size, bool), shape, fill=False)


def centred(image: np.ndarray, shape: tuple[int, int], fill: bool | float = 1.0) -> np.ndarray:
    """Crop or pad a (y, x) image to `shape` so that pixel n//2 stays pixel n//2."""
    canvas = np.full(shape, fill, image.dtype)
    target, source = [], []
    for n, m in zip(shape, image.shape, strict=True):
        first = n // 2 - m // 2
        target.append(slice(max(first, 0), min(first + m, n)))
        source.append(slice(max(-first, 0), min(-first + n, m)))
    canvas[tuple(target)] = image[tuple(source)]
    return canvas


def bounding_box(region: Bool[np.ndarray, "..."]) -> tuple[slice, ...]:
    """Smallest box that holds the region; the whole array if the region is empty."""
    found = ndimage.find_objects(region.astype(np.uint8))
    return found[0] if found else tuple(slice(0, n) for n in region.shape)


def soft_edge(region: Bool[np.ndarray, "..."], width: float | int) -> Float[np.ndarray, "..."]:
    """1 inside the region, falling to 0 at its border as a raised cosine over `width` pixels (Tukey; any dimension)."""
    padded = np.pad(region, 1)
    inside = tuple(slice(1, -1) for _ in region.shape)
    depth = np.asarray(ndimage.distance_transform_edt(padded))[inside]
    rise = np.clip((depth - 0.5) / max(width, 0.5), 0.0, 1.0)
    return np.where(region, 0.5 - 0.5 * np.cos(np.pi * rise), 0.0)
