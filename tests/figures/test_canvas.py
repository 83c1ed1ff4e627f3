"""Scale bars, lengths and limits."""

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from jxrecon.figures.canvas import length_text, new_figure, robust_limits, round_length, scale_bar


@pytest.mark.parametrize(
    "length, expected", [(1.0, 1.0), (1.99, 1.0), (2.0, 2.0), (4.9e-6, 2e-6), (5e-6, 5e-6), (9.9e-9, 5e-9)]
)
def test_round_lengths_are_1_2_5(length, expected):
    assert round_length(length) == pytest.approx(expected)


@pytest.mark.parametrize(
    "length, expected",
    [(2e-7, "200 nm"), (1e-6, "1 µm"), (2.5e-3, "2.5 mm"), (5e-11, "50 pm"), (1.0, "1 m"), (6.36e-8, "63.6 nm")],
)  # fmt: skip
def test_lengths_take_the_unit_of_their_size(length, expected):
    assert length_text(length) == expected


def test_scale_bar_is_as_long_as_it_says():
    axes = new_figure(4, 4).add_subplot()
    scale_bar(axes, 28e-9, (300, 400))
    (bar,) = (patch for patch in axes.patches if isinstance(patch, Rectangle))
    assert axes.texts[0].get_text() == "2 µm"
    assert bar.get_width() * 28e-9 == pytest.approx(2e-6)
    assert bar.get_x() + bar.get_width() < 400 and bar.get_y() + bar.get_height() < 300


def test_limits_leave_out_outliers_and_survive_what_is_flat_or_missing():
    values = np.linspace(0, 1, 10_001)
    values[0] = 1e9
    low, high = robust_limits(values)
    assert low == pytest.approx(0.005, abs=1e-3) and high == pytest.approx(0.995, abs=1e-3)
    assert robust_limits(np.full(5, 2.0)) == (1.5, 2.5)
    assert robust_limits(np.full(5, np.nan)) == (0.0, 1.0)
