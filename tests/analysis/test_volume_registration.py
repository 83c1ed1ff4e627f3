"""Translations and rotations of a volume that is known at every point."""

import numpy as np
import pytest
from particles import ball, particle

from jxrecon.analysis.volume_registration import matched, moved, register

SHAPE = (48, 52, 56)


@pytest.mark.parametrize("shift", [(0.0, 0.0, 0.0), (0.5, 0.0, 0.0), (1.3, -2.7, 0.4)])
@pytest.mark.parametrize("angle_deg", [0.0, 0.5, -3.0])
def test_moving_is_exact_for_a_smooth_volume(shift, angle_deg):
    angle = np.deg2rad(angle_deg)
    found = moved(particle(SHAPE), np.array(shift), angle)
    expected = particle(SHAPE, shift, angle)
    assert np.abs(found - expected).max() < 2e-3 * np.ptp(expected)
    assert np.sum(found**2) == pytest.approx(np.sum(particle(SHAPE) ** 2), rel=1e-6)


@pytest.mark.parametrize("shift", [(0.0, 0.0, 0.0), (0.37, -0.21, 0.48), (3.4, -5.2, 6.7)])
@pytest.mark.parametrize("angle_deg", [0.0, 0.5, 4.0, -8.0])
def test_a_known_gauge_comes_back_through_noise(shift, angle_deg):
    rng = np.random.default_rng(1)
    angle = np.deg2rad(angle_deg)
    truth = particle(SHAPE)
    window = ball(SHAPE, 21).astype(float)
    image = 0.97 * particle(SHAPE, shift, angle) + 0.01 + rng.normal(0, 0.02, SHAPE)
    found = register(image, truth, window)
    back = moved(image, np.array(found.shift_voxels), found.rotation_rad)
    np.testing.assert_array_equal(back, found.volume)
    assert np.rad2deg(found.rotation_rad) == pytest.approx(-angle_deg, abs=0.12)  # 3 sigma of the noise
    # what turns back and then moves back: t = -R(-angle) s
    cos, sin = np.cos(angle), np.sin(angle)
    z, y, x = shift
    np.testing.assert_allclose(
        found.shift_voxels, [-z, -(cos * y - sin * x), -(cos * x + sin * y)], atol=0.02
    )


def test_nothing_to_see_moves_nothing():
    flat, window = np.ones((20, 20, 20)), np.ones((20, 20, 20))
    for pair in ((flat, particle((20, 20, 20))), (particle((20, 20, 20)), 0 * flat)):
        found = register(*pair, window)
        assert found.shift_voxels == (0.0, 0.0, 0.0) and found.rotation_rad == 0.0
        np.testing.assert_array_equal(found.volume, pair[0])


def test_a_round_body_is_not_turned():
    z, y, x = np.meshgrid(*(np.arange(32) - 15.5 for _ in "zyx"), indexing="ij", sparse=True)
    round_body = 1 / (1 + np.exp(np.sqrt(z**2 + y**2 + x**2) - 10))
    found = register(round_body, round_body, np.ones((32, 32, 32)))
    assert abs(found.rotation_rad) < 1e-6 and max(np.abs(found.shift_voxels)) < 1e-6


def test_other_shapes_are_matched_about_their_middles():
    small, big = particle((40, 40, 40), seed=2), np.zeros((46, 48, 44))
    big[3:43, 4:44, 2:42] = small
    np.testing.assert_array_equal(matched(small, big.shape), big)
    np.testing.assert_array_equal(matched(big, small.shape), small)
    found = register(big, small, np.ones(small.shape))
    assert max(np.abs(found.shift_voxels)) < 1e-3
    # An odd number of voxels has its middle on a voxel, an even one between two: the half voxel is found.
    odd = register(particle((41, 41, 41), seed=2), particle((40, 40, 40), seed=2), np.ones((40, 40, 40)))
    np.testing.assert_allclose(np.abs(odd.shift_voxels), 0.5, atol=0.01)
