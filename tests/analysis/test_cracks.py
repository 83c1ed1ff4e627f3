"""Cracks: sheets across onion layers are found, told apart and measured; pores in layers are none."""

import numpy as np
import pytest

from jxrecon.analysis.cracks import find_cracks
from jxrecon.analysis.local_thickness import local_thickness
from jxrecon.analysis.sheetness import directions, sheetness
from jxrecon.errors import InputError

SIDE, RADIUS = 55, 24.0
ACROSS, ALONG = np.array([0.0, 1.0, 0.0]), np.array([0.6, 0.0, 0.8])


def particle():
    """A ball with pores of 2 voxels at random in two of its layers; places about its middle."""
    axis = np.arange(SIDE) - (SIDE - 1) / 2
    place = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    r = np.linalg.norm(place, axis=-1)
    blocks = np.random.default_rng(0).random((SIDE // 2 + 1,) * 3) < 0.35
    blocks = blocks.repeat(2, 0).repeat(2, 1).repeat(2, 2)[:SIDE, :SIDE, :SIDE]
    pores = blocks & (np.abs(r % 12 - 6) < 2) & (r < RADIUS - 2)
    return place, r, r < RADIUS, pores


def sheet(place, r, normal, reach, width):
    """Half of a disc about the middle, open where the coordinate along `other` is positive."""
    other = np.cross(normal, [1.0, 0.3, 0.2])
    return (np.abs(place @ normal) < width / 2) & (r < reach) & (place @ other > 0)


@pytest.fixture(scope="module")
def cracked():
    place, r, mask, pores = particle()
    sheets = [sheet(place, r, ACROSS, RADIUS, 3.0), sheet(place, r, ALONG, 0.7 * RADIUS, 3.0)]
    sheets = [s & mask for s in sheets]
    pores = pores | sheets[0] | sheets[1]
    share = pores.astype(np.float32)
    return find_cracks(share, mask, local_thickness(pores)), sheets, mask, pores


def test_two_cracks_and_how_far_they_reach(cracked):
    found, sheets, _, _ = cracked
    assert len(found.cracks) == 2
    for normal, reaches, there in ((ACROSS, True, sheets[0]), (ALONG, False, sheets[1])):
        number = np.argmax([abs(c.normal @ normal) for c in found.cracks])
        crack = found.cracks[number]
        assert abs(crack.normal @ normal) > 0.98
        assert crack.from_core and crack.to_surface == reaches
        assert np.mean((found.label == number + 1)[there]) > 0.85
        assert normal is ALONG or crack.width == pytest.approx(3.0, abs=0.4)
    assert found.cracks[0].voxels >= found.cracks[1].voxels
    assert found.metrics()["cracks_to_surface"] == 1


def test_voxels_of_cracks_are_found(cracked):
    found, sheets, _, pores = cracked
    both = sheets[0] | sheets[1]
    assert np.mean(found.label[both] > 0) > 0.95
    assert np.mean(both[found.label > 0]) > 0.6
    assert not (found.label[~pores] > 0).any()


def test_proximity_falls_off(cracked):
    found, _, _, _ = cracked
    near = found.proximity(5.0)
    assert near[found.label > 0].min() == 1 and near.min() > 0
    z, y, x = np.argwhere(found.label > 0)[0]
    assert near[z, y, x] == 1 and near[0, 0, 0] < 0.1


def test_layers_of_pores_are_no_cracks():
    _, _, mask, pores = particle()
    found = find_cracks(pores.astype(np.float32), mask, local_thickness(pores))
    assert found.cracks == [] and not found.label.any()
    assert not found.proximity(3.0).any() and found.metrics()["cracks"] == 0


def test_score_is_in_standard_deviations():
    """Where every voxel is open by its own chance, the score of one normal would be normal; of the largest of 60, below 6."""
    rng = np.random.default_rng(1)
    share = (rng.random((40, 40, 40)) < 0.3).astype(np.float32)
    found = sheetness(share, np.ones(share.shape, bool))
    inner = found.score[10:30, 10:30, 10:30]
    assert 0.5 < inner.mean() < 3 and inner.max() < 6


def test_directions_cover_half_the_sphere():
    normal = directions(60)
    assert np.allclose(np.linalg.norm(normal, axis=1), 1, atol=1e-6)
    trial = np.random.default_rng(0).normal(size=(500, 3))
    trial /= np.linalg.norm(trial, axis=1, keepdims=True)
    assert np.min(np.max(np.abs(trial @ normal.T), axis=1)) > np.cos(np.radians(20))


def test_bad_input():
    mask, share = np.ones((6, 6, 6), bool), np.zeros((6, 6, 6), np.float32)
    assert find_cracks(share, mask, share).cracks == []
    with pytest.raises(InputError, match="mask"):
        find_cracks(share, mask & False, share)
    share[2, 2, 2] = np.nan
    with pytest.raises(InputError, match="no numbers"):
        find_cracks(share, mask, share)
