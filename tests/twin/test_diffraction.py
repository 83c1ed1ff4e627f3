"""The fine grid of the simulation: energy, agreement with the coarse grid where both can hold a wave, a Gaussian beam."""

import numpy as np
import pytest

from jxrecon.twin.diffraction import band_limited, far_field_pattern, fine_axes, gathered, near_field_pattern

PITCH, WAVELENGTH = (40e-9, 50e-9), 1.5e-10


def noise(shape, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def on_fine_grid(field):
    """The same band-limited wave on twice as many pixels, the same power."""
    v, u = field.shape[-2:]
    spectrum = np.fft.fftshift(np.fft.fft2(field, norm="ortho"), axes=(-2, -1))
    large = np.zeros((*field.shape[:-2], 2 * v, 2 * u), complex)
    large[..., v - v // 2 : v - v // 2 + v, u - u // 2 : u - u // 2 + u] = spectrum
    return np.fft.ifft2(np.fft.ifftshift(large, axes=(-2, -1)), norm="ortho")


@pytest.mark.parametrize("shape", [(16, 20), (15, 21)])
def test_far_field_of_a_wave_that_both_grids_hold(shape):
    modes = noise((2, *shape))
    expected = np.fft.fftshift(np.sum(np.abs(np.fft.fft2(modes, norm="ortho")) ** 2, axis=0))
    assert np.allclose(far_field_pattern(on_fine_grid(modes), shape), expected, rtol=1e-12)


def test_the_detector_cuts_high_angles_off():
    wave = noise((1, 32, 40))
    whole = np.fft.fftshift(np.abs(np.fft.fft2(wave[0], norm="ortho")) ** 2)
    found = far_field_pattern(wave, (16, 20))
    assert np.allclose(found, whole[8:24, 10:30], rtol=1e-12)
    assert found.sum() < 0.4 * np.sum(np.abs(wave) ** 2)


def test_near_field_keeps_energy():
    wave = noise((2, 64, 60))
    pattern = near_field_pattern(wave, (32, 30), PITCH, WAVELENGTH, 1e-4)
    assert pattern.sum() == pytest.approx(np.sum(np.abs(wave) ** 2), rel=1e-12)


def test_pixels_gather_all_there_is():
    image = np.random.default_rng(0).random((8, 10))
    assert gathered(gathered(image, 0), 1)[::2, ::2].sum() == pytest.approx(image.sum(), rel=1e-13)
    assert np.allclose(gathered(np.ones((8, 8)), 0), 2)


def test_near_field_of_a_gaussian_beam():
    """|U|^2 of a beam of waist w0 is exp(-2 r^2 / w^2), w^2 = w0^2 (1 + (z / z_R)^2), integrated over each pixel."""
    waist, distance = 0.4e-6, 3e-3
    y, x = fine_axes((96, 96), PITCH, np.zeros(2))
    wave = np.exp(-(y[:, None] ** 2 + x**2) / waist**2).astype(complex)[None]
    found = near_field_pattern(wave, (96, 96), PITCH, WAVELENGTH, distance)
    rayleigh = np.pi * waist**2 / WAVELENGTH
    width = waist * np.sqrt(1 + (distance / rayleigh) ** 2)
    v, u = (np.arange(96) - 48) * PITCH[0], (np.arange(96) - 48) * PITCH[1]
    expected = np.exp(-2 * (v[:, None] ** 2 + u**2) / width**2) * 4 * waist**2 / width**2
    assert np.abs(found - expected).max() < 0.005 * expected.max()


@pytest.mark.parametrize("shape", [(16, 20), (15, 21)])
def test_band_limited_keeps_what_the_coarse_grid_holds(shape):
    field = noise((3, *shape))
    # `on_fine_grid` starts at the corner and keeps power, not values: twice the samples each way, half the value.
    centred = np.roll(on_fine_grid(field), [n % 2 for n in shape], axis=(-2, -1))
    assert np.allclose(2 * band_limited(centred), field, atol=1e-12)


def test_fine_axes_follow_the_position():
    y, x = fine_axes((4, 6), PITCH, np.array([2.5, -1.0]))
    assert len(y) == 8 and len(x) == 12
    assert y[4] == pytest.approx(2.5 * 40e-9) and x[6] == pytest.approx(-50e-9)
    assert y[1] - y[0] == pytest.approx(20e-9) and x[1] - x[0] == pytest.approx(25e-9)
