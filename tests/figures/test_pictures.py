"""What the figures show, read back from the figures."""

from typing import Any

import numpy as np
import pytest
from skimage.color import rgb2lab

from jxrecon.analysis.resolution import RingCorrelation
from jxrecon.figures.loss import loss_curves
from jxrecon.figures.object import level_phase, object_amplitude, object_phase
from jxrecon.figures.pattern import deviation, patterns
from jxrecon.figures.positions import scan_positions
from jxrecon.figures.probe import field_colours, percent, phase_colours, probe_modes
from jxrecon.figures.ring_correlation import nice_periods, ring_correlation_curve

PIXEL = (30e-9, 30e-9)
RNG = np.random.default_rng(0)


def image_of(figure) -> Any:
    return figure.axes[0].images[0]


def particle():
    y, x = np.mgrid[:80, :90]
    return np.exp(-0.6j * (np.hypot(y - 40, x - 45) < 15)).astype(np.complex64)


def test_phase_is_shown_without_offset_and_ramp_and_matter_is_dark():
    y, x = np.mgrid[:80, :90]
    lit = np.hypot(y - 40, x - 45) < 30
    tilted = particle() * np.exp(1j * (2.0 + 0.05 * y - 0.11 * x)).astype(np.complex64)
    found = level_phase(tilted, lit)
    np.testing.assert_allclose(found[lit] - found[lit].max(), np.angle(particle())[lit], atol=2e-4)
    figure = object_phase(tilted, PIXEL, lit)
    image = image_of(figure)
    assert image.get_cmap().name == "gray"
    shown = image.get_array()
    assert shown.shape == (59, 59) and shown.mask[0, 0] and not shown.mask[29, 29]
    assert shown[29, 29] == pytest.approx(shown[2, 29] - 0.6, abs=1e-3)
    assert figure.axes[1].get_ylabel() == "phase / rad"


def test_a_wrapped_phase_gets_a_cyclic_map_over_the_whole_turn():
    y, x = np.mgrid[:80, :90]
    figure = object_phase(np.exp(0.004j * (y - 40.0) ** 2), PIXEL)
    image = image_of(figure)
    assert image.get_cmap().name == "twilight"
    assert image.get_clim() == pytest.approx((-np.pi, np.pi))


def test_amplitude_is_drawn_as_it_is():
    image = image_of(object_amplitude(0.7 * particle(), PIXEL))
    np.testing.assert_allclose(image.get_array(), 0.7, rtol=1e-6)


def test_hues_are_equally_light_and_turn_once():
    phase = np.linspace(-np.pi, np.pi, 200)
    lab = rgb2lab(phase_colours(phase))
    assert np.ptp(lab[:, 0]) < 3
    hue = np.unwrap(np.arctan2(lab[:, 2], lab[:, 1]))
    assert hue[-1] - hue[0] == pytest.approx(2 * np.pi, abs=0.2) and np.all(np.diff(hue) > 0)
    field = np.array([[2.0, 1.0j], [0.0, np.nan]])
    colours = field_colours(field)
    np.testing.assert_allclose(colours[0, 0], phase_colours(np.array(0.0)), rtol=5e-3)
    np.testing.assert_allclose(colours[0, 1], phase_colours(np.array(np.pi / 2)) / 2, rtol=5e-3)
    assert not colours[1].any()


def test_modes_are_titled_with_their_share_of_the_power():
    modes = np.stack([3 * np.ones((16, 16)), np.ones((16, 16))]).astype(np.complex64)
    titles = [axes.get_title() for axes in probe_modes(modes, PIXEL).axes]
    assert titles == ["mode 1: 90.0 %", "mode 2: 10.0 %", "phase"]
    assert percent(0.00012) == "0.012 %" and percent(1.0) == "100 %"


def test_arrows_are_the_corrections_times_the_factor_in_the_title():
    nominal = RNG.uniform(-100, 100, (200, 2))
    change = RNG.normal(0, 0.4, (200, 2))
    figure = scan_positions(nominal, nominal + change + 3.0, PIXEL)
    (axes,) = figure.axes
    factor = float(axes.get_title().rsplit("× ", 1)[1])
    arrows: Any = axes.collections[0]
    expected = factor * (change - change.mean(0)) * 0.03
    np.testing.assert_allclose(np.stack([arrows.V, arrows.U], axis=1), expected, atol=1e-9)
    assert axes.yaxis_inverted()
    still = scan_positions(nominal, nominal + 3.0, PIXEL).axes[0]
    assert not still.collections and still.get_title() == "200 positions"


def test_patterns_share_their_scale_and_grey_what_was_not_measured():
    predicted = RNG.gamma(1.0, 30.0, (2, 24, 20))
    measured = RNG.poisson(predicted).astype(float)
    measured[0, 3, 4] = -1
    mask = np.ones((24, 20), bool)
    mask[10] = False
    axes: Any = patterns(measured, predicted, mask, [7, 8]).axes
    left, right, residual = (a.images[0] for a in axes[:3])
    assert left.get_clim() == right.get_clim() and left.norm is not None
    hidden = residual.get_array().mask
    assert hidden[3, 4] and hidden[10].all() and hidden.sum() == 21
    shown = residual.get_array()[0, 0]
    assert shown == pytest.approx(deviation(measured, predicted)[0, 0, 0])
    assert axes[0].get_title() == "frame 7, measured"


def test_losses_are_logarithmic_only_where_they_are_positive():
    epochs = np.arange(1, 30)
    falling = 1e6 / epochs
    up = loss_curves(epochs, {"data": falling, "prior": falling / 3, "total": falling * 4 / 3}).axes[0]
    assert up.get_yscale() == "log" and len(up.lines) == 3
    down = loss_curves(epochs, {"data": falling, "prior": -falling, "total": 0 * falling}).axes[0]
    assert down.get_yscale() == "linear"
    assert len(loss_curves(epochs[:1], {"data": falling[:1], "total": falling[:1]}).axes[0].lines) == 1


def test_crossings_are_marked_where_the_curve_crosses():
    frequency = np.linspace(0, 1, 60)
    curve = RingCorrelation(frequency, 1 / (1 + np.exp(20 * (frequency - 0.5))), np.full(60, 1e3))
    axes: Any = ring_correlation_curve(curve, 30e-9).axes[0]
    marked = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o"]
    assert marked == pytest.approx([curve.crossing(0.5), curve.crossing(1.0)])
    assert f"{30 / curve.crossing(0.5):.3g} nm" in axes.lines[1].get_label()


def test_ticks_of_half_periods_are_round_and_apart():
    periods = nice_periods(28e-9, lowest=0.08)
    where = 28e-9 / periods
    assert len(periods) > 5 and where.max() <= 1 and np.all(np.diff(where) <= -0.07)
