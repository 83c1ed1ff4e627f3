"""What figures of patterns and maps do with gaps and with points that were not measured."""

import numpy as np

from jxrecon.figures.particle_map import intensities_as_colours
from jxrecon.figures.powder_pattern import broken


def test_no_line_is_drawn_across_missing_channels():
    x = np.array([1.0, 1.1, 1.2, 3.0, 3.1])
    angle, counts = broken(x, np.arange(5.0))
    np.testing.assert_array_equal(np.isnan(angle), [False, False, False, True, False, False])
    np.testing.assert_array_equal(counts, [0, 1, 2, np.nan, 3, 4])


def test_colours_are_roots_of_areas_and_grey_where_nothing_was_measured():
    area = np.full((2, 2, 3), 4.0)
    area[0, 1] = [1.0, 0.0, -1.0]
    area[1, 1] = np.nan
    colour = intensities_as_colours(area)
    np.testing.assert_allclose(colour[0, 0], 1)
    np.testing.assert_allclose(colour[0, 1], [0.5, 0, 0])
    assert len(set(colour[1, 1].tolist())) == 1 and 0.5 < colour[1, 1, 0] < 0.9
