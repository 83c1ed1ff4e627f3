"""Tasks from the command line: what is wrong is said before anything is written."""

import json

import numpy as np
import pytest

from jxrecon.cli import main


@pytest.fixture
def pattern(tmp_path):
    """A lone peak on a flat background, as text."""
    x = np.arange(16.0, 19.0, 0.02)
    counts = np.random.default_rng(0).poisson(100 + 2000 * np.exp(-0.5 * ((x - 17.6) / 0.08) ** 2))
    path = tmp_path / "scan.xy"
    path.write_text("".join(f"{a:.2f} {n}\n" for a, n in zip(x, counts)))
    return path


def order(pattern, folder, *more):
    settings = ["experiment=powder_pattern_operando", f"data.path={pattern}", "data.wavelength_m=1.5406e-10"]
    return [*settings, f"hydra.run.dir={folder}", *more]


def test_numbers_figures_and_where_they_come_from(pattern, tmp_path):
    folder = tmp_path / "run"
    assert main(["run", *order(pattern, folder)]) == 0
    metrics = json.loads((folder / "metrics.json").read_text())
    assert any(isinstance(v, float) and abs(v - 17.6) < 0.01 for v in metrics.values())
    assert list((folder / "figures").glob("*.png"))
    assert json.loads((folder / "provenance.json").read_text())["versions"]["jxrecon"]
    assert json.loads((folder / "status.json").read_text())["state"] == "finished"


def test_a_wrong_path_is_one_line_and_leaves_nothing(pattern, tmp_path, capsys):
    folder = tmp_path / "run"
    assert main(["run", *order(tmp_path / "nope.xy", folder)]) == 2
    assert "nope.xy: no such file or directory." in capsys.readouterr().err
    assert not folder.exists()


def test_check_builds_and_reads_nothing(pattern, tmp_path, capsys):
    assert main(["check", *order(pattern, tmp_path / "run")]) == 0
    assert "config   fine: SplitSeries of" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()


def test_what_is_simulated_needs_no_file(tmp_path, capsys):
    assert main(["check", "experiment=simulate_diffraction", f"hydra.run.dir={tmp_path / 'run'}"]) == 0
    assert "config   fine: SimulateDiffraction" in capsys.readouterr().out
