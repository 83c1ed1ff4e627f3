"""A small tomogram from a file to maps: right within its errors, masked channels out, gone on with; bad input in one line."""

import re

import equinox as eqx
import h5py
import jax.numpy as jnp
import numpy as np
import pytest
from small_lattice import CELL, HKL, TWO_THETA_DEG, WAVELENGTH_M, lattice, model

from jxrecon.classical import pattern_setup
from jxrecon.cli import main
from jxrecon.data.nxxrdct import Nxxrdct
from jxrecon.data.plain_patterns import PlainPatterns, write_patterns
from jxrecon.errors import InputError
from jxrecon.forward.cell import bragg_deg
from jxrecon.patterns import Patterns
from jxrecon.tasks import diffraction_tomography as task_file
from jxrecon.tasks.diffraction_tomography import DiffractionTomography

SIZE, VIEWS, SLICES = 12, 16, 2
PHASE, PEAKS = "R-3m trigonal 2.861 14.32", ("003", "101", "104")
AIR = 3.0
SETTINGS = {"phase": PHASE, "peaks": PEAKS, "draws": 4, "fwhm_deg": 0.3, "background_terms": 3}


@pytest.fixture(scope="module")
def truth():
    """A disc with slanted maps in each slice, in a scan whose axis is half a step off, under air."""
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    inside = (np.hypot(x, y) < 4.2)[None, ..., None]
    plain = lattice(SIZE, SLICES)
    slant = jnp.asarray(np.stack([x / 5, y / 5], axis=-1)[None], jnp.float32)
    maps = eqx.tree_at(
        lambda p: (p.strain, p.log_width, p.area, p.background),
        plain,
        (
            2e-3 * jnp.concatenate([slant, -slant]),
            0.05 * jnp.concatenate([slant] * 3),
            jnp.where(jnp.asarray(inside), 40.0, -900.0) * jnp.ones_like(plain.area),
            jnp.where(jnp.asarray(inside), 2.0, -90.0) * jnp.ones_like(plain.background),
        ),
    )
    return maps, inside[0, ..., 0]


def scan_of(maps, seed: int = 0) -> Patterns:
    here = model(SIZE, SLICES, VIEWS)
    around = jnp.full((1, 1, 1, TWO_THETA_DEG.size), AIR)
    here = eqx.tree_at(lambda m: m.shift, here, jnp.full(VIEWS, 0.5))
    here = eqx.tree_at(lambda m: m.around, here, around, is_leaf=lambda v: v is None)
    counts = np.random.default_rng(seed).poisson(np.asarray(eqx.filter_jit(here)(maps), float))
    counts = counts.astype(np.float32)
    counts[:, :, :, 40] = -1  # a gap of the detector
    counts[3, 0, 5] = -1  # a shot that failed
    monitor = np.asarray(here.monitor, np.float64)
    return Patterns(
        counts=counts,
        two_theta_deg=TWO_THETA_DEG,
        wavelength_m=WAVELENGTH_M,
        angle_deg=np.degrees(np.asarray(here.angle, float)),
        monitor=monitor / monitor.mean(),
        step_m=(5e-7, 5e-7),
        source="made",
    )


@pytest.fixture(scope="module")
def run(truth, tmp_path_factory):
    """(folder, metrics) of a finished run."""
    folder = tmp_path_factory.mktemp("tomogram")
    write_patterns(folder / "patterns.h5", scan_of(truth[0]))
    metrics = DiffractionTomography(PlainPatterns(str(folder / "patterns.h5")), **SETTINGS)(folder, 0)
    return folder, metrics


def stored(folder, name: str) -> np.ndarray:
    with h5py.File(folder / "maps.h5") as file:
        found = file[f"entry/{name}"]
        assert isinstance(found, h5py.Dataset)
        return np.asarray(found)


