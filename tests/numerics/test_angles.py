"""Orders of rotation angles: all angles are there, and every beginning of the list covers the half turn."""

import numpy as np
import pytest

from jxrecon.numerics.angles import (
    binary_order,
    equally_spaced,
    fibonacci_order,
    golden_ratio,
    interleaved,
    limited,
    random,
)


def widest_gap(angles):
    """Beside an even spread of as many."""
    ordered = np.sort(angles % np.pi)
    gaps = np.diff(np.append(ordered, ordered[0] + np.pi))
    return gaps.max() * len(angles) / np.pi


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 89, 100, 180])
@pytest.mark.parametrize("order", ["binary", "fibonacci"])
def test_interleaved_angles_are_the_equally_spaced_ones(count, order):
    np.testing.assert_allclose(np.sort(interleaved(count, order)), equally_spaced(count))


def test_halves_then_quarters():
    np.testing.assert_array_equal(binary_order(8), [0, 4, 2, 6, 1, 5, 3, 7])
    np.testing.assert_array_equal(fibonacci_order(13), np.arange(13) * 8 % 13)


@pytest.mark.parametrize("angles", [golden_ratio(144), interleaved(128), interleaved(144, "fibonacci")])
@pytest.mark.parametrize("part", [5, 12, 40, 80, 120])
def test_every_beginning_is_nearly_even(angles, part):
    assert widest_gap(angles[:part]) < 2.1
    assert widest_gap(equally_spaced(144)[:part]) > 2.1


def test_limited_and_random_angles():
    found = limited(41, np.deg2rad(60))
    np.testing.assert_allclose(np.rad2deg(found[[0, -1]]), [-60, 60])
    np.testing.assert_allclose(np.diff(found), np.deg2rad(3))
    drawn = random(1000, seed=1)
    assert drawn.min() >= 0 and drawn.max() < np.pi and abs(drawn.mean() - np.pi / 2) < 0.1
    assert not np.array_equal(drawn, random(1000, seed=2))
