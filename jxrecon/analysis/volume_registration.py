"""Two volumes of one specimen, brought onto each other.

A tomogram whose projections were aligned with its own help is free up to a gauge: the specimen may lie elsewhere, and be turned
about the rotation axis, if shifts and angles of the projections say so too. `register` finds the translation (z, y, x) in voxels
and a small rotation about z that make

    sum_r w(r) ( V(R(-phi) (r - t)) - W(r) )^2

least, for volumes that are normalised to mean 0 and variance 1 within the window w: first whole voxels by the peak of the
cross-correlation, then Gauss-Newton steps, on voxels binned 4 and 2 times before the volumes' own. `moved` interpolates by shifts
along one axis at a time in Fourier space (a rotation is three shears), which changes no amplitude of a spectrum.

Unser, Thevenaz & Yaroslavsky, IEEE Trans. Image Process. 4, 1371 (1995), doi 10.1109/83.465102 (rotation by three shears).
"""

import dataclasses

import numpy as np
from jaxtyping import Float, Real
from scipy import ndimage

SMOOTHING = 1.0  # voxels of each scale: neither noise nor the interpolation of single voxels moves the result
BINNINGS = (4, 2, 1)
SMALLEST = 12  # voxels along the shortest edge that a binned volume must still have
STEPS, PRECISION = 12, 5e-3  # steps at most for each binning; voxels
CROSSED = 0.8  # share of the normal matrix that noise does not add to


@dataclasses.dataclass(frozen=True)
class VolumeAlignment:
    """`volume` on the grid and in the gauge of the reference; what was done: content turned about z (from x to y, about the
    middle), then moved by `shift_voxels` (z, y, x)."""

    volume: np.ndarray
    shift_voxels: tuple[float, float, float]
    rotation_rad: float


def middle(count: int) -> Float[np.ndarray, " n"]:
    """Coordinates of `count` voxels from their middle (n - 1)/2."""
    return np.arange(count) - (count - 1) / 2


def _along(volume: np.ndarray, axis: int, distance: np.ndarray) -> np.ndarray:
    """Content moved along an axis by distances that broadcast to the volume's shape, with 1 along the axis; periodic."""
    count = volume.shape[axis]
    frequency = np.fft.rfftfreq(count).reshape([-1 if k == axis else 1 for k in range(3)])
    turn = np.exp(-2j * np.pi * frequency * distance)
    return np.fft.irfft(np.fft.rfft(volume, axis=axis) * turn, count, axis=axis)


def moved(
    volume: Real[np.ndarray, "z y x"], shift: Float[np.ndarray, " 3"], rotation_rad: float | int = 0.0
) -> Float[np.ndarray, "z y x"]:
    """Content turned about z by a small angle, then moved by `shift` (z, y, x) voxels; what leaves comes in opposite."""
    z, y, x = (float(s) for s in shift)
    rows, columns = middle(volume.shape[1])[None, :, None], middle(volume.shape[2])[None, None, :]
    found = np.asarray(volume, np.float64)
    if rotation_rad:
        lean = -np.tan(rotation_rad / 2)
        found = _along(found, 2, lean * rows)
        found = _along(found, 1, np.sin(rotation_rad) * columns + y)
        found = _along(found, 2, lean * (rows - y) + x)
    elif y or x:
        found = _along(_along(found, 1, np.full((1, 1, 1), y)), 2, np.full((1, 1, 1), x))
    return _along(found, 0, np.full((1, 1, 1), z)) if z else found


def numbers(volume: Real[np.ndarray, "z y x"]) -> Float[np.ndarray, "z y x"]:
    """The volume in double precision, zero where it is no number."""
    return np.where(np.isfinite(volume), volume, 0.0).astype(np.float64)


