"""The comparison of pore sizes: its bodies, its distance, its particle, and that it runs without peers."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    return importlib.import_module


def test_bodies_have_their_volume(script):
    """Shares of a ball add up to its volume; what is judged of a slab is as thick as it."""
    sizes = script("pore_sizes")
    share, judged = sizes.body("ball", 10.4, np.random.default_rng(3))
    assert share.sum() == pytest.approx(np.pi / 6 * 10.4**3, rel=0.03)
    assert np.array_equal(judged, share > 0.5)
    share, judged = sizes.body("slab", 5.3, np.random.default_rng(3))
    inner = 0.3 * sizes.SIDE
    lens = np.pi * 5.3 * (inner**2 - 5.3**2 / 12)  # a slice of a ball
    assert judged.sum() == pytest.approx(lens, rel=0.1) and not share[0, 0, 0]


def test_distance_of_two_samples(script):
    distance = script("pore_sizes").distance_nm
    sample = np.random.default_rng(0).normal(size=4000)
    assert distance(sample, sample + 3) == pytest.approx(3)
    assert distance(np.repeat([0.0, 10.0], [300, 100]), np.zeros(50)) == pytest.approx(2.5, abs=0.02)


def test_maps_of_one_volume(script):
    found = {"a/one": 1, "a/one/cpu_s": 2, "b/one": 3}
    assert script("pore_sizes").radii(found, "a") == {"one": 1}


@pytest.mark.slow
def test_runs_without_peers(script, monkeypatch, tmp_path):
    out = tmp_path / "out.json"
    monkeypatch.setattr(sys, "argv", ["pore_sizes", "--size", "64", "--repeats", "1", "--out", str(out)])
    script("pore_sizes").main()
    record = json.loads(out.read_text())
    for row in record["twin"].values():
        assert row["split"]["w1_nm"] < 3 < row["2r"]["w1_nm"]
    assert all(abs(row["subvoxel"][0]) < 0.4 for row in record["bodies"].values())


@pytest.mark.slow
def test_cracks_of_a_twin(script):
    """Nine in ten of the pores in cracks wider than 1.5 voxels."""
    found = script("crack_recall").judged("delithiated", 0)
    assert found["recall"] > 0.9 and found["found"] == 2
    assert all(row["core_right"] and row["surface_right"] for row in found["cracks"])
