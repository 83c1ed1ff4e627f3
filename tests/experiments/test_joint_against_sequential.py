"""The script that compares joint and sequential reconstruction runs, goes on where it stopped, and judges fairly."""

import importlib
import json
import sys
from pathlib import Path

import pytest

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    return importlib.import_module("joint_against_sequential")


def test_a_cell_runs_once(script, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(script.Cell, "epochs", lambda self: 4)
    monkeypatch.setattr(importlib.import_module("sequential_rows"), "CHAIN_EPOCHS", 5)
    options = ["script", "--out", str(tmp_path), "--angles", "6", "--photons", "1e6", "--seeds", "3"]
    monkeypatch.setattr(sys, "argv", options)
    script.main()
    path = tmp_path / "tiny_6_1e+06_3.json"
    found = json.loads(path.read_text())
    assert {"joint", "oracle"} < found.keys() and ("failed" in found or {"paper", "fair"} < found.keys())
    # The oracle has no noise, no shifts and no probe to find.
    assert 0 < found["oracle"]["rmse"] < found["joint"]["rmse"] and found["joint"]["alignment_px"] > 0
    before = path.stat().st_mtime_ns
    script.main()
    assert path.stat().st_mtime_ns == before
    assert "tiny   6    1e+06" in capsys.readouterr().out


def record(paper, fair, joint, oracle):
    return {
        name: {"rmse": value, "resolution": 1.5, "alignment_px": 0.1}
        for name, value in zip(("paper", "fair", "joint", "oracle"), (paper, fair, joint, oracle))
    }


@pytest.mark.parametrize(
    "fair, joint, verdict",
    [
        ([0.3, 0.4], [0.1, 0.2], "better"),
        ([0.2, 0.3], [0.19, 0.29], "tie"),
        ([0.1], [0.2], "worse (one seed, no spread known)"),
    ],
)
def test_the_verdict_needs_more_than_the_spread(script, tmp_path, fair, joint, verdict):
    for seed, pair in enumerate(zip(fair, joint)):
        cell = script.Cell("tiny", 30, 1e5, seed)
        (tmp_path / f"{cell.name}.json").write_text(json.dumps(record(0.4, *pair, 0.05)))
    assert script.table(tmp_path).splitlines()[-1].endswith(verdict)


def test_as_many_steps_for_few_angles(script):
    assert [script.Cell("tiny", n, 1e5, 0).epochs() for n in (60, 30, 15)] == [300, 600, 1200]
    assert script.Cell("mini", 60, 1e7, 0).weight() == pytest.approx(22.5)
