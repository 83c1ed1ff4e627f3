"""Windows of a spline against the general evaluation of SciPy, and air around an image."""

import numpy as np
import scipy.ndimage

from jxrecon.twin.spline import smooth, weights


def test_weights_are_a_partition_of_one_with_the_right_mean():
    t = np.linspace(0, 1, 11)[:-1]
    assert np.allclose(weights(t).sum(axis=1), 1)
    assert np.allclose(weights(t) @ np.arange(-1, 3), t)


def test_windows_agree_with_map_coordinates():
    images = np.zeros((2, 30, 34))
    images[:, 6:-6, 6:-6] = np.random.default_rng(0).random((2, 18, 22))
    corners = np.random.default_rng(1).uniform(2, 12, (5, 2))
    found = smooth(images).windows(corners, (9, 11))
    for frame, (row, column) in enumerate(corners):
        grid = np.meshgrid(row + np.arange(9), column + np.arange(11), indexing="ij")
        for k in range(2):
            exact = scipy.ndimage.map_coordinates(images[k], grid, order=3, mode="grid-constant")
            assert np.allclose(found[frame, k], exact, atol=1e-4)


def test_whole_pixels_are_kept_and_air_is_around():
    image = np.random.default_rng(2).random((1, 6, 7))
    found = smooth(image).windows(np.array([[-3.0, -40.0], [0.0, 0.0], [-4.0, -2.0]]), (14, 11))
    assert np.all(found[0] == 0)
    assert np.allclose(found[1, 0, :6, :7], image[0], atol=1e-12)
    assert np.allclose(found[2, 0, 4:10, 2:9], image[0], atol=1e-12)
    assert np.allclose(found[2, 0, 10:], 0, atol=1e-12)
