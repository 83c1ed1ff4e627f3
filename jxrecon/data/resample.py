"""First guesses that a file holds, brought onto the grid on which they will be used."""

import numpy as np

OBJECT_MARGIN = 16  # pixels that the object is larger than the scanned field


def _fit(array: np.ndarray, shape: tuple[int, int], fill: complex = 0) -> np.ndarray:
    """Cuts or fills about the centre pixel (n//2)."""
    out = np.full((*array.shape[:-2], *shape), fill, array.dtype)
    pairs = [(n // 2 - m // 2, n, m) for n, m in zip(shape, array.shape[-2:], strict=True)]
    target = tuple(slice(max(d, 0), min(d + m, n)) for d, n, m in pairs)
    source = tuple(
        slice(max(-d, 0), max(-d, 0) + t.stop - t.start) for (d, _, _), t in zip(pairs, target, strict=True)
    )
    out[(..., *target)] = array[(..., *source)]
    return out


def _resize_spectrum(probe: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Cuts or fills the spectrum about the zero frequency; with orthonormal transforms, filling keeps the power."""
    axes = (-2, -1)
    spectrum = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(probe, axes=axes), norm="ortho"), axes=axes)
    field = np.fft.ifft2(np.fft.ifftshift(_fit(spectrum, shape), axes=axes), norm="ortho")
    return np.fft.fftshift(field, axes=axes)


def resample_far(probe: np.ndarray, cropped: tuple[int, int], binning: int) -> np.ndarray:
    """(mode, v, u) of a far-field detector cropped to `cropped` pixels and binned: the crop cuts the spectrum, the binning the
    field. Binned pixels sum their counts, so that the power lost with the outer field is put back."""
    if cropped != probe.shape[-2:]:
        probe = _resize_spectrum(probe, cropped)
    if binning > 1:
        power = np.sum(np.abs(probe) ** 2)
        probe = _fit(probe, (cropped[0] // binning, cropped[1] // binning))
        probe = probe * np.sqrt(power / np.sum(np.abs(probe) ** 2))
    return probe.astype(np.complex64)


def resample_near(
    probe: np.ndarray, cropped: tuple[int, int], binning: int, oversampling: int, window: tuple[int, int]
) -> np.ndarray:
    """(mode, v, u) of a near-field detector: the crop cuts the field, the binning the spectrum; then on a grid `oversampling`
    times finer, filled with zeros up to `window`."""
    probe = _fit(probe, cropped)
    v, u = (n // binning * oversampling for n in cropped)
    if (v, u) != cropped:
        probe = _resize_spectrum(probe, (v, u))
    return _fit(probe, window).astype(np.complex64)


def object_shape(positions_px: np.ndarray, window: tuple[int, int]) -> tuple[int, int]:
    """Object pixels that a scan needs: its extent, one window and a margin, rounded up to even."""
    extent = np.ceil(np.ptp(positions_px, axis=0)).astype(int) + np.asarray(window) + OBJECT_MARGIN
    y, x = (int(n + n % 2) for n in extent)
    return y, x


def recentre_object(
    found: np.ndarray, centre: np.ndarray, positions_px: np.ndarray, window: tuple[int, int]
) -> np.ndarray:
    """The object on the grid that the scan needs, with pixel `centre` of the file at (y//2, x//2); 1 where the file has none."""
    shape = object_shape(positions_px, window)
    out = np.ones(shape, np.complex64)
    first = [
        n // 2 - int(c) for n, c in zip(shape, centre, strict=True)
    ]  # where pixel (0, 0) of the file goes
    bounds = [(max(f, 0), min(f + m, n)) for f, m, n in zip(first, found.shape, shape, strict=True)]
    if all(a < b for a, b in bounds):
        target = tuple(slice(a, b) for a, b in bounds)
        source = tuple(slice(a - f, b - f) for (a, b), f in zip(bounds, first, strict=True))
        out[target] = found[source]
    return out
