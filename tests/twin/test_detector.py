"""What the photon counter does to intensities."""

import numpy as np
import pytest

from jxrecon.twin.detector import NOT_MEASURED, PhotonCounter

GOOD = np.ones((200, 200), bool)


@pytest.mark.parametrize("mean, background", [(0.3, 0.0), (7.0, 0.0), (40.0, 3.0)])
def test_poisson_statistics(mean, background):
    """Mean and variance of 40 000 pixels are both the expected count, within 4 standard errors."""
    counts = PhotonCounter(background=background).count(
        np.full((200, 200), mean), GOOD, np.random.default_rng(0)
    )
    expected = mean + background
    assert counts.mean() == pytest.approx(expected, abs=4 * np.sqrt(expected / counts.size))
    error = np.sqrt((expected + 2 * expected**2) / counts.size)
    assert counts.var() == pytest.approx(expected, abs=4 * error)
    assert np.array_equal(counts, np.rint(counts))


def test_noise_off():
    expected = np.random.default_rng(1).random((200, 200))
    counts = PhotonCounter(poisson=False, background=2.0).count(expected, GOOD, np.random.default_rng(0))
    assert np.array_equal(counts, expected + 2)


def test_saturated_pixels_are_not_measured():
    expected = np.arange(40000.0).reshape(200, 200)
    counts = PhotonCounter(poisson=False, saturation=1000.0).count(expected, GOOD, np.random.default_rng(0))
    assert np.array_equal(counts[expected < 1000], expected[expected < 1000])
    assert np.all(counts[expected >= 1000] == NOT_MEASURED)


def test_dead_pixels_and_gaps():
    counter = PhotonCounter(dead=0.02, gap=3)
    mask = counter.mask((200, 200), np.random.default_rng(2))
    assert not mask[125:128].any() and not mask[:, 125:128].any()
    assert 1 - mask[:120, :120].mean() == pytest.approx(0.02, abs=0.005)
    counts = counter.count(np.full((200, 200), 5.0), mask, np.random.default_rng(0))
    assert np.array_equal(counts == NOT_MEASURED, ~mask)


def test_impossible_counter():
    with pytest.raises(ValueError, match="share below 1"):
        PhotonCounter(dead=1.0)
