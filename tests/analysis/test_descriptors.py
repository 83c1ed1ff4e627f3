"""Correlation, chords and Euler number of sets for which all of them are known."""

import numpy as np
import pytest
from scipy import ndimage

from jxrecon.analysis.descriptors import chord_lengths, euler, mean_chord, two_point_correlation
from jxrecon.errors import InputError


def ball(radius, side):
    axis = np.arange(side) - (side - 1) / 2
    return axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2 < radius**2


def test_correlation_against_pairs_counted_one_by_one():
    rng = np.random.default_rng(0)
    share, inside = rng.random((7, 6, 8)), rng.random((7, 6, 8)) < 0.7
    place = np.argwhere(inside)
    apart = np.linalg.norm(place[:, None] - place, axis=2)
    product = share[inside][:, None] * share[inside]
    found = two_point_correlation(share, inside, longest=3)
    for k in range(4):
        pairs = (apart >= k - 0.5) & (apart < k + 0.5) & (apart <= 3)
        assert found.pairs[k] == pytest.approx(pairs.sum(), rel=1e-4)
        assert found.probability[k] == pytest.approx(product[pairs].mean(), rel=1e-4)
        assert found.distance[k] == pytest.approx(apart[pairs].mean(), abs=1e-4)


def test_correlation_of_a_random_set():
    """Porosity at no distance, its square at any other."""
    share = np.random.default_rng(1).random((48, 48, 48)) < 0.3
    found = two_point_correlation(share)
    assert found.probability[0] == pytest.approx(share.mean(), rel=1e-4)
    assert found.probability[1:] == pytest.approx(share.mean() ** 2, abs=2e-3)


def test_chords():
    line = np.array([1, 1, 0, 1, 0, 1, 1, 1], bool).reshape(1, 1, 8)
    assert chord_lengths(line, 2).tolist() == [2, 1, 3] and chord_lengths(line, 2, whole=True).tolist() == [1]
    assert chord_lengths(line, 0).tolist() == [1] * 6
    assert np.isnan(mean_chord(np.zeros((2, 2, 2), bool)))
    # 4 V / S of a ball is 4/3 of its radius.
    assert mean_chord(ball(14, 32)) == pytest.approx(4 / 3 * 14, rel=0.01)


def test_euler_numbers():
    """1 body; 1 body with a cavity is 2; a ring is 0; corners join or they do not."""
    hollow = ball(9, 24) & ~ball(5, 24)
    z, y, x = np.ogrid[-11.5:12, -11.5:12, -11.5:12]
    ring = (np.sqrt(y**2 + x**2) - 7) ** 2 + z**2 < 9
    assert [euler(ball(9, 24)), euler(hollow), euler(ring)] == [1, 2, 0]
    corner = np.zeros((4, 4, 4), bool)
    corner[1, 1, 1] = corner[2, 2, 2] = True
    assert euler(corner) == 1 and euler(corner, corners=False) == 2


def test_bad_input():
    with pytest.raises(InputError, match="inside"):
        two_point_correlation(np.ones((4, 4, 4)), np.zeros((4, 4, 4), bool))
    with pytest.raises(InputError, match="no numbers"):
        two_point_correlation(np.full((4, 4, 4), np.nan))


def test_shares_and_booleans_agree():
    pore = ndimage.gaussian_filter(np.random.default_rng(3).standard_normal((20, 20, 20)), 1.5) > 0.05
    whole, soft = (two_point_correlation(p).probability for p in (pore, pore.astype(float)))
    assert np.allclose(whole, soft)
