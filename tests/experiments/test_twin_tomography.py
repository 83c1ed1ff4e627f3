"""The twin's lattice reconstructed: arithmetic of the answers, what is prepared, numbers beside the truth, and that it runs."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jxrecon.data.plain_patterns import write_patterns
from jxrecon.patterns import Patterns
from jxrecon.twin.acquisition import TiltAngles

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
X = np.arange(7.5, 21.5, 0.02)


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    return importlib.import_module


def test_answers_name_the_worst_quantity(script):
    tomography = script("twin_tomography")
    size = {"fbp": 6.0, "mlem": 5.0, "beam_mlem": 4.0, "gaussian": 3.0, "total_variation": 3.5, "direct": 2.0}
    records = {}
    for seed in range(2):
        errors = {m: dict.fromkeys(("a", *tomography.JUDGED), e + 0.1 * seed) for m, e in size.items()}
        errors["fbp"]["V"] = 2.5 + 0.1 * seed
        records[str(seed)] = {"errors": errors, "direct": {"cpu_s": 1.0}}
    paper, fair, apart = tomography.answers("state", records)
    assert paper.figure == pytest.approx(2.55 / 2.05) and "(V, fbp)" in paper.question
    assert fair.figure == pytest.approx(3.05 / 2.05) and "gaussian" in fair.question
    assert apart.figure == pytest.approx(1 / (0.1 / np.sqrt(2) * np.sqrt(2)))
    (*_, alone) = tomography.answers("state", {"0": records["0"]})
    assert np.isnan(alone.figure) and not alone.met
    assert "beam_mlem" in tomography.table("state", records)


def test_a_scan_is_prepared_as_an_experimenter_would(script):
    scan_of = script("twin_scan")
    setup = scan_of.simulation("delithiated", True, angles=TiltAngles(count=10), counts_per_voxel=4e5)
    scan = setup(0)
    case = scan_of.prepared(scan, setup, scan_of.measured_again(scan, 1))
    again = scan_of.measured_again(scan, 1)
    assert np.array_equal(case.counts, again) and not np.array_equal(again, scan.patterns.counts)
    maps, mask = scan.maps, case.phantom.mask
    assert mask.sum() > 60 and maps["inside"][0][mask].min() > 0.99
    # The cell that strain is counted from is that of the bulk.
    a, c = case.model.powder.cell.parameters
    assert a == pytest.approx(maps["a_angstrom"][0][mask].mean(), rel=2e-3)
    assert c == pytest.approx(maps["c_angstrom"][0][mask].mean(), rel=4e-3)
    # Without air, absorption and monitor, all views hold the same number of photons.
    totals = case.phantom.counts.sum(axis=(1, 2))
    assert totals == pytest.approx(totals.mean(), rel=0.02)
    profile = case.phantom.counts.mean(axis=(0, 2))
    assert abs(profile[0]) < 0.03 * profile.max()


def test_place_and_width_of_a_mean_pattern(script, tmp_path):
    found = script("lattice_found")

    def pattern(shift, width):
        peaks = [1 / (1 + 4 * ((X - c) / width) ** 2) for c in (8.6 - shift, 16.8, 20.1)]
        return 0.02 + np.sum(peaks, axis=0)

    patterns = {
        "pristine": {"found": pattern(0, 0.1), "truth": 7 * pattern(0, 0.1)},
        "cycled_small": {"found": pattern(0.203, 0.2), "truth": 3 * pattern(0.2, 0.19)},
    }
    read = {
        s: {"mean pattern": {k: found.mean_peak(p, X) for k, p in pair.items()}}
        for s, pair in patterns.items()
    }
    table = found.compared(read)
    row = {state: kinds["mean pattern"]["found"] for state, kinds in table.items()}
    assert row["cycled_small"]["shift_003_deg"] == pytest.approx(-0.203, abs=1e-3)
    assert row["pristine"]["fwhm_003_deg"] == pytest.approx(0.1, rel=0.01)
    answers = found.answers(table)
    assert [a.met for a in answers] == [True, False, True]
    assert [round(a.figure, 3) for a in answers] == pytest.approx([0, 0.053, 0.003], abs=2e-3)
    maps = {"c_angstrom": np.array([[14.24, 14.24, np.nan]]), "fwhm_003_deg": np.array([[0.1, 0.3, 9.0]])}
    maps["area_003"] = np.array([[3.0, 1.0, 5.0]])
    centre, width = found.voxel_means(maps, np.array([[True, True, True]]), 0.7166717e-10)
    assert centre == pytest.approx(
        2 * np.degrees(np.arcsin(0.7166717 * 3 / 14.24 / 2))
    ) and width == pytest.approx(0.15)
    counts = np.random.default_rng(0).poisson(5.0, (1, 3, 4, X.size)).astype(np.float32)
    patterns = Patterns(counts, X, 0.7e-10, np.zeros(1), np.ones((1, 3, 4)))
    write_patterns(tmp_path / "voxels.h5", patterns)
    assert np.array_equal(found.patterns_beside(tmp_path / "maps.h5"), counts[0])


def test_windows_of_projections_see_a_texture(script):
    bias = script("angular_bias")
    fields = {
        "angles": TiltAngles(count=9),
        "two_theta": (7.5, 21.5, 0.04),
        "shells": False,
        "poisson": False,
    }
    scans = [
        script("twin_scan").simulation("pristine", True, **fields, nuisances=bias.CASES[name])(0)
        for name in ("texture", "powder")
    ]
    found = bias.projected(*scans)
    # c* along the radius: (003) is weak where the radius is along the beam, in the middle; (101), across c*, is strong there.
    assert found["003"] < -0.05 < 0.02 < found["101"]
    truth = scans[1].maps
    areas = np.stack([truth[f"area_{n}"][0] for n in bias.NAMES], axis=-1)
    core = (truth["radius"][0] < 0.5)[..., None]
    assert all(abs(v) < 1e-12 for v in bias.contrast(areas, truth).values())
    assert all(v == pytest.approx(0.2) for v in bias.contrast(np.where(core, 1.2, 1) * areas, truth).values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "file"), [("twin_tomography", "cycled_small/errors.json"), ("angular_bias", "bias.json")]
)
def test_fast_runs_go_through_and_do_nothing_twice(name, file, tmp_path):
    command = [sys.executable, str(EXPERIMENTS / f"{name}.py"), "--fast", "--out", str(tmp_path)]
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True, cwd=EXPERIMENTS.parent)
        assert done.returncode == 0, done.stderr
    assert "done" not in done.stderr
    assert np.isfinite(np.concatenate([*_numbers(json.loads((tmp_path / file).read_text()))])).all()


def _numbers(tree):
    """All numbers of a tree."""
    if isinstance(tree, dict):
        for value in tree.values():
            yield from _numbers(value)
    else:
        yield np.atleast_1d(np.asarray(tree, float)).ravel()
