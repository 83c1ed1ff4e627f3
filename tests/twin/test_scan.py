"""Spacing, number and evenness of scan positions."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from jxrecon.twin import scan


def nearest_neighbours(points):
    return cKDTree(points).query(points, 2)[0][:, 1]


@pytest.mark.parametrize("field", [(np.sqrt(300), np.sqrt(300)), (15.0, 20.0), (10.0, 30.0)])
def test_spiral_of_1_um_on_300_um2(field):
    """The scan of the paper: 300 points +- 10 %; nearest neighbours 0.95 steps apart, varying by less than 5 %."""
    points = scan.fermat_spiral_in(field, 1.0)
    distance = nearest_neighbours(points)
    assert len(points) == pytest.approx(300, rel=0.1)
    assert distance.mean() == pytest.approx(0.951, abs=0.01)
    assert distance.std() / distance.mean() < 0.05
    assert np.all(np.abs(points) <= np.asarray(field) / 2)


@pytest.mark.parametrize("count, step", [(80, 8.0), (300, 1.0), (1000, 3.5)])
def test_spiral_has_one_point_on_every_step_squared(count, step):
    radius = np.hypot(*scan.fermat_spiral(count, step).T)
    assert len(radius) == count
    assert np.pi * radius.max() ** 2 == pytest.approx(count * step**2, rel=0.01)
    assert np.all(np.diff(radius) > 0)


def test_raster_goes_to_and_fro():
    points = scan.raster(3, 4, 2.0)
    assert np.allclose(np.linalg.norm(np.diff(points, axis=0), axis=1), 2.0)
    assert np.array_equal(np.unique(points[:, 0]), [-2, 0, 2])
    assert np.array_equal(np.unique(points[:, 1]), [-3, -1, 1, 3])


def test_circles_are_evenly_filled():
    points = scan.concentric_circles(6, 2.0)
    assert len(points) == 1 + sum(round(2 * np.pi * k) for k in range(1, 7))
    distance = nearest_neighbours(points)
    assert distance.min() > 1.85 and distance.max() < 2.05


def test_jitter_of_a_raster():
    still = scan.Raster(40, 40, 8.0).positions(np.random.default_rng(0))
    moved = scan.Raster(40, 40, 8.0, jitter=1.5).positions(np.random.default_rng(0))
    assert np.std(moved - still) == pytest.approx(1.5, rel=0.03)


@pytest.mark.parametrize(
    "pattern", [scan.FermatSpiral(57, 8.0), scan.Raster(5, 8), scan.ConcentricCircles(3)]
)
def test_scans_are_centred(pattern):
    points = pattern.positions(np.random.default_rng(0))
    assert points.dtype == np.float64 and points.shape[1] == 2
    assert np.abs(points.max(0) + points.min(0)).max() < 1e-12
