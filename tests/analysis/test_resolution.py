"""Fourier ring correlation: white noise of known ratio, the published thresholds, an independent program, known blur."""

import numpy as np
import pytest
from scipy import ndimage

from jxrecon.analysis.region import centred, soft_edge
from jxrecon.analysis.registration import shifted
from jxrecon.analysis.resolution import bit_threshold, compare_halves, first_crossing, ring_correlation


@pytest.mark.parametrize("shape", [(48, 48, 48), (220, 200)])
@pytest.mark.parametrize("ratio", [0.05, 0.2071, 1.0, 4.0])
def test_white_noise_correlates_as_its_signal_to_noise_ratio(shape, ratio):
    rng = np.random.default_rng(0)
    signal = rng.normal(size=shape)
    a, b = (signal + rng.normal(size=shape) / np.sqrt(ratio) for _ in "ab")
    found = ring_correlation(a, b, np.ones(shape))
    error = 4 / np.sqrt(found.count.sum())
    assert np.average(found.correlation, weights=found.count) == pytest.approx(ratio / (1 + ratio), abs=error)
    assert error < 0.03


def test_independent_noise_is_not_resolved():
    rng = np.random.default_rng(1)
    found = ring_correlation(*rng.normal(size=(2, 48, 48, 48)))
    assert np.all(found.correlation[3:] < found.threshold(0.5)[3:])


def test_threshold_counts_the_independent_pixels_of_a_windowed_ring():
    # For real noise the variance of the correlation is 1/n, n the independent pixels: the window leaves half of them.
    rng = np.random.default_rng(1)
    window = soft_edge(np.hypot(*(np.mgrid[:96, :96] - 48)) < 44, 12)
    draws = [
        ring_correlation(rng.normal(size=(96, 96)), rng.normal(size=(96, 96)), window, 4) for _ in range(60)
    ]
    assert np.mean([d.correlation[3:] ** 2 * d.count[3:] for d in draws]) == pytest.approx(0.91, abs=0.12)


def test_thresholds_are_those_of_van_heel_and_schatz():
    n = np.array([10.0, 100.0, 1e4])
    root = np.sqrt(n)
    np.testing.assert_allclose(
        bit_threshold(n, 0.5), (0.2071 + 1.9102 / root) / (1.2071 + 0.9102 / root), rtol=2e-4
    )
    np.testing.assert_allclose(
        bit_threshold(n, 1.0), (0.5 + 2.4142 / root) / (1.5 + 1.4142 / root), rtol=2e-4
    )


def test_crossing_is_interpolated_skips_the_lowest_rings_and_defaults_to_nyquist():
    frequency, level = np.linspace(0, 1, 11), np.full(11, 0.5)
    falling = 1.03 - frequency
    assert first_crossing(frequency, falling, level) == pytest.approx(0.53)
    assert first_crossing(frequency, np.ones(11), level) == 1.0
    dip = np.ones(11)
    dip[0] = 0.0
    assert first_crossing(frequency, dip, level) == 1.0
    assert first_crossing(frequency, np.zeros(11), level) == pytest.approx(0.1)


# shape, blur (sigma, px), noise, ring thickness; half periods at half a bit and one bit from the peers' Fourier shell program
PEER = [
    ((96, 96, 96), 1.2, 0.05, 1.0, 1.3772, 1.4578),
    ((96, 96, 96), 2.0, 0.05, 3.0, 2.2141, 2.3842),
    ((256, 256), 1.5, 0.1, 1.0, 1.9258, 2.0999),
    ((300, 220), 1.0, 0.1, 3.0, 1.2985, 1.3963),
    ((200, 200), 0.7, 0.05, 1.0, 1.0, 1.0),
]


@pytest.mark.parametrize("shape, blur, noise, thickness, half_bit, one_bit", PEER)
def test_half_periods_agree_with_an_independent_program(shape, blur, noise, thickness, half_bit, one_bit):
    rng = np.random.default_rng(0)
    truth = ndimage.gaussian_filter(rng.standard_normal(shape), blur, mode="wrap")
    a, b = (truth + noise * rng.standard_normal(shape) for _ in "ab")
    found = ring_correlation(a, b, soft_edge(np.ones(shape, bool), 8), thickness)
    assert found.half_period_px(0.5) == pytest.approx(half_bit, rel=0.02)
    assert found.half_period_px(1.0) == pytest.approx(one_bit, rel=0.02)
    assert found.full_period_px(0.5) == 2 * found.half_period_px(0.5)


def test_halves_in_different_gauges_give_the_curve_of_the_same_gauge():
    rng = np.random.default_rng(5)
    shape = (180, 200)
    phase = ndimage.gaussian_filter(rng.standard_normal(shape), 1.8, mode="wrap") * 4
    noise = rng.normal(0, 0.15, (2, 2, *shape))
    a, b = (np.exp(1j * phase) + n[0] + 1j * n[1] for n in noise)
    y, x = np.mgrid[: shape[0], : shape[1]]
    region = np.hypot(y - 90, x - 100) < 70
    plain = compare_halves(a, b, region)
    moved = 1.4 * np.exp(0.5j) * shifted(a, np.array([2.6, -1.3])) * np.exp(1j * (0.05 * y - 0.02 * x))
    found = compare_halves(centred(moved, (192, 190)), b, region)
    assert 1.5 < plain.half_period_px() < 4
    assert found.half_period_px() == pytest.approx(plain.half_period_px(), rel=0.03)
    np.testing.assert_allclose(found.correlation[1:45], plain.correlation[1:45], atol=0.08)
