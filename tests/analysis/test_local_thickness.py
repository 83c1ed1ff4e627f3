"""Local thickness: every voxel as by brute force, slabs and balls below the voxel, and what cannot be measured said plainly."""

import numpy as np
import pytest
from scipy import ndimage

from jxrecon.analysis.local_thickness import (
    ball,
    diameter,
    holding,
    local_squared_radius,
    local_thickness,
)
from jxrecon.analysis.split_voxels import split_voxels
from jxrecon.analysis.subvoxel_thickness import subvoxel_thickness
from jxrecon.errors import InputError

SIDE = 26


def brute_force(pore):
    """All pairs of voxels: distance to what is outside by loops over it, then all balls."""
    inside, outside = np.argwhere(pore), np.argwhere(~pore)
    apart = lambda a, b: np.sum((a[:, None] - b) ** 2, axis=2)  # noqa: E731
    squared = apart(inside, outside).min(axis=1)
    covers = apart(inside, inside) < squared
    found = np.zeros(pore.shape, int)
    found[tuple(inside.T)] = np.max(np.where(covers, squared, 0), axis=1)
    return found


def blobs(seed, sigma, open_share, side=13):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((side, side, side)), sigma)
    return noise > np.quantile(noise, 1 - open_share)


@pytest.mark.parametrize("sigma, open_share", [(0.5, 0.3), (1.0, 0.3), (2.0, 0.5), (3.0, 0.9)])
def test_every_voxel_as_by_brute_force(sigma, open_share):
    for seed in range(3):
        pore = blobs(seed, sigma, open_share)
        assert np.array_equal(local_squared_radius(pore), brute_force(pore))


def test_a_single_voxel_and_pores_at_the_edge():
    pore = np.zeros((5, 6, 7), bool)
    pore[2, 3, 4] = True
    assert local_thickness(pore)[2, 3, 4] == 1 and local_thickness(pore).sum() == 1
    pore[:, :, :4] = True
    assert np.array_equal(local_squared_radius(pore), brute_force(pore))


def test_ball_that_holds_a_neighbours_ball():
    offsets = [(1, 0, 0), (1, 1, 0), (1, 1, 1)]
    for squared in (*range(1, 40), 100, 333):
        farthest = [np.sum((ball(squared) - o) ** 2, axis=1).max() + 1 for o in offsets]
        assert np.array_equal(holding(squared), farthest)


def test_conventions():
    squared = np.array([0, 1, 4, 9], np.int32)
    assert np.array_equal(diameter(squared, 20.0), [0, 20, 60, 100])
    assert np.array_equal(diameter(squared, 20.0, corrected=False), [0, 40, 80, 120])


def share_of(body, size, rng):
    """Share of pore in voxels, from the distance to the surface of a slab or ball anywhere, in any direction."""
    place = np.stack(np.meshgrid(*[np.arange(SIDE) - SIDE / 2 + 0.5] * 3, indexing="ij"), axis=-1)
    normal = rng.normal(size=3)
    aside = place - rng.uniform(-0.5, 0.5, 3)
    along = np.abs(aside @ normal) / np.linalg.norm(normal)
    distance = (along if body == "slab" else np.linalg.norm(aside, axis=-1)) - size / 2
    from_middle = np.linalg.norm(place, axis=-1)
    share = np.clip(0.5 - distance, 0, 1) * ((from_middle < 0.47 * SIDE) | (body == "ball"))
    return share, (share > 0.5) & (from_middle < 0.3 * SIDE)


@pytest.mark.parametrize("body, most", [("slab", 0.25), ("ball", 0.4)])
@pytest.mark.parametrize("size", [3.0, 4.4, 7.0, 11.0])
def test_slabs_and_balls_below_the_voxel(body, most, size):
    rng, errors, whole = np.random.default_rng(0), [], []
    for _ in range(3):
        share, judged = share_of(body, size, rng)
        errors += [subvoxel_thickness(share)[judged].mean() - size]
        whole += [local_thickness(share > 0.5, corrected=False)[judged].mean() - size]
    assert abs(np.mean(errors)) <= most and np.std(errors) < 0.1
    assert abs(np.mean(errors)) < abs(np.mean(whole))


def test_voxels_that_are_split_keep_what_they_hold():
    rng = np.random.default_rng(1)
    share = np.clip(ndimage.gaussian_filter(rng.standard_normal((12, 10, 14)), 1) * 2, 0, 1)
    for finer in (2, 3):
        small = split_voxels(share, finer)
        z, y, x = share.shape
        held = small.reshape(z, finer, y, finer, x, finer).mean(axis=(1, 3, 5))
        assert np.abs(held - share).max() <= 0.5 / finer**3 + 1e-6
    noisy = np.where(share > 0.4, share, 0.2 * (share > 0))
    assert split_voxels(noisy).sum() > split_voxels(noisy, least=0.3).sum() >= 4 * (share > 0.5).sum()


def test_a_split_edge_lies_where_it_was():
    """A wall that cuts voxels half: the pore's half of each is on the pore's side."""
    share = np.zeros((8, 8, 8))
    share[:3], share[3] = 1, 0.5
    assert np.array_equal(np.flatnonzero(split_voxels(share).all(axis=(1, 2))), np.arange(7))


EMPTY, FULL = np.zeros((4, 4, 4)), np.ones((4, 4, 4))
HOLE = np.where(np.arange(64).reshape(4, 4, 4) == 21, np.nan, 0.7)


@pytest.mark.parametrize("measure", [subvoxel_thickness, split_voxels])
@pytest.mark.parametrize(
    "share, why",
    [(EMPTY, "no share"), (FULL, "every share"), (HOLE, "1 shares"), (np.full((4, 4), 0.7), "2 axes")],
)
def test_shares_without_sizes(measure, share, why):
    with pytest.raises(InputError, match=why) as told:
        measure(share)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "pore, why",
    [
        (EMPTY > 0, "no voxel is pore"),
        (FULL > 0, "every voxel"),
        (np.ones((4, 4), bool), "2 axes"),
        (FULL, "float64"),
    ],
)
def test_pores_without_sizes(pore, why):
    with pytest.raises(InputError, match=why) as told:
        local_thickness(pore)
    assert "\n" not in str(told.value)
