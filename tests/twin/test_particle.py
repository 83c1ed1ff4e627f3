"""The particle: reproducible, on any grid, its densities."""

import numpy as np
import pytest

from jxrecon.twin.particle import preset

TINY = preset("tiny", state="cycled_small")


@pytest.fixture(scope="module")
def tiny():
    return TINY.maps(3)


def test_reproducible(tiny):
    again, other = TINY.maps(3), TINY.electron_density(4)
    assert np.array_equal(tiny.electron_density, again.electron_density)
    assert np.std(other - tiny.electron_density) > 0.1


def test_bounds(tiny):
    assert np.all((tiny.occupancy >= 0) & (tiny.occupancy <= 1))
    assert np.all((tiny.electron_density >= 0) & (tiny.electron_density <= 1.03 * TINY.n_solid))


def test_finer_voxels_are_the_same_points(tiny):
    fine = TINY.finer(2).electron_density(3)
    pooled = fine.reshape(32, 2, 32, 2, 32, 2).mean(axis=(1, 3, 5))
    assert np.allclose(pooled, tiny.electron_density, atol=1e-4)
