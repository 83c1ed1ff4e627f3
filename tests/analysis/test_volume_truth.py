"""Errors against the truth: what was put in comes back, the gauge does not count."""

import numpy as np
import pytest
from particles import ball, blurred, particle

from jxrecon.analysis.volume_registration import moved
from jxrecon.analysis.volume_truth import alignment_residue, averaged, compare_with_truth

SHAPE = (48, 48, 48)
INSIDE = ball(SHAPE, 15)


@pytest.mark.parametrize("finer", [1, 2])
@pytest.mark.parametrize("shift, angle_deg", [((0.0, 0.0, 0.0), 0.0), ((0.4, -1.3, 2.25), 0.5)])
def test_errors_that_were_made_are_found_whatever_the_gauge(finer, shift, angle_deg):
    rng = np.random.default_rng(0)
    truth = particle(SHAPE, finer=finer)
    found = compare_with_truth(
        1.03 * particle(SHAPE, shift, np.deg2rad(angle_deg)) + rng.normal(0, 0.02, SHAPE),
        truth,
        ball(SHAPE, 15, finer),
        finer,
    )
    assert np.rad2deg(found.alignment.rotation_rad) == pytest.approx(-angle_deg, abs=0.12)
    assert np.linalg.norm(found.alignment.shift_voxels) == pytest.approx(np.linalg.norm(shift), abs=0.02)
    assert found.mean_error == pytest.approx(0.03, abs=1e-3)
    mean = particle(SHAPE)[INSIDE]
    assert found.rmse == pytest.approx(np.sqrt(0.02**2 + 0.03**2 * np.mean(mean**2)), rel=0.03)


def test_what_agrees_has_no_error():
    truth = particle(SHAPE)
    found = compare_with_truth(truth, truth, INSIDE)
    assert abs(found.mean_error) < 1e-6 and found.rmse < 1e-6
    assert found.metrics()["fsc_truth_voxels"] == 1.0
    assert found.metrics()["fsc_at_nyquist"] == pytest.approx(1.0, abs=1e-3)


def test_a_volume_that_diverged_has_no_resolution():
    found = compare_with_truth(np.full(SHAPE, np.nan), particle(SHAPE), INSIDE).metrics()
    assert found["density_mean_error"] == pytest.approx(-1) and found["fsc_truth_voxels"] > 8


@pytest.mark.parametrize("sigma, noise", [(1.0, 0.1), (0.7, 0.2)])
def test_half_period_against_the_truth(sigma, noise):
    """Against a noiseless truth FSC = 1 / sqrt(1 + noise^2 / S), with S = exp(-(pi f sigma)^2) of white texture that was blurred:
    1/2 where S = noise^2 / 3."""
    rng = np.random.default_rng(5)
    shape = (64, 64, 64)
    texture = rng.normal(size=shape)
    image = blurred(texture, sigma) + noise * rng.normal(size=shape)
    found = compare_with_truth(image, texture, ball(shape, 26)).metrics()
    expected = np.pi * sigma / np.sqrt(-np.log(noise**2 / 3))
    assert found["fsc_truth_voxels"] == pytest.approx(max(expected, 1.0), rel=0.03)
    nyquist = 1 / np.sqrt(1 + noise**2 / np.exp(-((np.pi * 0.975 * sigma) ** 2)))
    assert found["fsc_at_nyquist"] == pytest.approx(nyquist, abs=0.03)


def test_a_finer_truth_is_averaged_and_must_fit():
    coarse = averaged(np.arange(64.0).reshape(4, 4, 4), 2)
    assert coarse.shape == (2, 2, 2) and coarse[0, 0, 0] == pytest.approx(
        np.mean([0, 1, 4, 5, 16, 17, 20, 21])
    )
    with pytest.raises(ValueError, match="no multiples of `finer` = 3"):
        averaged(np.zeros((4, 4, 4)), 3)
    with pytest.raises(ValueError, match="holds no voxel"):
        compare_with_truth(np.ones(SHAPE), np.ones(SHAPE), np.zeros(SHAPE, bool))


def test_shifts_lose_their_gauge_and_nothing_else():
    rng = np.random.default_rng(6)
    angle = np.linspace(0, np.pi, 90, endpoint=False)
    true = rng.normal(0, 2, (90, 2))
    gauge = np.column_stack([np.full(90, 1.7), 0.6 - 2.1 * np.cos(angle) + 3.3 * np.sin(angle)])
    found = alignment_residue(true + gauge, true, angle)
    np.testing.assert_allclose(found.removed, [1.7, 0.6, -2.1, 3.3], atol=1e-9)
    assert found.rms_px < 1e-9
    # cos(3 theta) is in no gauge: at equidistant angles of half a turn it is orthogonal to cos, sin but not to all of 1, cos, sin
    ripple = np.column_stack([0.3 * np.cos(4 * angle), 0.2 * np.cos(2 * angle)])
    rippled = alignment_residue(true + gauge + ripple, true, angle)
    assert rippled.rms_v_px == pytest.approx(0.3 / np.sqrt(2), rel=1e-6)
    assert rippled.rms_u_px < 0.2 / np.sqrt(2)
    assert rippled.rms_px == pytest.approx(np.hypot(rippled.rms_v_px, rippled.rms_u_px))
    noise = rng.normal(0, 0.1, (90, 2))
    # 180 numbers less the 4 of the gauge
    expected = 0.1 * np.sqrt(2 * 176 / 180)
    assert alignment_residue(true + noise, true, angle).rms_px == pytest.approx(expected, rel=0.12)


def test_moving_a_volume_moves_its_projections_by_the_gauge():
    """The signs: content moved by (y, x) is the span of cos and sin; turned from x to y, an offset of the angle."""
    volume, angle = particle(SHAPE), np.deg2rad([0.0, 90.0])
    shifted = moved(volume, np.array([0.0, 1.0, -2.0]))
    u = np.arange(48) - 23.5
    for number, axis in ((0, 1), (1, 2)):  # theta = 0: u = x; theta = 90 degrees: u = y
        centre = [np.sum(v.sum(axis=(0, axis)) * u) / v.sum() for v in (shifted, volume)]
        expected = -2.0 * np.cos(angle[number]) + 1.0 * np.sin(angle[number])
        assert centre[0] - centre[1] == pytest.approx(expected, abs=0.02)
