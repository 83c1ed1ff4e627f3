"""Grains are the Voronoi cells of a jittered lattice; shares of voxels conserve volume; cracks are where they say."""

import dataclasses

import numpy as np
import pytest

from jxrecon.twin.body import draw_body
from jxrecon.twin.cracks import slab_share
from jxrecon.twin.grains import JITTER, jittered_lattice
from jxrecon.twin.packing import Packing, framework, occupancy
from jxrecon.twin.states import STATES

SIZES = {"radius_m": 0.6e-6, "grain_m": 75e-9, "layer_m": 270e-9, "fragment_spread": 0.0}


def body(state="cycled_small", seed=0, **changes):
    return draw_body(seed, dataclasses.replace(STATES[state], **changes), **SIZES)


def inner_points(count, reach, seed=1):
    points = np.random.default_rng(seed).uniform(-1, 1, (count, 3)) * reach
    return points[np.linalg.norm(points, axis=1) < reach].astype(np.float32)


def test_lattice_is_jittered():
    """One seed in each cell of the lattice, none moved farther than the jitter; 4/3 pi (R / spacing)^3 of them."""
    seeds = jittered_lattice(np.random.default_rng(0), 10.0, 1.0)
    assert len(seeds) == pytest.approx(4 / 3 * np.pi * 1000, rel=0.01)
    assert np.abs(seeds - np.round(seeds)).max() <= JITTER + 1e-6
    assert len(np.unique(np.round(seeds), axis=0)) == len(seeds)


def test_nearest_against_all_distances():
    """Both neighbours, and the face: half the way between two seeds, at right angles to the line that joins them."""
    grains, points = body().grains, inner_points(400, 0.5e-6)
    near = grains.nearest(points)
    apart = np.linalg.norm(points[:, None].astype(float) - grains.seed, axis=2)
    order = np.argsort(apart, axis=1)[:, :2]
    assert np.array_equal(order, np.stack([near.first, near.second], axis=1))
    assert np.allclose(near.distance, apart.min(axis=1), rtol=1e-5)
    first, second = grains.seed[order[:, 0]].astype(float), grains.seed[order[:, 1]].astype(float)
    normal = (second - first) / np.linalg.norm(second - first, axis=1, keepdims=True)
    face = np.sum(((first + second) / 2 - points) * normal, axis=1)
    assert np.allclose(near.face, face, atol=1e-13)


def test_missing_grains():
    """Only porous ones; a share of them, and more where they swallow their neighbours."""
    grains = body().grains
    alone, clusters = grains.missing(0.1, 0.0), grains.missing(0.1, 0.5)
    assert not np.any(clusters & ~grains.porous) and not np.any(alone & ~clusters)
    assert alone.sum() / grains.porous.sum() == pytest.approx(0.1, abs=0.03)
    assert clusters.sum() > 1.5 * alone.sum()
    assert not grains.missing(0.0, 0.5).any()


def test_layers_follow_the_radius():
    """0.42 of each period is porous, but for the dense skin; layers are counted from the core outwards, but for the warp."""
    shares = []
    for seed in range(8):
        grains = body(seed=seed).grains
        inner = grains.radius < 0.9
        shares += [grains.porous[inner].mean()]
        assert not grains.porous[grains.radius > 0.95].any()
        assert np.corrcoef(grains.layer[inner], grains.radius[inner])[0, 1] > 0.6
    assert np.mean(shares) == pytest.approx(0.42, abs=0.03) and np.ptp(shares) > 0.1


@pytest.mark.parametrize("pixel", [1.0, 7.0, 40.0])
def test_slab_has_its_width(pixel):
    """The shares along a line add up to the width, whatever the voxel."""
    x = np.arange(-60, 60, 0.01)
    for half in (0.0, 2.5, 16.0):
        assert slab_share(x, np.full_like(x, half), pixel).sum() * 0.01 == pytest.approx(2 * half, abs=0.02)


def test_boundaries_take_a_third_of_their_gap():
    """The void of an uncracked framework is the area of its faces times the open width."""
    drawn = body("pristine", gap_m=3e-9)
    grains = dataclasses.replace(drawn.grains, porous=np.ones_like(drawn.grains.porous))
    drawn = dataclasses.replace(drawn, grains=grains)
    place = drawn.at(inner_points(400000, 0.4e-6))
    void = 1 - framework(drawn, place, np.zeros(len(grains.seed), bool), 2e-9).mean(dtype=float)
    area = np.mean(place.grains.face < 1e-9) / 2e-9  # per volume; there is solid on both sides of a face
    assert void == pytest.approx(area * 1e-9, rel=0.05)


def test_cracks_are_open_at_the_core_and_closed_outside():
    drawn = body("cycled_large")
    points = inner_points(300000, 0.55e-6)
    place = drawn.at(points)
    share, sheet = drawn.crack_share(place, 10e-9), place.sheets[0]
    r = np.linalg.norm(points, axis=1)
    crack = drawn.cracks[0]
    assert share.max() == 1 and share.min() == 0
    assert not share[r > crack.reach_m].any()
    assert not share[np.abs(sheet.distance) > 60e-9].any()
    assert drawn.proximity(place)[share > 0.5].min() > 0.2
    assert share[r < 0.3e-6].mean() > 5 * share[(r > 0.3e-6)].mean()
    fine = drawn.crack_share(place, 2e-9).mean(dtype=float)
    assert fine == pytest.approx(share.mean(dtype=float), rel=0.05)


def test_rounding_of_full_cells_changes_nothing():
    """Grains rounded to a radius beyond their corners fill their cells; smaller ones leave pores in porous layers only."""
    drawn = body("pristine")
    place, none = drawn.at(inner_points(20000, 0.5e-6)), np.zeros(len(drawn.grains.seed), bool)
    full, round_ = (occupancy(drawn, place, Packing((k, k), (1.0, 1.0), none), 10e-9) for k in (1.4, 0.6))
    assert np.array_equal(full, framework(drawn, place, none, 10e-9))
    dense = ~drawn.grains.porous[place.grains.first]
    assert np.array_equal(full[dense], round_[dense]) and round_[~dense].mean() < 0.9 * full[~dense].mean()