def test_maps_are_right_within_their_errors(run, truth):
    folder, metrics = run
    maps, inside = truth
    right = CELL.parameters[1] * (1 + np.asarray(maps.strain, float)[1])
    here = np.moveaxis(right, -1, 0)
    found, error, total = (stored(folder, n) for n in ("c/data", "c/data_errors", "c_total_error/data"))
    judged = np.isfinite(found) & inside
    assert judged.sum() > 0.8 * SLICES * inside.sum()
    off = np.abs(found - here)[judged]
    assert np.sqrt(np.mean(off**2)) < 0.2 * here[:, inside].std()
    assert 0.6 < np.sqrt(np.mean((off / total[judged]) ** 2)) < 2
    assert np.median(error[judged]) < 1.5 * np.median(total[judged])
    assert metrics["c_mean_angstrom"] == pytest.approx(here[:, inside].mean(), abs=3e-3)
    assert metrics["axis_shift_steps"] == pytest.approx(0.5, abs=0.1)
    assert metrics["chi2_reduced"] == pytest.approx(1, abs=0.06)
    assert metrics["slices"] == SLICES
    names = {p.name for p in (folder / "figures").iterdir()}
    assert names == {"cell.png", "widths.png", "areas.png", "pattern.png"}


def test_a_run_that_died_is_gone_on_with(run, tmp_path, monkeypatch):
    folder, metrics = run
    (folder / "slices" / "001.npz").rename(folder / "slices" / "gone.npz")
    solved = []

    def solve(model, counts, *rest, **options):
        solved.append(counts.shape)
        return task_file.stored(folder / "slices" / "gone.npz", marks[1])

    data = PlainPatterns(str(folder / "patterns.h5"))
    again = DiffractionTomography(data, **SETTINGS, earlier=str(folder))
    scan = again.setup(data.read())
    marks = [again.fingerprint(scan, number, 0) for number in range(SLICES)]
    monkeypatch.setattr(task_file, "solved_slice", solve)
    found = again(tmp_path, 0)
    (folder / "slices" / "gone.npz").rename(folder / "slices" / "001.npz")
    assert len(solved) == 1
    assert {k: v for k, v in found.items() if k != "cpu_seconds"} == {
        k: v for k, v in metrics.items() if k != "cpu_seconds"
    }
    other = DiffractionTomography(data, **{**SETTINGS, "reach_deg": 2.0})
    assert other.fingerprint(scan, 0, 0) != marks[0] != again.fingerprint(scan, 0, 1)


def test_air_is_that_beside_the_specimen_and_the_axis_where_masses_turn(truth):
    scan = scan_of(truth[0])
    centre = bragg_deg(HKL, CELL, WAVELENGTH_M)
    air = pattern_setup.air_pattern(scan.counts, scan.monitor, TWO_THETA_DEG, centre, 1)
    np.testing.assert_allclose(air, AIR, rtol=0.08)
    shifts = {
        how: pattern_setup.axis_shifts(
            scan.counts, scan.monitor, np.radians(scan.angle_deg), np.full(TWO_THETA_DEG.size, AIR), how
        )
        for how in ("axis", "views", "none")
    }
    assert shifts["axis"] == pytest.approx(np.full(VIEWS, 0.5), abs=0.1)
    assert shifts["views"].mean() == pytest.approx(shifts["axis"][0], abs=0.02)
    assert not shifts["none"].any()
    mean = pattern_setup.mean_pattern(scan.counts, scan.monitor)
    assert mean[40] == 0 and np.all(np.delete(mean, 40) > 0)


def test_factors_of_a_slice_begin_at_one_and_know_its_height(truth):
    scan = scan_of(truth[0])
    models = {}
    for kind in ("none", "waves", "radial"):
        task = DiffractionTomography(data=PlainPatterns(path="made"), factors=kind, **SETTINGS)
        models[kind] = task.setup(scan).model(1)
    assert models["none"].factors is None
    maps = lattice(SIZE)
    plain = np.asarray(models["none"].transform(models["none"].voxels(maps)))
    for kind in ("waves", "radial"):
        np.testing.assert_allclose(models[kind].transform(models[kind].voxels(maps)), plain, rtol=1e-5)
    # The middle of the upper of two slices lies half a voxel above the axis' middle.
    weight = np.asarray(models["radial"].factors.weight)[1, :, 0, 0]
    y, x = np.arange(SIZE) - (SIZE - 1) / 2, (SIZE - 1) / 2
    assert np.allclose(weight, y**2 / (y**2 + x**2 + 0.25), rtol=1e-5)


