"""Cracks against cell volumes: a sheet whose answer is known, grids of two sizes, and the twin's particles."""

import numpy as np
import pytest

from jxrecon.analysis.correlate import (
    brought_together,
    coarsened,
    crack_and_cell,
    crack_proximity,
    equivalent_radius,
    pearson,
)
from jxrecon.twin.particle import preset

SHAPE = (48, 48, 48)
Z, Y, X = np.meshgrid(*(np.arange(48) - 23.5,) * 3, indexing="ij")
BALL = Z**2 + Y**2 + X**2 < 20**2
SHEET = BALL & (np.abs(X) < 1) & (Y > -5)


def test_proximity_falls_off_from_a_sheet():
    near = crack_proximity(BALL & (np.abs(X) < 1), 4.0)
    assert near[24, 24, 24] == 1 and near[24, 24, 32] == pytest.approx(np.exp(-8 / 4))
    assert not crack_proximity(np.zeros(SHAPE, bool), 4.0).any()
    assert equivalent_radius(BALL) == pytest.approx(20, abs=0.05)


def test_coarse_voxels_are_weighted_means():
    values, weight = np.arange(1000.0).reshape(10, 10, 10), np.zeros((10, 10, 10))
    weight[1:3, 1:3, 1:3] = 1
    weight[1, 1, 1] = 3
    mean, share = coarsened(values, weight, 4)  # from voxel 1 on, a margin of 1 on either side
    assert mean.shape == (2, 2, 2) and share[0, 0, 0] == pytest.approx(10 / 64)
    assert mean[0, 0, 0] == pytest.approx(np.average(values[1:5, 1:5, 1:5], weights=weight[1:5, 1:5, 1:5]))
    assert np.isnan(mean[1, 1, 1])


def test_a_cell_that_grows_at_the_crack_correlates_whatever_the_grid():
    growth = 0.03 + 0.05 * crack_proximity(SHEET, 0.16 * 20).astype(float)
    assert crack_and_cell(SHEET, BALL, growth) == pytest.approx(1.0, abs=1e-3)
    coarse, _ = coarsened(growth, BALL, 4)
    assert crack_and_cell(SHEET, BALL, coarse, 4) > 0.999
    elsewhere = BALL & (np.abs(Z) < 1) & (Y > -5)
    assert crack_and_cell(elsewhere, BALL, growth) < 0.5
    assert np.isnan(crack_and_cell(np.zeros(SHAPE, bool), BALL, growth))
    moved = np.roll(coarse, 1, axis=2)
    assert (
        crack_and_cell(SHEET, BALL, moved, 4, shift=(0.0, 0.0, 1.0))
        > 0.95
        > crack_and_cell(SHEET, BALL, moved, 4)
    )


def test_flat_maps_have_no_coefficient():
    flat, other, where = np.ones((4, 4, 4)), np.arange(64.0).reshape(4, 4, 4), np.ones((4, 4, 4), bool)
    assert np.isnan(pearson(flat, other, where))
    assert pearson(other, -other, where) == pytest.approx(-1)


def test_tomogram_and_diffraction_are_brought_together():
    matter = np.where(BALL, 0.9 - 0.3 * SHEET, 0)
    coarse, share = coarsened(matter, np.ones(SHAPE), 2)
    found = brought_together(np.roll(coarse, (1, 0, -2), (0, 1, 2)), coarse)
    assert found.shift_voxels == pytest.approx((-1, 0, 2), abs=0.2)  # coarse voxels


@pytest.mark.parametrize("state", ["delithiated", "cycled_large", "cycled_small"])
def test_the_twin(state):
    """True cracks on 40 nm voxels, cells on 80 nm: 0.85 at least (0.88 to 0.94 on voxels of 20 nm, six seeds each)."""
    maps = preset("mini", state=state, supersample=1).maps(3)
    change = maps.volume_change.astype(np.float64)
    assert crack_and_cell(maps.particle & (maps.crack_share > 0.25), maps.particle, change) > 0.85
    coarse, _ = coarsened(change, maps.inside, 2)
    assert crack_and_cell(maps.particle & (maps.crack_share > 0.25), maps.particle, coarse, 2) > 0.85
