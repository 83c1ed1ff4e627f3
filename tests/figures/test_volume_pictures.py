"""What the figures of volumes and tilt series show, read back from the figures."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from matplotlib import colormaps
from particles import particle

from jxrecon.analysis.density import density_histogram, particle_mask
from jxrecon.analysis.resolution import RingCorrelation
from jxrecon.analysis.shell_correlation import half_period_at
from jxrecon.figures import canvas
from jxrecon.figures.alignment import alignment
from jxrecon.figures.density_histogram import density_histogram_curve
from jxrecon.figures.orthoslices import LIMITS, extend, orthoslices
from jxrecon.figures.rendering import eye, faces_of, rendering
from jxrecon.figures.shell_correlation import shell_correlation_curve
from jxrecon.figures.sinogram import edges, sinogram

VOXEL = 20e-9
SHAPE = (40, 44, 48)
VOLUME = particle(SHAPE)
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module", autouse=True)
def coarse():
    """Fewer pixels, for speed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canvas, "DPI", 40)
        yield


def images(figure) -> Any:
    return [axes.images[0] for axes in figure.axes if axes.images]


def test_orthoslices_are_the_slices_through_one_voxel(tmp_path):
    figure = orthoslices(VOLUME, VOXEL, (12, 20, 30))
    drawn = images(figure)
    for image, expected in zip(drawn, (VOLUME[12], VOLUME[:, 20], VOLUME[:, :, 30])):
        np.testing.assert_array_equal(image.get_array(), expected)
        assert image.get_clim() == LIMITS
    panels = figure.axes
    assert [(a.get_ylabel(), a.get_xlabel()) for a in panels[:3]] == [("y", "x"), ("z", "x"), ("z", "y")]
    assert [line.get_ydata()[0] for line in panels[1].lines[:1]] == [12]
    assert [line.get_xdata()[0] for line in panels[1].lines[1:]] == [30]
    # (12 - 19.5) 20 nm, (20 - 21.5) 20 nm, (30 - 23.5) 20 nm
    assert [a.get_title() for a in panels[:3]] == ["z = -0.15 µm", "y = -0.03 µm", "x = 0.13 µm"]
    assert panels[3].get_ylabel() == "electron density / e Å⁻³"
    canvas.save(figure, tmp_path / "orthoslices.png")


def test_colour_bars_tell_what_lies_beyond_their_ends():
    assert extend(np.array([0.6, 1.0]), LIMITS) == "neither"
    assert extend(np.array([0.0, 1.0]), LIMITS) == "min"
    assert extend(np.array([0.6, 2.0]), LIMITS) == "max"
    assert extend(np.array([0.0, 2.0, np.nan]), LIMITS) == "both"


def test_rows_of_the_sinogram_stand_at_their_angles(tmp_path):
    angle = np.array([90.0, 0.0, 30.0, 150.0])
    projections = RNG.normal(size=(4, 10, 12))
    figure = sinogram(projections, angle, VOXEL, row=3)
    mesh: Any = figure.axes[1].collections[0]
    np.testing.assert_array_equal(mesh.get_array(), projections[[1, 2, 0, 3], 3])
    np.testing.assert_allclose(edges(np.sort(angle)), [-15, 15, 60, 120, 180])
    np.testing.assert_array_equal(images(figure)[0].get_array(), projections[0])
    assert figure.axes[0].get_title() == "projection at 90.0°"
    assert figure.axes[2].get_ylabel() == "phase / rad"
    canvas.save(figure, tmp_path / "sinogram.png")


def test_alignment_is_drawn_beside_the_truth_without_the_gauge(tmp_path):
    angle = RNG.permutation(np.arange(0, 180, 4.0))
    true = RNG.normal(0, 2, (45, 2))
    noise = RNG.normal(0, 0.1, (45, 2))
    theta = np.radians(angle)
    gauge = np.column_stack([np.full(45, 3.0), 1 - 2 * np.cos(theta) + np.sin(theta)])
    figure = alignment(true + gauge + noise, angle, true)
    v, u, residue = figure.axes
    order = np.argsort(angle)
    for axes, k in ((v, 0), (u, 1)):
        np.testing.assert_allclose(axes.lines[0].get_ydata(), true[order, k])
        assert np.abs(np.asarray(axes.lines[1].get_ydata()) - true[order, k]).max() < 0.5
    rms = float(np.std(noise[:, 0]))
    assert residue.get_legend().get_texts()[0].get_text() == f"v: {rms:.2g} px rms"
    assert len(alignment(true, angle).axes) == 2
    canvas.save(figure, tmp_path / "alignment.png")


