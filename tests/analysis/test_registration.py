"""Registration of complex images in a known gauge, and agreement with an independent program on the same arrays.

The independent program is `phase_error` of the peers' comparison script: it crops the middle 55 %, fits the ramp, registers by a
parabola through the cross-correlation's peak and takes the rms of what is left. Its numbers stand in CASES.
"""

import numpy as np
import pytest

from jxrecon.analysis.region import central
from jxrecon.analysis.registration import align, compare


def particle(shape, shift=(0.0, 0.0), ramp=(0.0, 0.0), error=0.0):
    """A layered absorbing sphere, moved and tilted exactly (it is a formula), with a rippled phase error."""
    y, x = (np.arange(n) - n // 2 for n in shape)
    y, x = np.meshgrid(y - shift[0], x - shift[1], indexing="ij")
    radius = np.hypot(y, x) / 70
    thickness = np.sqrt(np.clip(1 - radius**2, 0, None) + 0.01)
    texture = 1 - 0.3 / (1 + np.exp(-8 * np.sin(22 * radius + np.sin(x / 9) + np.cos(y / 7))))
    field = np.exp((-1.2j - 0.06) * thickness * texture)
    ripple = np.sin(0.9 * y + 0.31 * x) * np.cos(0.4 * x) + 0.5 * np.sin(0.05 * x * y)
    return field * np.exp(1j * (error * ripple + ramp[0] * y + ramp[1] * x))


# shape, shift, ramp, phase error, complex scale, what the independent program answers
CASES = [
    ((232, 230), (0.0, 0.0), (0.0, 0.0), 0.05, 1.0, 0.030611),
    ((232, 230), (0.37, -0.62), (0.0, 0.0), 0.05, 1.0, 0.030775),
    ((232, 230), (0.0, 0.0), (0.021, -0.034), 0.02, 0.7 * np.exp(2j), 0.012244),
    ((222, 224), (1.43, 2.21), (0.011, 0.004), 0.10, 1.3 * np.exp(-1j), 0.061114),
    ((241, 230), (-2.7, 0.4), (-0.013, 0.022), 0.25, 1.0, 0.152217),
]


@pytest.mark.parametrize("shape, shift, ramp, error, scale, expected", CASES)
def test_phase_error_agrees_with_the_independent_program(shape, shift, ramp, error, scale, expected):
    truth = particle((232, 230))
    found = compare(scale * particle(shape, shift, ramp, error), truth)
    assert found["phase_rmse_rad"] == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.25, -0.4), (3.8, -6.1), (-11.3, 9.9)])
@pytest.mark.parametrize("ramp", [(0.0, 0.0), (0.03, -0.05), (0.4, 0.7)])
def test_known_gauge_is_found_and_removed(shift, ramp):
    truth = particle((220, 226))
    scale = 0.8 * np.exp(0.9j)
    found = align(scale * particle((220, 226), shift, ramp), truth, central((220, 226), 0.6))
    np.testing.assert_allclose(found.shift_px, -np.array(shift), atol=0.02)
    np.testing.assert_allclose(found.slope_rad_px, ramp, atol=2e-4)
    assert abs(found.scale) == pytest.approx(1 / 0.8, rel=2e-3)
    region = central((220, 226), 0.5)
    assert np.abs(found.image - truth)[region].max() < 0.05


def test_a_difference_of_detail_is_not_taken_for_a_gauge():
    truth = particle((220, 226))
    assert compare(truth, truth)["phase_rmse_rad"] < 1e-12
    mirrored = compare(truth[:, ::-1].copy(), truth)
    assert mirrored["phase_rmse_rad"] > 0.03


def test_too_small_a_region_is_refused():
    image = particle((64, 64))
    with pytest.raises(ValueError, match="expected at least 64"):
        align(image, image, central((64, 64), 0.1))


def test_flat_images_have_no_shift():
    flat = np.ones((60, 60), complex)
    noisy = flat + 1e-3 * np.random.default_rng(0).normal(size=flat.shape)
    region = central((60, 60), 0.6)
    assert align(flat, noisy, region).shift_px == (0.0, 0.0)
    assert compare(flat, flat, region)["phase_rmse_rad"] < 1e-12
