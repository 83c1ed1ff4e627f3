"""What the scan saw, and windows on it."""

import numpy as np
import pytest

from jxrecon.analysis.region import (
    bounding_box,
    central,
    centred,
    common_region,
    coverage,
    illuminated,
    soft_edge,
)


def test_coverage_adds_the_probes_intensity_where_each_frame_saw_the_object():
    rng = np.random.default_rng(0)
    probe = rng.normal(size=(2, 16, 12)) + 1j * rng.normal(size=(2, 16, 12))
    positions = np.array([[-9.2, 3.4], [0.0, 0.0], [7.8, -6.1]])
    found = coverage(positions, probe, (48, 40))
    expected = np.zeros((48, 40))
    for y, x in np.rint(positions).astype(int):
        # Object pixel of probe pixel (0, 0): position + (Y//2, X//2) - (h//2, w//2).
        top, left = y + 24 - 8, x + 20 - 6
        expected[top : top + 16, left : left + 12] += (abs(probe) ** 2).sum(0)
    np.testing.assert_allclose(found, expected, atol=1e-9 * expected.max())


def test_illuminated_ignores_dark_margins_bright_spots_holes_and_specks():
    square = np.zeros((60, 60), bool)
    square[20:40, 20:40] = True
    light = square.astype(float)
    plain = illuminated(light)
    # Opening by a diamond of radius 2 rounds each corner by three pixels and does nothing else.
    assert plain.sum() == 400 - 4 * 3 and not plain[~square].any()
    light[30, 30] = 5.0
    light[25, 25] = 0.0
    light[5, 5] = 1.0
    np.testing.assert_array_equal(illuminated(light), plain)
    assert not illuminated(np.zeros((8, 8))).any()


def test_common_region_is_what_both_scans_lit():
    first, second = np.zeros((40, 44)), np.zeros((50, 50))
    first[10:30, 12:32] = 1.0  # rows -10..9 and columns -10..9 from the centre
    second[20:40, 15:45] = 1.0  # rows -5..14 and columns -10..19
    region = common_region(first, second)
    expected = np.zeros((50, 50), bool)
    expected[20:35, 15:35] = True
    assert region[22:33, 17:33].all() and not region[~expected].any()


@pytest.mark.parametrize("shape", [(232, 230), (241, 7), (10, 11)])
def test_cropping_and_padding_keep_the_centre_pixel(shape):
    image = np.zeros((51, 40), complex)
    image[25, 20] = 1.0
    found = centred(image, shape, fill=0.0)
    assert found.shape == shape and found[shape[0] // 2, shape[1] // 2] == 1.0 and found.sum() == 1.0


def test_central_is_even_and_in_the_middle():
    region = central((232, 231), 0.55)
    box = bounding_box(region)
    assert box == (slice(53, 179), slice(52, 178))
    assert region[box].all()


@pytest.mark.parametrize("shape", [(50,), (40, 50), (20, 24, 22)])
def test_soft_edge_is_one_inside_and_rises_as_a_raised_cosine(shape):
    window = soft_edge(np.ones(shape, bool), width=8)
    profile = window[(slice(None),) + tuple(n // 2 for n in shape[1:])]
    depth = np.arange(1, 9)
    np.testing.assert_allclose(profile[:8], 0.5 - 0.5 * np.cos(np.pi * (depth - 0.5) / 8))
    assert profile[9 : shape[0] - 9].min() == 1.0
    assert np.all(soft_edge(np.zeros(shape, bool), 4) == 0)
