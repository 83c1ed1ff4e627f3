"""The measurement of scale runs; its set is what it says, and its answers are the ratios that they name."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


@pytest.fixture
def load(monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    return importlib.import_module


def test_projection_of_a_ball_is_its_chord(load):
    ball = np.array([[2.0, 0.0, 1.0, 5.0, 0.7]])
    image = load("tilt_series_of_balls").projection(ball, np.pi / 3, np.array([1.0, 4.0]), np.array([1.0]))
    assert image[:, 0] == pytest.approx([0.7 * 10, 0.7 * 8])  # u = 2 cos 60 degrees


def test_beam_has_its_photons_and_frames_count_them(load):
    series, rng = load("tilt_series_of_balls"), np.random.default_rng(0)
    empty, beam = np.zeros((0, 5)), series.beam(32)
    centres = np.array([[0.0, 0.0], [7.4, -3.3]])
    counts = series.frames_of(empty, beam, 0.0, centres, 1j, rng)
    assert np.sum(np.abs(beam) ** 2) == pytest.approx(series.PHOTONS, rel=1e-5)
    assert counts.sum(axis=(1, 2)) == pytest.approx(series.PHOTONS, rel=0.02)


def test_answers_are_the_ratios_that_they_name(load):
    small = {"frame_s": 1e-3, "frame_cpu_s": 2e-3}
    large = {"frame_s": 2e-3, "frame_cpu_s": 2e-3, "peak_memory_mb": 2**31 / 1e6, "foretold_mb": 2**30 / 1e6}
    large |= {"misfit_first": 4.0, "misfit_last": 2.0}
    answers = load("scale_ptychotomography").answers(large, small)
    assert [answer.figure for answer in answers] == pytest.approx([2, 1, 2, 0.5, 0.5])
    assert [answer.met for answer in answers] == [False, True, True, False, True]


def test_fast_run_measures_the_real_program(tmp_path):
    out = tmp_path / "scale.json"
    command = [sys.executable, str(EXPERIMENTS / "scale_ptychotomography.py"), "--fast", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    large = report["32^3, 16 x 6 frames of 32^2"]
    assert large["blocks"] == 4 and large["steps"] == 4, done.stdout
    assert large["misfit_last"] < 0.95 * large["misfit_first"]
    assert all(np.isfinite(answer["figure"]) for answer in report["answers"]), done.stdout
