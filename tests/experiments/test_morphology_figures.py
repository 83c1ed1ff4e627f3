"""The script that draws pores, cracks and densities of the four states; its table for six seeds of each."""

import dataclasses
import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from jxrecon.analysis.morphology import morphology_of
from jxrecon.data.write_maps import write_maps
from jxrecon.twin.particle import preset
from jxrecon.twin.states import STATES

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    return importlib.import_module("morphology_figures")


def test_orders_are_told_apart(script):
    step = {"pristine": 0.0, "delithiated": 0.0, "cycled_large": 0.07, "cycled_small": -0.1}
    pores = {"pristine": 0.03, "delithiated": 0.12, "cycled_large": 0.09, "cycled_small": 0.15}
    nm = {"pristine": 27, "delithiated": 36, "cycled_large": 49, "cycled_small": 42}
    numbers = {
        s: {
            "porosity": (pores[s], 0.0),
            "pore_mean_nm": (nm[s], 0.0),
            "density_shell_less_core": (step[s], 0.0),
        }
        for s in STATES
    }
    assert all(script.orderings(numbers).values()) and len(script.orderings(numbers)) == 5
    numbers["cycled_small"]["density_shell_less_core"] = (0.02, 0.0)
    assert sum(not holds for holds in script.orderings(numbers).values()) == 1
    assert script.orderings({"pristine": numbers["pristine"]}) == {}


def test_means_and_half_deviations(script):
    entries = [dataclasses.make_dataclass("E", ["metrics"])({"a": v, "b": None}) for v in (1.0, 2.0, 3.0)]
    assert script.numbers_of({"x": entries}) == {"x": {"a": (2.0, pytest.approx(np.std([1, 2, 3]) / 2))}}


@pytest.mark.slow
def test_everything_is_drawn(script, monkeypatch, tmp_path, capsys):
    maps = preset("tiny", state="cycled_small").maps(0)
    write_maps(tmp_path / "found.h5", {"density": (maps.electron_density, "")}, (0.06,) * 3)
    options = ["x", "--preset", "tiny", "--seeds", "2", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", [*options, "--found", f"cycled_small={tmp_path / 'found.h5'}"])
    script.main()
    assert len(list(tmp_path.glob("*.png"))) == 5
    table = json.loads((tmp_path / "numbers.json").read_text())
    assert list(table["twin"]) == list(STATES) and list(table["found"]) == ["cycled_small"]
    assert table["twin"]["pristine"]["mask_dice"][0] > 0.95
    assert "density_mean (+-0.005), found: cycled_small" in capsys.readouterr().out


@pytest.mark.slow
def test_the_table_of_six_seeds(script):
    """The analysis knows the density alone; the twin's own masks, radii and occupancies give the same within the same bounds."""
    rows = {
        state: [
            morphology_of(
                preset("small", state=state).electron_density(seed), 20e-9, look_for_cracks=False
            ).metrics()
            for seed in range(6)
        ]
        for state in STATES
    }
    means = {
        s: {n: (float(np.mean([r[n] for r in several])), 0.0) for n in several[0]}
        for s, several in rows.items()
    }
    for name, (expected, tolerance) in script.TABLE.items():
        assert [means[s][name][0] for s in STATES] == pytest.approx(expected, abs=tolerance), name
    assert all(script.orderings(means).values()), script.orderings(means)
