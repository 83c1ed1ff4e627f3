"""Scale, offset and ramp of every view against the ones that were put in."""

import dataclasses

import numpy as np
import pytest
from tilt_phantom import balls, measured, series

from jxrecon.classical.ramps import find_ramps, without_ramps
from jxrecon.errors import InputError

SIZE, VIEWS = 64, 6


def worst(found, truth) -> tuple[float, float, float]:
    """Largest errors of the phase offset (rad), of the ramp across the field (rad), and of the amplitude."""
    ratio = found.scale / truth.scale
    slope = np.abs(found.slope_rad_px - truth.slope).max() * SIZE
    return np.abs(np.angle(ratio)).max(), slope, np.abs(np.abs(ratio) - 1).max()


def test_without_noise_the_plane_is_exact_and_air_becomes_one():
    truth = series(SIZE, VIEWS)
    found = find_ramps(truth.transmission, truth.weight)
    assert max(worst(found, truth)) < 1e-6
    air = (truth.path == 0) & (truth.weight > 0)
    flat = without_ramps(truth.transmission, found)
    assert np.abs(flat[air] - 1).max() < 1e-6
    assert not np.any(found.air & ~air)
    assert np.count_nonzero(found.air) > 0.6 * np.count_nonzero(air)


@pytest.mark.parametrize("case", [{"phase": 12.0}, {"phase": 2.0}, {"ramp": 0.3}, {"margin": 8}])
def test_noise_of_a_tenth_of_a_radian(case):
    """Least squares over n air pixels of noise 0.1 is sure of the ramp to about 0.1 sqrt(12 / n), 0.03 for 170 pixels."""
    truth = series(SIZE, VIEWS, noise=0.1, **case)
    offset, slope, amplitude = worst(find_ramps(truth.transmission, truth.weight), truth)
    assert offset < 0.025 and slope < 0.1 and amplitude < 0.02


def test_air_in_the_corners_alone():
    objects = balls(SIZE)
    objects[0, :4] = 0, 0, 0, 31
    truth = series(SIZE, VIEWS, noise=0.1, shift_px=1, objects=objects)
    offset, slope, amplitude = worst(find_ramps(truth.transmission, truth.weight), truth)
    assert offset < 0.04 and slope < 0.1 and amplitude < 0.03


def test_air_at_two_sides_of_a_capillary():
    """Glass from top to bottom: its phase comes close to a multiple of 2 pi, at less amplitude than the air."""
    truth = series(SIZE, VIEWS, shift_px=1)
    radius, u = 24, np.arange(SIZE) - (SIZE - 1) / 2
    chord = 2 * np.sqrt(np.maximum(radius**2 - (u - truth.shift[:, 1:]) ** 2, 0))
    path = truth.path + 0.7 * chord[:, None, :]
    wave = np.exp((-1j - 1 / 18.3) * truth.phase_per_density * path)
    wave, _ = measured(wave, truth.scale, truth.slope, 0.1, 2, np.random.default_rng(1))
    truth = dataclasses.replace(truth, transmission=wave)
    offset, slope, amplitude = worst(find_ramps(truth.transmission, truth.weight), truth)
    assert offset < 0.04 and slope < 0.1 and amplitude < 0.03


def test_air_that_the_user_names():
    """Half of a slab: its phase is as flat as the air, and only the user knows."""
    truth = series(SIZE, 2)
    path = np.zeros((2, SIZE, SIZE))
    path[:, :, : SIZE // 2] = 10.0
    air = np.zeros((SIZE, SIZE), bool)
    air[:, SIZE // 2 + 2 :] = True
    wave = np.exp(-1j * truth.phase_per_density * path)
    wave, _ = measured(wave, truth.scale, truth.slope, 0.0, 2, np.random.default_rng(1))
    found = find_ramps(wave, truth.weight, air)
    assert max(worst(found, truth)) < 1e-6
    assert not np.any(found.air & ~air)


def test_blocks_of_a_large_projection_give_the_same_plane():
    truth = series(200, 1, noise=0.1, ramp=0.1)
    offset, slope, amplitude = worst(find_ramps(truth.transmission, truth.weight), truth)
    assert offset < 0.01 and slope < 0.01 and amplitude < 0.01


def test_no_air_says_so():
    rough = np.exp(1j * np.random.default_rng(0).uniform(-3, 3, (1, 32, 32)))
    with pytest.raises(InputError, match="view 0.*give `air`"):
        find_ramps(rough, np.ones((32, 32)))
    with pytest.raises(InputError, match="expected"):
        find_ramps(rough, np.ones((32, 31)))


def test_a_weak_particle_that_fills_the_field():
    """1 rad at most, air at less than a fifth of the lit pixels, noise of 0.05 rad: the plane has to lie on top of it."""
    truth = series(SIZE, VIEWS, phase=1.0, noise=0.05, margin=9)
    offset, slope, amplitude = worst(find_ramps(truth.transmission, truth.weight), truth)
    assert offset < 0.03 and slope < 0.1 and amplitude < 0.02
