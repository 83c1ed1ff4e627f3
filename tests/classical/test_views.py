"""Weights, lit regions, sub-pixel moves and bins of projections."""

import numpy as np
import pytest

from jxrecon.classical.views import binned, each_view, lit_middle, moved, relative_light
from jxrecon.errors import InputError


def test_a_spline_moves_a_gaussian_to_where_its_formula_says():
    v, u = np.mgrid[:32, :40]

    def gaussian(at):
        return np.exp(-((v - at[0]) ** 2 + (u - at[1]) ** 2) / 18)

    result = moved(gaussian((15, 18))[None], np.array([[1.3, -2.6]]))[0]
    np.testing.assert_allclose(result, gaussian((16.3, 15.4)), atol=3e-4)


def test_bins_lie_about_the_middle():
    images = np.arange(2 * 7 * 9, dtype=float).reshape(2, 7, 9)
    found = binned(images, (3, 2))
    assert found.shape == (2, 2, 4)
    np.testing.assert_allclose(found[1, 0, 0], images[1, 0:3, 0:2].mean())
    assert binned(images, (1, 1)).shape == images.shape
    odd = binned(images[:, :, 1:], (1, 2))  # 8 columns: nothing is cropped
    np.testing.assert_allclose(odd.mean(), images[:, :, 1:].mean())


def test_light_of_counts_and_of_masks():
    counts = np.zeros((1, 20, 20))
    counts[0, 4:14, 4:18] = 50
    counts[0, 4] = 3  # the tails
    light = relative_light(counts)
    assert light[0, 8, 8] == 1 and light[0, 4, 8] == 0
    np.testing.assert_array_equal(relative_light(counts > 3), (counts > 3).astype(float))


def test_crop_is_the_same_on_both_sides_so_that_the_middle_stays():
    weight = np.zeros((1, 20, 20))
    weight[0, 4:14, 6:18] = 1
    path, seen = lit_middle(np.ones((1, 20, 20)), weight)
    assert path.shape == seen.shape == (1, 8, 12)  # 6..13 of v mirrored about 9.5, 4..15 of u
    assert seen.sum() == 6 * 8


def test_one_weight_for_all_views():
    assert each_view(np.ones((3, 4)), (2, 3, 4)).shape == (2, 3, 4)
    with pytest.raises(InputError, match="expected"):
        each_view(np.ones((4, 3)), (2, 3, 4))
