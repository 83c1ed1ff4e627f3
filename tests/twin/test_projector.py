"""Projections by area footprints against chords, Gaussians, brute force and conservation of mass."""

import numpy as np
import pytest

from jxrecon.twin.projector import columns, footprints, project, project_columns, shadow_integral

ANGLES = [0.0, 0.3, np.pi / 4, np.pi / 2, 1.9, -0.7, np.pi]


def middle(n):
    return np.arange(n) - (n - 1) / 2


def gaussian(shape, centre, width):
    z, y, x = (middle(n) - c for n, c in zip(shape, centre, strict=True))
    return np.exp(-(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2) / (2 * width**2))


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-3, 0.3, np.pi / 4, 1.2, np.pi / 2, 2.5])
def test_shadow_of_a_square(angle):
    """Against 2000^2 points of a square, sorted by where they fall."""
    x = (np.arange(2000) + 0.5) / 2000 - 0.5
    u = np.sort((x * np.cos(angle) + x[:, None] * np.sin(angle)).ravel())
    t = np.linspace(-0.8, 0.8, 33)
    assert np.allclose(shadow_integral(t, angle), np.searchsorted(u, t) / u.size, atol=6e-4)


@pytest.mark.parametrize("angle", ANGLES)
def test_gaussian(angle):
    """A Gaussian at (z, y, x) projects to one at u = x cos + y sin; bins and voxels average over their widths."""
    centre, width = (2.0, -4.0, 5.5), 4.0
    found = project(gaussian((24, 48, 50), centre, width), angle, 1.25, 70)
    u = middle(70) - (centre[2] * np.cos(angle) + centre[1] * np.sin(angle)) - 1.25
    along_u = np.exp(-(u**2) / (2 * (width**2 + 2 / 12))) * width / np.sqrt(width**2 + 2 / 12)
    along_v = np.exp(-((middle(24) - centre[0]) ** 2) / (2 * width**2))
    exact = np.sqrt(2 * np.pi) * width * along_v[:, None] * along_u
    assert np.abs(found - exact).max() < 2e-3 * exact.max()


@pytest.mark.parametrize("angle", ANGLES)
def test_chords_of_a_ball(angle):
    """2 sqrt(R^2 - d^2), averaged over bin and voxel; what is left, 0.2 %, are the cubes at its surface."""
    radius, n = 20.0, 48
    sub = (np.arange(n * 4) + 0.5) / 4 - n / 2
    inside = (sub[:, None, None] ** 2 + sub[:, None] ** 2 + sub**2 < radius**2).astype(np.float32)
    ball = inside.reshape(n, 4, n, 4, n, 4).mean((1, 3, 5))
    found = project(ball, angle, 0.0, n)
    # Two points a standard deviation off the middle stand for a mean: variances 1/6 (bin and voxel) along u, 1/12 along v.
    v, u = middle(n)[:, None, None], middle(n)[:, None]
    ends = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]]) / np.sqrt([12, 6])
    distance = np.hypot(v + ends[:, 0], u + ends[:, 1])
    chord = 2 * np.sqrt(np.maximum(radius**2 - distance**2, 0)).mean(axis=-1)
    error = np.abs(found - chord)[distance.max(axis=-1) < radius - 2]
    assert np.sqrt(np.mean(error**2)) < 0.08 and error.max() < 0.31
    assert np.all(found[distance.min(axis=-1) > radius + 1.5] == 0)


@pytest.mark.parametrize("angle", ANGLES)
def test_mass_is_conserved(angle):
    volume = np.random.default_rng(0).random((5, 20, 30))
    found = project(volume, angle, 0.37, 48)
    assert np.allclose(found.sum(axis=1), volume.sum(axis=(1, 2)), rtol=1e-12)


def test_upright_views_are_sums():
    """At 0 the rows are summed, at 90 degrees the columns: u = x and u = y."""
    volume = np.random.default_rng(1).random((3, 6, 6))
    assert np.allclose(project(volume, 0.0, 0.0, 6), volume.sum(axis=1))
    assert np.allclose(project(volume, np.pi / 2, 0.0, 6), volume.sum(axis=2))
    assert np.allclose(project(volume, 0.0, 2.0, 6)[:, 2:], volume.sum(axis=1)[:, :4])


def test_what_misses_the_detector_is_left_out():
    volume = np.random.default_rng(2).random((2, 20, 20))
    wide, narrow = project(volume, 0.6, 0.2, 41), project(volume, 0.6, 0.2, 11)
    assert np.allclose(narrow, wide[:, 15:26])


def test_several_volumes_at_once():
    both = np.random.default_rng(3).random((2, 4, 9, 8)).astype(np.float32)
    found = project(both, 0.4, 0.0, 13)
    assert found.shape == (2, 4, 13) and found.dtype == np.float32
    assert np.allclose(found[1], project(both[1], 0.4, 0.0, 13), atol=1e-5)
    again = project_columns(columns(both), footprints((9, 8), 0.4, 0.0, 13), 4)
    assert np.array_equal(found, again)
