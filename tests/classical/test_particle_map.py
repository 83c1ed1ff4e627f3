"""Lattice maps: noise of correlated channels, windows, and a map whose cells are known."""

import numpy as np
import pytest

from jxrecon.classical.particle_map import (
    correlated_channels,
    fit_map,
    local_scatter,
    polynomials,
    trusted,
    windows_of,
)
from jxrecon.classical.whole_pattern import Phase
from jxrecon.forward.cell import Cell, bragg_deg

WAVELENGTH = 4.9455e-11
CELL = Cell("trigonal", (2.867, 14.2))
HKL = np.array([(0, 0, 3), (1, 0, 1), (0, 1, 2), (1, 0, 4), (0, 1, 5), (1, 1, 0)])
PHASE = Phase("oxide", CELL, HKL, ("003", "101", "012", "104", "015", "110"))
X = np.arange(5.0, 20.8, 0.01)


def test_correlated_channels_are_those_of_a_moving_mean():
    """A mean over m channels has the autocorrelation 1 - k/m: sum 1 + 2 sum = m."""
    white = np.random.default_rng(1).normal(size=200_000)
    assert correlated_channels(white) == pytest.approx(1, abs=0.02)
    smooth = np.convolve(white, np.ones(5) / 5, "valid")
    assert correlated_channels(smooth) == pytest.approx(5, rel=0.03)


def test_windows_join_and_their_polynomials_vanish_outside():
    windows = windows_of(np.array([7.0, 12.1, 11.6]), 0.4, (6.8, 20.0))
    assert windows == [(6.8, 7.4), pytest.approx((11.2, 12.5))]
    basis = polynomials(X, windows, 3)
    assert basis.shape == (len(X), 3 + 4)  # the second is twice as wide
    assert np.all(basis[(X < 6.79) | ((X > 7.41) & (X < 11.19)) | (X > 12.51)] == 0)


def test_local_scatter_is_that_of_the_noise():
    noise = np.random.default_rng(2).normal(size=len(X))
    curve = 30 + 10 * np.sin(X)  # smooth, and 100 at the reflections, which the windows hide
    windows = windows_of(bragg_deg(HKL, CELL, WAVELENGTH), 0.45, (5.0, 20.8))
    peaks = sum(100 * np.exp(-(((X - c) / 0.05) ** 2)) for c in bragg_deg(HKL, CELL, WAVELENGTH))
    assert local_scatter(X, curve + peaks + 0.5 * noise, windows) == pytest.approx(0.5, rel=0.05)


def patterns(cells, zero, areas):
    """Pseudo-Voigts of width 0.08 on a curved background, with noise of 0.1."""
    generator, found = np.random.default_rng(4), []
    for (a, c), shift, area in zip(cells, zero, areas):
        y = 25 + 3 * np.cos(X / 4)
        for k, centre in enumerate(bragg_deg(HKL, Cell("trigonal", (a, c)), WAVELENGTH)):
            t = (X - centre - shift) / 0.08
            gauss = 2 / 0.08 * np.sqrt(np.log(2) / np.pi) * np.exp(-4 * np.log(2) * t**2)
            y = y + area * (1 + k % 2) * (0.6 * gauss + 0.4 * 2 / np.pi / 0.08 / (1 + 4 * t**2))
        found.append(y + 0.1 * generator.normal(size=len(X)))
    return np.array(found)


def test_the_cells_of_a_map_come_out_and_empty_points_are_not_trusted():
    cells = [(2.867, 14.19), (2.870, 14.15), (2.860, 14.25), (2.867, 14.19), (2.867, 14.19)]
    counts = patterns(cells, (0.0, 0.01, -0.01, 0.0, 0.0), (1.0, 1.0, 1.0, 0.002, 1.0))
    counts[4, 7] = -1  # not measured
    found = fit_map(counts, X, PHASE, WAVELENGTH, half_width_deg=0.45, background_terms=3, fwhm_deg=0.1)
    good = trusted(found, "003")
    assert good.tolist() == [True, True, True, False, False]
    assert np.isnan(found.values["c"][4]) and found.points[4] is None
    for k in range(3):
        volume = Cell("trigonal", cells[k]).volume_cubic_angstrom
        for name, truth in (("a", cells[k][0]), ("c", cells[k][1]), ("volume", volume)):
            error = found.errors[name][k]
            assert abs(found.values[name][k] - truth) < 4 * error
            assert 0 < error < 4e-4 * truth
        assert found.values["fwhm_104"][k] == pytest.approx(0.08, rel=0.03)
        np.testing.assert_allclose(found.area[k], [1, 2, 1, 2, 1, 2], rtol=0.03)
    assert found.values["zero"][:3] == pytest.approx([0, 0.01, -0.01], abs=0.002)
