"""The comparison of direct and two-step tomography: its phantom, its baselines, its arithmetic, and that it runs."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    return importlib.import_module


def test_projections_of_a_voxel_are_areas(script):
    projected = script("core_shell_phantom").projected
    place, one = (np.array([1.3, -2.0]), np.array([0.7, 3.1])), np.ones((2, 1))
    for angle in (0.0, 0.3, np.pi / 4, np.pi / 2, 2.5):
        image = projected(place, one, 16, angle)[:, 0]
        assert image.sum() == pytest.approx(2 / 9) and image.min() >= 0
        middle = (place[0] * np.cos(angle) + place[1] * np.sin(angle)).mean() + 7.5
        assert np.sum(image * np.arange(16)) / image.sum() == pytest.approx(middle, abs=0.26)


def test_seeds_change_the_noise_and_nothing_else(script):
    phantom = script("core_shell_phantom").phantom
    first, same, other = (phantom(24, 6, 2.0, seed) for seed in (0, 0, 1))
    assert np.array_equal(first.counts, same.counts) and not np.array_equal(first.counts, other.counts)
    assert np.array_equal(first.area, other.area) and first.mask.sum() > 50
    expected = first.counts.sum(axis=(1, 2))
    np.testing.assert_allclose(expected, expected.mean(), rtol=0.02)


def test_denoising_leaves_steps_and_takes_noise(script):
    baselines = script("two_step_baselines")
    truth = np.where(np.arange(24)[:, None] < 12, 1.0, 2.0) * np.ones((24, 24))
    noisy = truth + 0.2 * np.random.default_rng(0).normal(size=truth.shape)
    weight = np.ones_like(truth)
    error = lambda found: np.sqrt(np.mean((found - truth) ** 2))  # noqa: E731
    best = min(error(baselines.total_variation(noisy, weight, s)) for s in baselines.STRENGTHS)
    smooth = min(error(baselines.gaussian(noisy, weight, s)) for s in baselines.SIGMAS)
    assert best < 0.25 * error(noisy) and best < 0.6 * smooth < 0.6 * error(noisy)


def test_answers_are_the_ratios_that_they_name(script):
    direct_tomography = script("direct_tomography")
    error = {"fbp": 6.0, "mlem": 5.0, "gaussian": 3.0, "total_variation": 4.0, "direct": 2.0}
    names = ("a", *direct_tomography.JUDGED)
    records = {
        str(seed): {
            "errors": {m: dict.fromkeys(names, e * (1 + 0.1 * seed)) for m, e in error.items()},
            "direct": {"cpu_s": 1.0},
            "other_starts": {"2": dict.fromkeys(names, 2.2)},
        }
        for seed in range(2)
    }
    found = direct_tomography.answers("cell", records)
    spread = np.hypot(0.1 * 2, 0.1 * 3) / np.sqrt(2)
    assert [a.figure for a in found] == pytest.approx([1.0, 3.0, 1.5, 1.05 / spread])
    table = direct_tomography.table("cell", records)
    assert "fbp" in table and "+10.0%" in table


@pytest.mark.slow
def test_fast_run_goes_through_and_does_nothing_twice(tmp_path):
    command = [sys.executable, str(EXPERIMENTS / "direct_tomography.py"), "--fast", "--out", str(tmp_path)]
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True, cwd=EXPERIMENTS.parent)
        assert done.returncode == 0, done.stderr
    assert "done" not in done.stderr
    record = json.loads((tmp_path / "fast.json").read_text())["0"]
    errors = record["errors"]
    assert all(np.isfinite(list(errors[m].values())).all() for m in errors)
    # So few voxels say nothing about strain, but widths are found.
    assert errors["direct"]["fwhm101"] < errors["fbp"]["fwhm101"]
