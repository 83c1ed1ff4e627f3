"""The script about thick specimens runs, goes on where it stopped, and its arithmetic is right."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


@pytest.fixture
def thick(monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    return importlib.import_module("thick_specimen")


def test_answers_take_the_worst_seed(thick):
    figures = {(12.0, 0): 0.06, (1.2, 0): 0.05, (12.0, 1): 0.08, (1.2, 1): 0.04, (12.0, 2): 9.0}
    cells = [
        {
            "phase": p,
            "seed": s,
            "noise": n,
            "start": "moments",
            "rmse_inner": r,
            "rmse_with_rim": 2 * r,
            "wrapped": 0.1 * s,
        }
        for n in (False, True)
        for (p, s), r in figures.items()
    ]
    assert thick.ratios(cells, True, "rmse_inner") == pytest.approx([1.2, 2.0])
    found = thick.answers(cells)
    assert [a.figure for a in found] == pytest.approx([2.0, 2.0, 2.0, 2.0, 0.2])
    assert [a.good for a in found] == [1.2, 1.2, 1.0, 1.0, 0.0]


def test_settings_are_relative_to_the_solid(thick):
    """Ten times the density: ten times its rate and softness, and a prior of as many nats."""
    thin, dense = (
        dict(o.split("=") for o in thick.overrides(thick.Cell(p, True, 0), f, ()))
        for p, f in ((1.2, 0.3), (12.0, 3.0))
    )
    for name, power in (
        ("initial.start.softness", 1),
        ("optimisers.volume.density.learning_rate", 1),
        ("objective.terms.total_variation.weight", -1),
    ):
        assert float(dense[name]) / float(thin[name]) == pytest.approx(10.0**power)


def test_fast_run_and_one_that_goes_on(thick, tmp_path):
    out = tmp_path / "thick.json"
    command = [sys.executable, str(EXPERIMENTS / "thick_specimen.py"), "--fast", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    cells = {(c["phase"], c["noise"]): c for c in json.loads(out.read_text())["cells"]}
    assert len(cells) == 2
    for (phase, _), cell in cells.items():  # 12 rad over 28 coarse voxels are too steep for any first guess
        assert cell["max_phase_rad"] == pytest.approx(phase, rel=0.02)
        assert 0 < cell["rmse_inner"] < 0.5 and 0 <= cell["wrapped"] < (0.001 if phase < 3 else 0.2)
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "thick").glob("*.json")}
    (gone := next(iter(made))).unlink()
    again = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert [path for path, when in made.items() if path.stat().st_mtime_ns != when] == [gone]
