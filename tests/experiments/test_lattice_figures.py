"""The script that draws the figures of a lattice: reads maps of other files, prints numbers, draws everything."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from jxrecon.data.write_maps import write_maps

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
SHAPE = (20, 20)


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    return importlib.import_module("lattice_figures")


def found_file(path):
    """A found disc with the pristine cell."""
    y, x = np.mgrid[:20, :20] - 9.5
    disc = np.where(np.hypot(y, x) < 7, 1.0, 0.0)
    maps = {f"area_{name}": (disc * k, "counts deg") for k, name in enumerate(("003", "101", "104"), 1)}
    maps |= {name: (np.full(SHAPE, value), "deg") for name, value in (("fwhm_003", 0.2), ("fwhm_104", 0.1))}
    maps |= {name: (np.full(SHAPE, value), "angstrom") for name, value in (("a", 2.852), ("c", 14.24))}
    write_maps(path, maps, (0.12, 0.12))
    return disc > 0


def test_maps_of_other_files_are_understood(script, tmp_path):
    disc = found_file(tmp_path / "maps.h5")
    maps = script.found_maps(tmp_path / "maps.h5")
    assert np.array_equal(script.inside_of(maps), disc)
    assert np.allclose(script.ratio_of(maps)[disc], 2)
    assert np.allclose(script.volume_of(maps)[disc], np.sqrt(3) / 2 * 2.852**2 * 14.24)
    assert np.all(np.isnan(script.areas_of(maps)["101"][~disc]))


def test_fits_find_peaks_on_a_background(script):
    x = np.arange(7.5, 21.5, 0.02)
    lorentzians = sum(1e3 / (1 + 4 * ((x - c) / 0.15) ** 2) for c in (8.5, 16.7, 20.1))
    found = script.fitted(np.random.default_rng(0).poisson(50 + lorentzians).astype(float), x)
    assert found.fwhm_deg == pytest.approx(0.15, abs=0.01)
    assert np.max(np.abs(found.fit - 50 - lorentzians)) < 60


@pytest.mark.slow
def test_everything_is_drawn(script, monkeypatch, tmp_path, capsys):
    found_file(tmp_path / "maps.h5")
    options = ["script", "--fast", "--out", str(tmp_path), "--found", f"pristine={tmp_path / 'maps.h5'}"]
    monkeypatch.setattr(sys, "argv", options)
    script.main()
    assert len(list(tmp_path.glob("*.png"))) == 6
    table = json.loads((tmp_path / "numbers.json").read_text())
    widths = [row["fwhm_003_deg"] for row in table.values()]
    centres = [row["centre_003_deg"] for row in table.values()]
    assert widths == sorted(widths) and centres == sorted(centres, reverse=True)
    assert table["cycled_small"]["volume_change_max"] > 0.1
    assert table["pristine"]["in_its_shell"] > 0.95
    assert "fwhm_003_deg" in capsys.readouterr().out
