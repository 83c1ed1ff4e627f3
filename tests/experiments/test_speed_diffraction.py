"""The comparison of peak fits runs, and its arithmetic is right; what is fast is not a test's business."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


@pytest.fixture
def patterns(monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    return importlib.import_module("powder_patterns")


@pytest.fixture
def speed(patterns):
    return importlib.import_module("speed_diffraction")


def test_simulated_patterns_are_poisson_around_their_model(patterns):
    data = patterns.draw(200)
    chi2 = patterns.chi_squares(data["x"], data["y"].astype(float), data["columns"])
    expected = patterns.pattern(data["x"], data["columns"])
    pearson = np.mean((data["y"] - expected) ** 2 / expected)
    assert pearson == pytest.approx(1, abs=0.02) and chi2.shape == (200,)
    np.testing.assert_allclose(patterns.cells(patterns.centres(*data["cell"].T)), data["cell"], rtol=1e-12)


def test_jacobians_of_the_peer_are_right(patterns):
    data = patterns.draw(3)
    x, columns, cell = data["x"], data["columns"], data["cell"]
    found = patterns.jacobian(x, columns)
    for k, step in enumerate(1e-5 * np.eye(14)):
        slope = (patterns.pattern(x, columns + step) - patterns.pattern(x, columns - step)) / 2e-5
        np.testing.assert_allclose(found[..., k], slope, atol=1e-5 * np.abs(slope).max())
    of_a = (
        patterns.centres(cell[:, 0] + 1e-5, cell[:, 1]) - patterns.centres(cell[:, 0] - 1e-5, cell[:, 1])
    ) / 2e-5
    np.testing.assert_allclose(patterns.cell_slopes(*cell.T)[..., 0], of_a, atol=1e-6)


def test_bound_halves_with_four_times_the_counts(patterns):
    data = patterns.draw(20)
    least = patterns.least_errors(data["x"], data["columns"], data["cell"])
    assert least.shape == (20, 2) and np.all(least > 0)
    brighter = data["columns"].copy()
    brighter[:, [0, 4, 8, 12, 13]] *= 4  # four times the counts: half the error
    np.testing.assert_allclose(patterns.least_errors(data["x"], brighter, data["cell"]), least / 2, rtol=1e-9)


def test_shares_of_larger_chi_squares(speed):
    peer = np.array([1.0, 1.0, 1.0, np.nan])
    mine = np.array([1.0005, 1.002, np.nan, 1.0])
    assert speed.excess(mine, peer, np.array([True, True, True, False])) == pytest.approx(2 / 3)
    assert np.isnan(speed.excess(mine, peer, np.zeros(4, bool)))


def test_fast_run_measures_both_programs(tmp_path):
    out = tmp_path / "speed.json"
    command = [sys.executable, str(EXPERIMENTS / "speed_diffraction.py"), "--fast", "--only", "free"]
    done = subprocess.run([*command, "--out", str(out)], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    judged = report["free"]["quality"]
    assert judged["SciPy"]["failures"] == judged["jxrecon"]["failures"] == 0, done.stdout
    assert judged["jxrecon, eta unbound"]["c_rmse"] == pytest.approx(judged["SciPy"]["c_rmse"], rel=0.05)
    assert report["free"]["chi2_excess"]["within_bounds"] == 0
    assert all(
        turn["core_ms_per_pattern"] > 0 for turns in report["free"]["turns"].values() for turn in turns
    )