def matched(volume: Real[np.ndarray, "_ _ _"], shape: tuple[int, ...]) -> Real[np.ndarray, "z y x"]:
    """Crop the volume, or pad it with zeros, about its middle; half a voxel off where an axis changes from odd to even."""
    out = np.zeros(shape, volume.dtype)
    pairs = [(n // 2 - m // 2, n, m) for n, m in zip(shape, volume.shape, strict=True)]
    target = tuple(slice(max(first, 0), min(first + m, n)) for first, n, m in pairs)
    source = tuple(slice(max(-first, 0), min(n - first, m)) for first, n, m in pairs)
    out[target] = volume[source]
    return out


def _binned(volume: np.ndarray, by: int) -> np.ndarray:
    """Means over cubes; zeros are added at the end of an axis that is no multiple."""
    volume = np.pad(volume, [(0, -n % by) for n in volume.shape])
    z, y, x = (n // by for n in volume.shape)
    return volume.reshape(z, by, y, by, x, by).mean(axis=(1, 3, 5))


def _normalised(volume: np.ndarray, window: np.ndarray) -> np.ndarray:
    weight = np.sum(window)
    centred = volume - np.sum(window * volume) / weight
    return centred / max(np.sqrt(np.sum(window * centred**2) / weight), np.finfo(float).tiny)


def _whole_voxels(volume: np.ndarray, reference: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Shift to the peak of the cross-correlation through the window."""
    spectra = [np.fft.rfftn(window * v) for v in (volume, reference)]
    peak = np.argmax(np.fft.irfftn(spectra[1] * spectra[0].conj(), volume.shape, axes=(0, 1, 2)))
    shift = np.array(np.unravel_index(peak, volume.shape), float)
    return np.where(shift > np.array(volume.shape) / 2, shift - volume.shape, shift)


def _slopes(volume: np.ndarray, shift: np.ndarray) -> list[np.ndarray]:
    """Change of a volume that stands at `shift` when it moves along z, y, x (per voxel) and turns about z (per radian)."""
    _, rows, columns = np.meshgrid(*(middle(n) for n in volume.shape), indexing="ij", sparse=True)
    dz, dy, dx = (-np.gradient(volume, axis=k) for k in range(3))
    return [dz, dy, dx, (columns - shift[2]) * dy - (rows - shift[1]) * dx]


def _step(volume: np.ndarray, reference: np.ndarray, window: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Gauss-Newton step (z, y, x voxels, radians) for a volume that stands at `shift`, with the slopes of both volumes' mean.

    Noise adds to the squares of slopes, and would make steps short; it does not add to the products of either volume's slope with
    the other's, which make up most of the normal matrix here.
    """
    mine, theirs = _slopes(volume, shift), _slopes(reference, shift)
    difference = reference - volume
    normal, right = np.empty((4, 4)), np.empty(4)
    for i, (a, b) in enumerate(zip(mine, theirs)):
        mean, change = window * (a + b) / 2, window * (a - b) / 2
        right[i] = np.vdot(mean, difference)
        for j, (c, d) in enumerate(zip(mine, theirs)):
            # both slopes' mean squared, less the square of half their difference: their product
            normal[i, j] = np.vdot(mean, c + d) / 2 - CROSSED * np.vdot(change, c - d) / 2
    # Flat along a direction, or round about the axis: no step that way.
    return np.linalg.lstsq(normal, right, rcond=1e-6)[0]


def _refined(volume, reference, window, found: np.ndarray) -> np.ndarray:
    """Gauss-Newton from `found` (z, y, x, rotation) on one scale."""
    reach = float(np.sqrt(np.mean(np.array(volume.shape[1:]) ** 2))) / 2
    for _ in range(STEPS):
        here = _normalised(moved(volume, found[:3], found[3]), window)
        step = _step(here, reference, window, found[:3])
        size = max(np.abs(step[:3]).max(), abs(step[3]) * reach)
        found = found + step / max(size, 1.0)  # a voxel at most: beyond that the slopes mean nothing
        if size < PRECISION:
            break
    return found


def _misfit(volume, reference, window, found: np.ndarray) -> float:
    return float(np.sum(window * (_normalised(moved(volume, found[:3], found[3]), window) - reference) ** 2))


def register(
    volume: Real[np.ndarray, "_ _ _"],
    reference: Real[np.ndarray, "z y x"],
    window: Float[np.ndarray, "z y x"],
) -> VolumeAlignment:
    """Bring `volume` onto `reference` by what the window sees; shapes are matched about their middles.

    Angles up to about ten degrees are found. What is flat, or fits nowhere better than where it is, stays there. Voxels that are
    no numbers are taken for air.
    """
    whole, true = matched(numbers(volume), reference.shape), numbers(reference)
    found = nothing = np.zeros(4)
    contrast = [np.std(v[window > 0]) for v in (whole, true)] if np.any(window > 0) else [0.0]
    if min(contrast) <= 1e-12 * max(np.abs(true).max(), np.abs(whole).max()):
        return VolumeAlignment(whole, (0.0, 0.0, 0.0), 0.0)
    for number, by in enumerate(b for b in BINNINGS if b == 1 or min(true.shape) >= SMALLEST * b):
        unit = np.array([by, by, by, 1.0])
        image, target = (
            ndimage.gaussian_filter(_binned(v, by), SMOOTHING, mode="constant") for v in (whole, true)
        )
        light = _binned(window, by)
        image, target = _normalised(image, light), _normalised(target, light)
        start = found / unit
        if number == 0:
            start[:3] = _whole_voxels(image, target, light)
        tried = [_refined(image, target, light, start), start, nothing]
        found = min(tried, key=lambda p: _misfit(image, target, light, p)) * unit
    z, y, x, rotation = found.tolist()
    return VolumeAlignment(moved(whole, found[:3], rotation), (z, y, x), rotation)
