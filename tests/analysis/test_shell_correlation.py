"""Shell correlation: white noise of known ratio, independent noise, a known blur, gauges; thresholds that are fixed."""

import numpy as np
import pytest
from particles import ball, blurred, particle

from jxrecon.analysis.density import particle_mask
from jxrecon.analysis.resolution import RingCorrelation
from jxrecon.analysis.shell_correlation import (
    at_nyquist,
    compare_volumes,
    fixed_crossing,
    half_period_at,
    shell_correlation,
    soft_window,
)

SHAPE = (64, 64, 64)


@pytest.mark.parametrize("ratio, expected", [(0.05, 0.0476), (0.2071, 0.1716), (1.0, 0.5), (4.0, 0.8)])
def test_white_noise_correlates_as_its_signal_to_noise_ratio(ratio, expected):
    rng = np.random.default_rng(0)
    signal = rng.normal(size=SHAPE)
    a, b = (signal + rng.normal(size=SHAPE) / np.sqrt(ratio) for _ in "ab")
    found = shell_correlation(a, b, np.ones(SHAPE), 1.0)
    assert np.average(found.correlation, weights=found.count) == pytest.approx(expected, abs=0.01)
    seen = shell_correlation(a, b, soft_window(ball(SHAPE, 24)))
    assert np.average(seen.correlation, weights=seen.count) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("seed", range(5))
def test_independent_noise_in_a_particles_window_is_not_resolved(seed):
    rng = np.random.default_rng(seed)
    window = soft_window(ball(SHAPE, 24))
    found = shell_correlation(*rng.normal(size=(2, *SHAPE)), window)
    assert np.all(found.correlation[3:] < found.threshold(0.5)[3:])


@pytest.mark.parametrize("sigma, noise", [(0.9, 0.1), (1.28, 0.1), (1.28, 0.02)])
def test_a_blurred_twin_is_resolved_to_where_its_signal_meets_the_noise(sigma, noise):
    """White texture of variance 1 behind a Gaussian of sigma voxels: SNR(f) = exp(-(pi f sigma)^2) / noise^2, f of Nyquist."""
    rng = np.random.default_rng(3)
    signal = blurred(rng.normal(size=SHAPE), sigma)
    a, b = (signal + noise * rng.normal(size=SHAPE) for _ in "ab")
    found = compare_volumes(a, b, ball(SHAPE, 26))
    ratio = np.exp(-((np.pi * found.frequency * sigma) ** 2)) / noise**2
    fine = np.linspace(0.05, 1, 2000)
    for bits in (0.5, 1.0):
        excess = np.interp(fine, found.frequency, ratio / (1 + ratio) - found.threshold(bits))
        expected = 1 / fine[np.argmax(excess < 0)]
        assert found.half_period_px(bits) == pytest.approx(expected, rel=0.03)
        assert found.full_period_px(bits) == pytest.approx(2 * expected, rel=0.03)


def test_halves_in_different_gauges_give_the_curve_of_the_same_gauge():
    rng = np.random.default_rng(4)
    shape = (56, 56, 56)
    halves = rng.normal(0, 0.15, (2, *shape))
    second = particle(shape, width=1.2) + halves[1]
    plain = compare_volumes(particle(shape, width=1.2) + halves[0], second)
    moved = particle(shape, (1.3, -2.6, 0.7), np.deg2rad(1.5), width=1.2) + halves[0]
    found = compare_volumes(moved, second)
    assert 1.5 < plain.half_period_px() < 4
    assert found.half_period_px() == pytest.approx(plain.half_period_px(), rel=0.05)
    unregistered = shell_correlation(moved, second, soft_window(ball(shape, 20)))
    assert unregistered.half_period_px() > 1.2 * plain.half_period_px()


def test_the_air_around_two_particles_is_no_structure_that_they_share():
    """Particles 3 voxels apart: sin(kd) / (kd) of the directions' mean remains, whatever the window."""
    shape = (56, 56, 56)
    found = shell_correlation(
        particle(shape, (1.0, -2.0, 2.0), width=1.2), particle(shape, width=1.2), soft_window(ball(shape, 20))
    )
    expected = np.sinc(3 * found.frequency)
    np.testing.assert_allclose(found.correlation[:3], expected[:3], atol=0.15)
    assert found.correlation[4] < 0.5


def test_empty_volumes_have_no_resolution_but_do_not_fail():
    found = compare_volumes(np.zeros(SHAPE), np.zeros(SHAPE))
    assert found.half_period_px() > 10 and np.all(found.correlation == 0)
    assert set(found.curves()) == {"frequency", "correlation", "count", "half_bit", "one_bit"}


def test_a_volume_that_diverged_is_not_resolved():
    broken = np.full(SHAPE, np.nan)
    assert compare_volumes(broken, particle(SHAPE)).half_period_px() > 10
    assert compare_volumes(broken, broken).half_period_px() > 10


def test_the_window_leaves_the_particle_alone():
    mask = particle_mask(particle(SHAPE))
    window = soft_window(mask)
    assert np.all(window[mask] > 0.95) and window.min() == 0.0
    assert np.abs(np.diff(window, axis=0)).max() < 0.5


def test_fixed_thresholds_are_interpolated():
    frequency = np.linspace(0, 1, 11)
    curve = RingCorrelation(frequency, 1 - 0.9 * frequency, np.full(11, 100.0))
    assert fixed_crossing(curve, 0.5) == pytest.approx(5 / 9)
    assert half_period_at(curve, 0.5) == pytest.approx(9 / 5)
    assert half_period_at(curve, 0.143) == pytest.approx(0.9 / 0.857)
    assert half_period_at(curve, 0.05) == 1.0
    assert at_nyquist(curve) == pytest.approx(0.1)
