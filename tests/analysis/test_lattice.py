"""Volumes, colours and choices of voxels against numbers that can be told beforehand."""

import numpy as np
import pytest

from jxrecon.analysis.lattice import (
    averaged,
    between_radii,
    hexagonal_volume,
    maxima,
    mean_cell,
    reflection_colours,
    strongest,
    volume_change,
    voxel_at_radius,
    width_ratio,
)
from jxrecon.forward.cell import Cell

RNG = np.random.default_rng(0)
SHAPE = (3, 5, 7)
AREAS = {name: RNG.uniform(0.1, scale, SHAPE) for name, scale in (("101", 1.0), ("104", 5.0), ("003", 0.2))}


def test_volume_is_that_of_the_cell():
    a, c = np.array([2.852, 2.9]), np.array([14.24, 14.6])
    for k in range(2):
        assert hexagonal_volume(a, c)[k] == pytest.approx(
            Cell("trigonal", (float(a[k]), float(c[k]))).volume_cubic_angstrom, rel=1e-12
        )


@pytest.mark.parametrize("dtype, error", [(np.float64, 1e-13), (np.float32, 3e-7)])
def test_change_of_volume(dtype, error):
    """Of both axes together; in single precision no worse than the axes themselves."""
    a, c = 2.852 * (1 + np.array([0, 1e-3, 0.02])), 14.24 * (1 + np.array([0, 2e-3, 0.05]))
    exact = (1 + np.array([0, 1e-3, 0.02])) ** 2 * (1 + np.array([0, 2e-3, 0.05])) - 1
    found = volume_change(a.astype(dtype), c.astype(dtype), (2.852, 14.24))
    assert np.max(np.abs(found - exact)) < error
    assert found.dtype == dtype


def test_mean_cell_leaves_out_what_is_not_there():
    a, c = np.array([2.8, np.nan, 3.0, 9.0]), np.array([14.0, np.nan, 15.0, 9.0])
    found = mean_cell(a, c, np.array([True, True, True, False]))
    assert found == pytest.approx((2.9, 14.5))


def test_colours_are_relative_to_the_largest():
    own = reflection_colours(AREAS)
    assert own.shape == (*SHAPE, 3)
    for k, name in enumerate(("101", "104", "003")):
        assert np.allclose(own[..., k], AREAS[name] / AREAS[name].max())
    half = reflection_colours({k: v / 2 for k, v in AREAS.items()}, maxima(AREAS))
    assert np.allclose(half, own / 2)
    assert reflection_colours(AREAS, (1e-3, 1.0, 1.0)).max() == 1
    broken = AREAS | {"003": np.full(SHAPE, np.nan)}
    broken["003"][0, 0, 0] = 1.0
    assert reflection_colours(broken)[1, 1, 1, 2] == 0
    with pytest.raises(ValueError, match="above zero"):
        reflection_colours(AREAS, (0.0, 1.0, 1.0))


def test_strongest_reflection():
    layers = {name: np.zeros(3) + 0.2 for name in AREAS}
    for k, name in enumerate(("101", "104", "003")):
        layers[name] = 10.0**k * (0.2 + 0.8 * (np.arange(3) == k))
    assert strongest(layers).tolist() == [0, 1, 2]


def test_ratio_of_widths_and_means_of_patterns():
    inside = RNG.uniform(size=SHAPE) > 0.4
    ratio = width_ratio(np.full(SHAPE, 0.2), np.full(SHAPE, 0.1), inside)
    assert np.all(ratio[inside] == 2) and np.all(np.isnan(ratio[~inside]))
    patterns = RNG.uniform(size=(*SHAPE, 11))
    assert np.allclose(averaged(patterns, inside), patterns[inside].mean(0))
    with pytest.raises(ValueError, match="no voxel"):
        averaged(patterns, np.zeros(SHAPE, bool))


def test_voxels_by_radius():
    radius = np.linspace(0, 1.1, 23)[:, None] * np.ones(3)
    inside, area = radius < 1, np.ones(radius.shape)
    area[:, 0], area[:, 2] = 0.1, 5.0
    where = between_radii(radius, inside, 0.7, 0.95)
    assert np.array_equal(where[:, 0], (radius[:, 0] >= 0.7) & (radius[:, 0] < 0.95))
    row, column = voxel_at_radius(radius, area, inside, 0.85)
    assert radius[row, column] == pytest.approx(0.85, abs=0.051) and column == 1
    assert voxel_at_radius(radius, area, inside, 3.0)[0] == 19
    with pytest.raises(ValueError, match="no voxel"):
        voxel_at_radius(radius, area, np.zeros(radius.shape, bool), 0.5)
