"""The comparison of phases as a run: a simulated map of counts in the package's map layout; what a user may get wrong."""

import csv

import h5py
import numpy as np
import pytest

from jxrecon.data.scanning_map import ScanningMap
from jxrecon.errors import InputError
from jxrecon.forward.cell import Cell, bragg_deg
from jxrecon.tasks.phase_comparison import PhaseComparison

WAVELENGTH = 7.16672e-11
LAYERED, SPINEL = "R-3m trigonal 2.852 14.24", "Fd-3m cubic 8.16"
X = np.arange(7.8, 15.6, 0.04)


def counts(spinel, generator):
    y = np.full(len(X), 20.0)
    lines = [((0, 0, 3), Cell("trigonal", (2.852, 14.24)), 400.0)]
    lines += [(h, Cell("cubic", (8.16,)), spinel * a) for h, a in (((1, 1, 1), 300.0), ((2, 2, 0), 200.0))]
    for hkl, cell, height in lines:
        centre = bragg_deg(np.array([hkl]), cell, WAVELENGTH)[0]
        y += height * np.exp(-4 * np.log(2) * ((X - centre) / 0.13) ** 2)
    return generator.poisson(y)


@pytest.fixture
def map_file(tmp_path):
    generator = np.random.default_rng(0)
    points = np.stack([counts(spinel, generator) for spinel in (0.0, 0.0, 1.0, 1.0)])
    np.savez(tmp_path / "map.npz", two_theta_deg=X, intensity=points, wavelength_m=WAVELENGTH)
    return ScanningMap(str(tmp_path / "map.npz"), shape=(2, 2))


def test_a_map_shows_where_the_second_phase_is(map_file, tmp_path):
    (tmp_path / "figures").mkdir()
    task = PhaseComparison(
        map_file, [LAYERED, f"{LAYERED} + {SPINEL}"], folds=2, shifts=[], background_terms=2, fwhm_deg=0.13
    )
    found = task(tmp_path, 0)
    assert (found["patterns"], found["chosen_0"], found["chosen_1"]) == (4, 2, 2)
    with h5py.File(tmp_path / "maps.h5") as file:
        chosen = next(
            v[()] for v in _datasets(file) if v.name.endswith("/chosen/data") or v.name.endswith("/chosen")
        )
    np.testing.assert_array_equal(chosen, [[0, 0], [1, 1]])
    rows = list(csv.DictReader((tmp_path / "alternatives.csv").read_text().splitlines()))
    assert len(rows) == 8 and sum(int(row["chosen"]) for row in rows) == 4
    assert float(rows[4]["chi2_behind"]) > 4 * float(rows[4]["error"]) > 0
    assert (tmp_path / "figures/chosen.png").stat().st_size > 5_000


def _datasets(group):
    for item in group.values():
        if isinstance(item, h5py.Group):
            yield from _datasets(item)
        elif item.ndim == 2:
            yield item


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alternatives": [LAYERED]}, "expected two or more to compare"),
        ({"way": "guess"}, "`way` is 'guess'; expected auto, thinned or blocks"),
        ({"shifts": ["up"]}, "`shifts` names 'up'"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        PhaseComparison(**({"data": ScanningMap("a.npz"), "alternatives": [LAYERED, SPINEL]} | settings))


def test_what_the_patterns_do_not_hold_is_said(map_file):
    patterns = map_file.read()
    with pytest.raises(InputError, match="no pattern was measured"):
        PhaseComparison(map_file, [LAYERED, SPINEL], number=9).compare(patterns)
    with pytest.raises(InputError, match="no phase has a reflection between"):
        PhaseComparison(map_file, [LAYERED, "Fd-3m cubic 3.0"], range_deg=(9.0, 12.0)).compare(patterns)
