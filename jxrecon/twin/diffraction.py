"""Diffraction patterns on a grid twice as fine as a reconstruction's, so that no reconstruction inverts its own arithmetic.

Object pixels of p/2 in the same window reach twice the diffraction angle. In the far field the detector sees the inner half of
it, at its own pitch; in the near field each detector pixel gathers the intensity of the fine samples over its area. The specimen
is a function of coordinates and is evaluated where the beam is, so that nothing is shifted by a Fourier ramp.

    far field    I = crop sum_m |FFT(P_m T)|^2
    near field   I = gather sum_m |IFFT(FFT(P_m T) exp(-i pi (f_y^2 / F_y + f_x^2 / F_x)))|^2

P_m fine modes, T transmission, F = (p/2)^2 / (lambda z), f in cycles per fine pixel; NumPy in float64.
"""

import numpy as np
from jaxtyping import Complex, Float, Num

from ..forward.optics import axes, propagated

FINER = 2


def fine_pixel(pixel_size_m: tuple[float, float]) -> tuple[float, float]:
    return pixel_size_m[0] / FINER, pixel_size_m[1] / FINER


def fine_axes(
    shape: tuple[int, int], pixel_size_m: tuple[float, float], centre_px: Float[np.ndarray, "2"]
) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (y, x) in metres of the fine samples in a window of `shape` coarse pixels about a position."""
    v, u = axes((FINER * shape[0], FINER * shape[1]), fine_pixel(pixel_size_m))
    return v + centre_px[0] * pixel_size_m[0], u + centre_px[1] * pixel_size_m[1]


def far_field_pattern(
    exit_waves: Complex[np.ndarray, "*frame mode fine_v fine_u"], shape: tuple[int, int]
) -> Float[np.ndarray, "*frame v u"]:
    """Intensity on a detector of `shape`, beam at its centre pixel n//2."""
    spectrum = np.fft.fft2(exit_waves, norm="ortho")
    power = np.sum(spectrum.real**2 + spectrum.imag**2, axis=-3)
    return middle(np.fft.fftshift(power, (-2, -1)), shape)


def near_field_pattern(
    exit_waves: Complex[np.ndarray, "*frame mode fine_v fine_u"],
    shape: tuple[int, int],
    pixel_size_m: tuple[float, float],
    wavelength_m: float,
    distance_m: float,
) -> Float[np.ndarray, "*frame v u"]:
    """Intensity on a detector of `shape` pixels, `pixel_size_m` wide at the specimen, after the effective distance."""
    fine = fine_pixel(pixel_size_m)
    *frame, modes, v, u = exit_waves.shape
    waves = np.stack(
        [propagated(wave, fine, wavelength_m, distance_m) for wave in exit_waves.reshape(-1, v, u)]
    )
    power = np.sum(np.abs(waves.reshape(*frame, modes, v, u)) ** 2, axis=-3)
    return middle(gathered(gathered(power, -2), -1)[..., ::FINER, ::FINER], shape)


def middle(field: Num[np.ndarray, "*frame _ _"], shape: tuple[int, int]) -> Num[np.ndarray, "*frame _ _"]:
    """The middle of fields: pixel N//2 comes to n//2."""
    v, u = (big // 2 - n // 2 for big, n in zip(field.shape[-2:], shape, strict=True))
    return field[..., v : v + shape[0], u : u + shape[1]]


def gathered(samples: np.ndarray, axis: int) -> np.ndarray:
    """Integral over +-1 fine sample along an axis (trapezoidal rule); every second one together make the sum of all."""
    return samples + (np.roll(samples, 1, axis) + np.roll(samples, -1, axis)) / 2


def band_limited(
    field: Complex[np.ndarray, "*mode fine_v fine_u"],
) -> Complex[np.ndarray, "*mode v u"]:
    """The field on the coarse grid, without the frequencies that grid cannot hold; coarse pixel n//2 is fine pixel n.

    Values, not power: sum |.|^2 falls to a quarter.
    """
    shape = (field.shape[-2] // FINER, field.shape[-1] // FINER)
    spectrum = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(field, (-2, -1))), (-2, -1))
    coarse = np.fft.ifft2(np.fft.ifftshift(middle(spectrum, shape), (-2, -1))) / FINER**2
    return np.fft.fftshift(coarse, (-2, -1))
