"""What the figures of particles, pores and densities show, read back from the figures."""

from typing import Any

import numpy as np
import pytest

from jxrecon.analysis.pores import pore_sizes
from jxrecon.analysis.radial import RadialProfile, averaged_profile
from jxrecon.figures import canvas
from jxrecon.figures.half_maps import half_maps, middle_slice
from jxrecon.figures.particle_views import CRACK, View, on_cut, on_surface, particle_views
from jxrecon.figures.pore_histogram import pore_histogram, volume_share
from jxrecon.figures.radial_density import radial_density
from jxrecon.figures.rendering import faces_of
from jxrecon.figures.slice_grid import Tomogram, slice_grid

VOXEL = 20e-9
Z, Y, X = np.meshgrid(*(np.arange(32) - 15.5,) * 3, indexing="ij")
BALL = Z**2 + Y**2 + X**2 < 12**2
DENSITY = np.where(BALL, 0.9, 0.0)
LIMITS = (0.5, 1.1)


@pytest.fixture(scope="module", autouse=True)
def coarse():
    """Fewer pixels, for speed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canvas, "DPI", 40)
        yield


def test_cracks_are_coloured_where_they_are(tmp_path):
    crack = BALL & (np.abs(Y + 6) < 1)
    surface, inner = faces_of(DENSITY, True, LIMITS)
    cut = on_cut(inner, crack)
    coloured = np.all(cut.colour == CRACK, axis=1)
    middle = cut.corners.mean(axis=1)[:, 1] - 16  # y of the faces
    assert 0 < coloured.sum() < len(coloured) / 3
    assert np.all(np.abs(middle[coloured] + 6) <= 1.01)
    outer = on_surface(surface, crack)
    changed = np.any(outer.colour != surface.colour, axis=1)
    place = surface.corners.mean(axis=1)[:, 1] - 16
    assert changed.any() and np.all(np.abs(place[changed] + 6) < 4)
    assert on_surface(surface, ~BALL & BALL) is surface
    views = {"cycled_small": View(DENSITY, crack), "pristine": View(DENSITY)}
    canvas.save(particle_views(views, VOXEL), tmp_path / "views.png")
    canvas.save(particle_views({"nothing": View(np.zeros((16, 16, 16)))}, VOXEL), tmp_path / "n.png")


def test_pores_are_left_and_densities_right_of_the_middle(tmp_path):
    off = np.roll(BALL, (2, -3), (1, 2))
    diameter = np.where(off & (np.abs(Z) < 3), 60.0, 0.0)
    here = middle_slice(diameter, np.where(off, 0.9, 0.0), off)
    assert [np.nonzero(here.particle)[k].mean() for k in (0, 1)] == pytest.approx([16, 16], abs=0.6)
    figure = half_maps({"found": {"pristine": here}, "truth": {"pristine": here}}, VOXEL)
    density, pores = (np.ma.filled(i.get_array(), np.nan) for i in figure.axes[0].images)
    assert np.isnan(density[:, :16]).all() and np.array_equal(density[:, 16:], here.density[:, 16:])
    assert np.isnan(pores[:, 16:]).all() and np.nanmax(pores) == 60
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert "pore diameter / nm" in labels and "electron density / e Å⁻³" in labels
    canvas.save(figure, tmp_path / "halves.png")


def test_histograms_add_up_to_the_porosity(tmp_path):
    diameter = np.where(BALL & (X > 5), 50e-9, 0) + np.where(BALL & (X < -8), 90e-9, 0)
    edges = np.arange(10e-9, 171e-9, 20e-9)
    sizes = pore_sizes(diameter, BALL, 10e-9, edges)
    assert volume_share(sizes).sum() == pytest.approx(100 * np.count_nonzero(diameter) / BALL.sum())
    figure = pore_histogram({"pristine": [sizes, sizes]}, {"pristine": [sizes]}, 10.0)
    steps: Any = figure.axes[0].patches[0]
    assert steps.get_data().values == pytest.approx(volume_share(sizes))
    text = figure.axes[0].get_legend().get_texts()[0].get_text()
    assert text == f"pristine: {100 * sizes.porosity:.1f} % pores, {1e9 * sizes.mean:.0f} nm"
    canvas.save(figure, tmp_path / "pores.png")


def test_parabolas_and_bars(tmp_path):
    rho = (np.arange(10) + 0.5) / 10
    voxels = np.diff(np.linspace(0, 1, 11) ** 3 * 1e4).astype(int)
    profiles = [RadialProfile(rho, 0.9 - k * rho**2, 0 * rho, voxels) for k in (0.1, 0.2)]
    mean = averaged_profile(profiles)
    figure = radial_density({"cycled_small": mean}, {"cycled_small": mean})
    axes: Any = figure.axes[0]
    line = next(one for one in axes.lines if len(one.get_xdata()) == 200)
    assert line.get_ydata()[-1] == pytest.approx(0.75, abs=1e-6)
    bars = axes.collections[-1].get_segments()
    heights = [segment[1, 1] - segment[0, 1] for segment in bars]
    assert heights == pytest.approx(2 * mean.half_std)
    canvas.save(figure, tmp_path / "radial.png")


def test_slices_carry_their_resolution(tmp_path):
    rows = {
        "pristine": [Tomogram(DENSITY[16], 31.4, "seed 0"), Tomogram(DENSITY[16])],
        "delithiated": [Tomogram(DENSITY[16], 40.0, "seed 0")],
    }
    figure = slice_grid(rows, VOXEL)
    words = {text.get_text() for axes in figure.axes for text in axes.texts}
    assert {"seed 0", "31 nm", "40 nm"} <= words
    assert [axes.get_visible() for axes in figure.axes[:4]] == [True, True, True, False]
    canvas.save(figure, tmp_path / "grid.png")