def test_shells_are_marked_where_they_cross():
    frequency = np.linspace(0, 1, 60)
    halves = RingCorrelation(frequency, 1 / (1 + np.exp(20 * (frequency - 0.5))), np.full(60, 1e3))
    truth = RingCorrelation(frequency, 1 / (1 + np.exp(20 * (frequency - 0.6))), np.full(60, 1e3))
    axes: Any = shell_correlation_curve(halves, VOXEL, truth).axes[0]
    marked = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o"]
    assert marked == pytest.approx([halves.crossing(0.5), halves.crossing(1.0), 0.6], abs=1e-3)
    labels = [line.get_label() for line in axes.lines]
    assert f"half bit: {20 * halves.half_period_px():.3g} nm half period" in " ".join(labels)
    assert f"({half_period_at(truth, 0.5):.3g} voxels)" in labels[-2]
    assert len(shell_correlation_curve(halves, VOXEL).axes[0].lines) < len(axes.lines)


def test_histogram_shows_shares_peaks_and_mean():
    histogram = density_histogram(VOLUME, particle_mask(VOLUME))
    figure = density_histogram_curve(histogram, histogram)
    axes: Any = figure.axes[0]
    steps = axes.patches[0].get_data()
    assert np.sum(steps.values * np.diff(steps.edges)) == pytest.approx(1.0, abs=0.01)
    peaks = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "v"]
    assert peaks == pytest.approx(histogram.peaks)
    assert f"mean {histogram.mean:.3f}" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_the_eye_sees_upright_and_right_handed():
    right, up, towards = eye()
    np.testing.assert_allclose(eye() @ eye().T, np.eye(3), atol=1e-12)
    # (z, y, x): the handedness of (x, y, z) turns round
    assert np.linalg.det(eye()[:, ::-1]) == pytest.approx(1.0)
    assert up[0] > 0 and right[0] == 0 and towards[0] > 0 and towards[1] < 0 and towards[2] > 0


def test_the_surface_is_that_of_a_ball_and_the_cut_shows_the_density(tmp_path):
    z, y, x = np.meshgrid(*(np.arange(n) + 0.5 for n in SHAPE), indexing="ij")
    radius = np.sqrt((z - 20) ** 2 + (y - 22) ** 2 + (x - 24) ** 2)
    volume = 0.9 * np.clip(14.5 - radius, 0, 1) - 0.3 * (x < 24) * (radius < 12)
    whole, nothing = faces_of(volume, False, LIMITS)
    away = np.linalg.norm(whole.corners.reshape(-1, 3) - [20, 22, 24], axis=1)
    assert abs(away.mean() - 14) < 0.3 and away.std() < 0.3 and len(nothing.corners) == 0
    assert np.ptp(whole.colour, axis=1).max() < 0.05  # grey
    surface, cut = faces_of(volume, True, LIMITS)
    # three quarter discs of radius 14, each a square per voxel
    assert len(cut.corners) == pytest.approx(3 * np.pi / 4 * 14**2, rel=0.06)
    sides = np.linalg.norm(np.diff(cut.corners, axis=1), axis=2)
    np.testing.assert_allclose(sides, 1.0)
    assert len(surface.corners) > 1000
    inside = np.linalg.norm(cut.corners.mean(axis=1) - [20, 22, 24], axis=1) < 11
    faces_x = inside & (np.ptp(cut.corners[..., 2], axis=1) == 0)
    for faces, density in ((faces_x, 0.6), (inside & ~faces_x, 0.9)):
        expected = colormaps["inferno"]((density - 0.5) / 0.6)[:3]
        np.testing.assert_allclose(cut.colour[faces], np.broadcast_to(expected, (faces.sum(), 3)), atol=0.02)
    canvas.save(rendering(volume, VOXEL), tmp_path / "rendering.png")


def test_a_large_volume_is_made_coarser_and_nothing_is_drawn_of_nothing(tmp_path):
    long = np.zeros((200, 24, 24))
    long[20:180, 6:18, 6:18] = 0.9
    surface, cut = faces_of(long, True, LIMITS)
    assert len(cut.corners) < 6000 and np.ptp(surface.corners[..., 0]) == pytest.approx(160, abs=8)
    for empty in (np.zeros(SHAPE), np.full(SHAPE, np.nan)):
        canvas.save(rendering(empty, VOXEL), tmp_path / "empty.png")
        canvas.save(orthoslices(empty, VOXEL), tmp_path / "empty.png")


def test_never_pyplot():
    code = (
        "import sys, numpy as np\n"
        "from jxrecon.figures.rendering import rendering\n"
        "import jxrecon.figures.orthoslices, jxrecon.figures.sinogram, jxrecon.figures.alignment\n"
        "rendering(np.ones((20, 20, 20)), 1e-8).savefig('/dev/null', format='png')\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
