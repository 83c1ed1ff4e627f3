"""What the figures of a lattice show, read back from them."""

from typing import Any

import numpy as np
import pytest

from jxrecon.figures import canvas
from jxrecon.figures.bulk_patterns import bulk_patterns
from jxrecon.figures.cell_volume import cell_volume_maps
from jxrecon.figures.core_and_shell import VoxelPattern, core_and_shell
from jxrecon.figures.reflection_maps import reflection_maps
from jxrecon.figures.state_peaks import state_peaks
from jxrecon.figures.width_ratio import width_ratio_maps

RNG = np.random.default_rng(0)
SHAPE, STEP = (9, 11), 0.5e-6
STATES = ("pristine", "cycled_small")
X = np.arange(7.5, 21.5, 0.02)
PATTERNS = {
    state: 5 + 100 * np.exp(-(((X - centre) / 0.1) ** 2))
    for state, centre in zip(STATES, (8.66, 8.46), strict=True)
}


@pytest.fixture(scope="module", autouse=True)
def coarse():
    """Fewer pixels, for speed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canvas, "DPI", 40)
        yield


def images(figure) -> Any:
    return [axes.images[0] for axes in figure.axes if axes.images]


def areas(scale):
    return {name: scale * RNG.uniform(0.1, 1, SHAPE) for name in ("101", "104", "003")}


def test_reflections_as_colours(tmp_path):
    rows = {
        "truth": {"pristine": areas(1.0), "cycled_small": areas(0.5)},
        "found": {"cycled_small": areas(0.5)},
    }
    figure = reflection_maps(rows, STEP)
    small = rows["truth"]["cycled_small"]
    drawn = np.asarray(figure.axes[1].images[0].get_array())
    for k, name in enumerate(("101", "104", "003")):
        assert np.allclose(drawn[..., k], small[name] / small[name].max())
    # The inset is relative to the pristine one, and as dark as the crystal is weak; the found row has no pristine one.
    (inset,) = figure.axes[1].child_axes
    dark = np.asarray(inset.images[0].get_array())
    assert np.allclose(dark[..., 1], small["104"] / rows["truth"]["pristine"]["104"].max())
    assert [len(axes.child_axes) for axes in figure.axes] == [0, 1, 0, 0]
    assert [axes.get_visible() for axes in figure.axes] == [True, True, False, True]
    assert figure.axes[1].get_title() == "cycled, small"
    canvas.save(figure, tmp_path / "colours.png")


def test_scalar_maps_share_one_scale(tmp_path):
    ratio = {state: RNG.uniform(0.9, 1.1, SHAPE) for state in STATES}
    ratio["pristine"][0, 0] = np.nan
    figure = width_ratio_maps({"slice": ratio}, STEP, (0.8, 1.2))
    assert [image.get_clim() for image in images(figure)] == [(0.8, 1.2)] * 2
    assert np.array_equal(
        np.ma.filled(images(figure)[0].get_array(), np.nan), ratio["pristine"], equal_nan=True
    )
    assert figure.axes[-1].get_ylabel() == "FWHM(003) / FWHM(104)"
    volumes = {state: RNG.uniform(100, 112, SHAPE) for state in STATES}
    figure = cell_volume_maps({"slice": volumes}, STEP, 100.0)
    every = np.stack(list(volumes.values()))
    assert images(figure)[0].get_clim() == (every.min(), every.max())
    (change,) = figure.axes[-1].child_axes
    figure.canvas.draw()
    assert np.allclose(change.get_ylim(), [every.min() - 100, every.max() - 100])  # per cent of 100
    canvas.save(figure, tmp_path / "volumes.png")


def test_averaged_peaks():
    truth = {state: 2 * pattern for state, pattern in PATTERNS.items()}
    figure = state_peaks(PATTERNS, X, 0.7166717e-10, truth, {"003": (8.1, 9.0)})
    first, exact, *_ = figure.axes[0].lines
    assert exact.get_linewidth() > 2 * first.get_linewidth() and exact.get_zorder() < first.get_zorder()
    assert [text.get_text() for text in figure.legends[0].texts] == ["pristine", "cycled, small", "truth"]
    assert first.get_ydata().max() == 1 and first.get_ydata().min() == 0
    assert first.get_xdata()[np.argmax(first.get_ydata())] == pytest.approx(8.66, abs=0.011)
    assert np.allclose(first.get_ydata(), exact.get_ydata())
    figure.canvas.draw()
    (top,) = figure.axes[0].child_axes
    q = 4 * np.pi / 0.7166717 * np.sin(np.radians([8.1, 9.0]) / 2)
    assert np.allclose(top.get_xlim(), q)


def test_voxels_of_core_and_shell():
    voxels = {
        place: VoxelPattern(PATTERNS[state], PATTERNS[state] + 1, 0.166)
        for place, state in zip(("core", "shell"), STATES)
    }
    figure = core_and_shell({"cycled_large": voxels, "cycled_small": voxels}, X, {"003": (8.1, 9.0)})
    dots, line, *_ = figure.axes[0].lines
    assert np.allclose(np.asarray(line.get_ydata()) - np.asarray(dots.get_ydata()), 1)
    assert line.get_label() == "core, FWHM(003) 0.166°"
    assert figure.axes[0].get_title() == "(003)" and figure.axes[1].get_xlabel() == "2θ / degrees"
    known = {place: v._replace(truth=v.counts + 3, true_fwhm_deg=0.2) for place, v in voxels.items()}
    figure = core_and_shell({"cycled_small": known}, X, {"003": (8.1, 9.0)})
    dots, line, truth, *_ = figure.axes[0].lines
    assert np.allclose(np.asarray(truth.get_ydata()) - np.asarray(dots.get_ydata()), 3)
    assert line.get_label() == "core, FWHM(003) 0.166° (true 0.200°)"
    (legend,) = [axes.get_legend() for axes in figure.axes]
    assert legend is not None and [t.get_text() for t in legend.texts].count("truth") == 1


def test_bulk_patterns():
    figure = bulk_patterns(PATTERNS, X, 0.7166717e-10, {"003": 8.66})
    first, second, mark = figure.axes[0].lines
    assert first.get_ydata().max() == 1
    assert second.get_ydata().max() == pytest.approx(1.55)
    assert set(mark.get_xdata()) == {8.66}
    truth = {"cycled_small": 2 * PATTERNS["cycled_small"]}
    lines = bulk_patterns(PATTERNS, X, 0.7166717e-10, {}, truth).axes[0].lines
    assert len(lines) == 3 and np.allclose(lines[1].get_ydata(), lines[2].get_ydata())
