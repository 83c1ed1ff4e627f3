"""Operations on frames against explicit pixel arithmetic."""

import numpy as np
import pytest

from jxrecon.data.detector import (
    beam_centre,
    bin_counts,
    bin_mask,
    corner_to_centre,
    dead_pixels,
    hot_pixels,
    orient,
    orient_point,
    pad_window,
    window,
    window_start,
)

FRAME = np.arange(12).reshape(3, 4)


@pytest.mark.parametrize("orientation", range(8))
def test_orientation_is_transpose_then_flips(orientation):
    expected = FRAME.T if orientation & 4 else FRAME
    expected = np.flipud(expected) if orientation & 2 else expected
    expected = np.fliplr(expected) if orientation & 1 else expected
    np.testing.assert_array_equal(orient(FRAME[None], orientation)[0], expected)


@pytest.mark.parametrize("orientation", range(8))
def test_a_point_moves_with_its_pixel(orientation):
    v, u = orient_point((1, 3), FRAME.shape, orientation)
    assert orient(FRAME, orientation)[v, u] == FRAME[1, 3]


def test_zero_frequency_goes_to_the_centre_for_even_and_odd():
    for shape in ((4, 6), (5, 7)):
        frame = np.zeros(shape)
        frame[0, 0] = 1
        assert corner_to_centre(frame)[shape[0] // 2, shape[1] // 2] == 1


@pytest.mark.parametrize("size, binning", [(8, 1), (7, 1), (8, 2), (12, 3)])
def test_window_puts_the_beam_on_the_middle_pixel(size, binning):
    frame = np.zeros((1, 40, 40))
    frame[0, 21, 17] = 1
    start = (window_start(21, size, binning), window_start(17, size, binning))
    found = bin_counts(window(frame, start, (size, size)), binning)[0]
    middle = size // binning // 2
    assert found[middle, middle] == 1


def test_window_beyond_the_frame_is_filled():
    part = window(FRAME, (-1, 2), (3, 4))
    np.testing.assert_array_equal(
        pad_window(part, (-1, 2), (3, 4), -1), [[-1, -1, -1, -1], [2, 3, -1, -1], [6, 7, -1, -1]]
    )


def test_binning_sums_counts_and_keeps_what_is_missing():
    frames = np.arange(16, dtype=np.float32).reshape(1, 4, 4)
    np.testing.assert_array_equal(bin_counts(frames, 2)[0], [[10, 18], [42, 50]])
    frames[0, 0, 1] = -1
    np.testing.assert_array_equal(bin_counts(frames, 2)[0], [[-1, 18], [42, 50]])
    np.testing.assert_array_equal(bin_mask(frames[0] >= 0, 2), [[False, True], [True, True]])


def test_hot_and_dead_pixels():
    mean = np.full((20, 20), 5.0)
    mean[3, 4], mean[10, 11] = 500, 0
    mask = np.ones((20, 20), bool)
    assert np.argwhere(hot_pixels(mean, mask, 20, 0.1)).tolist() == [[3, 4]]
    assert np.argwhere(dead_pixels(mean, mask, 0.1)).tolist() == [[10, 11]]


def test_beam_centre_of_a_disc_on_a_background():
    v, u = np.indices((64, 48))
    mean = 1.0 + 200 * (np.hypot(v - 30.5, u - 20.25) < 12)
    mask = np.ones((64, 48), bool)
    np.testing.assert_allclose(beam_centre(mean, mask), (30.5, 20.25), atol=0.1)