def _edited(path, change) -> str:
    with h5py.File(path, "r+") as file:
        change(file)
    return str(path)


def _swap(file, name, value):
    del file[name]
    if value is not None:
        file[name] = value


BAD = {
    "no wavelength": (lambda f: _swap(f, "wavelength_m", None), (), "does not say its wavelength; give `wavelength_m`"),
    "angstrom": (lambda f: _swap(f, "wavelength_m", 0.7167), (), "0.7167 m; expected metres, .* looks like angstrom"),
    "to and fro": (lambda f: _swap(f, "two_theta_deg", np.roll(TWO_THETA_DEG, 9)), (), "2 theta is 7.8 degrees after"),
    "nothing": (lambda f: _swap(f, "counts", np.full(f["counts"].shape, np.nan)), (), "channels was measured"),
    "one angle": (lambda f: [_swap(f, n, f[n][:1]) for n in ("counts", "angle_deg", "monitor")], (), "expected a tomogram of 8"),
    "a strange phase": (None, ("task.phase=hexagonal",), "`phases` names 'hexagonal'"),
    "no such peak": (None, ('task.peaks=["002"]',), "`peaks` names 002; R-3m has, from"),
    "few channels": (None, ("task.range_deg=[8,8.5]",), "`range_deg` leaves 5 channels"),
    "much air": (None, ("task.air_rays=6",), "`air_rays` is 6 on either side of 12 rays"),
    "a strange alignment": (None, ("task.alignment=all",), "`alignment` is 'all'; expected"),
    "strange factors": (None, ("task.factors=some",), "`factors` is 'some'; expected 'none' or 'waves' or 'radial'"),
    "attenuation": (None, ("task.attenuation=mu.h5",), "expected `FILE.h5:/dataset`"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line(run, tmp_path, capsys, case):
    change, settings, message = BAD[case]
    path = tmp_path / "patterns.h5"
    path.write_bytes((run[0] / "patterns.h5").read_bytes())
    if change is not None:
        _edited(path, change)
    more = [f"hydra.run.dir={tmp_path / 'run'}", *settings]
    assert main(["run", "experiment=diffraction_tomography", f"data.path={path}", *more]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert [line for line in said if re.search(message, line)], said


def test_negative_counts_of_a_file_that_has_no_mask_are_refused(tmp_path):
    """The package's own layout means a mask by them; an NXxrdct file does not."""
    with h5py.File(tmp_path / "x.nx", "w") as file:
        for name, kind in (
            ("entry", "NXentry"),
            ("entry/instrument", "NXinstrument"),
            ("entry/sample", "NXsample"),
        ):
            file.create_group(name).attrs["NX_class"] = kind
        file.create_group("entry/instrument/detector").attrs["NX_class"] = "NXdetector"
        file["entry/definition"] = "NXxrdct"
        counts = np.ones((4, 9, TWO_THETA_DEG.size))
        counts[2, 1, 7] = -3
        file["entry/instrument/detector/data"] = counts
        file["entry/instrument/detector/radial_axis"] = TWO_THETA_DEG
        file["entry/instrument/detector/radial_axis"].attrs["units"] = "deg"
        file["entry/sample/rotation_angles"] = np.arange(9) * 20.0
        file["entry/sample/translation_values"] = np.arange(4) * 1e-6
        file["entry/instrument/monochromator/wavelength"] = 0.7167

    with pytest.raises(InputError, match=r"negative counts in 1 of \d+ channels, first in channel 7"):
        Nxxrdct(str(tmp_path / "x.nx"), wavelength_m=WAVELENGTH_M).read()
