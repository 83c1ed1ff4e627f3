"""Results come back whole or are refused, open at the object's phase in independent readers, and survive changes of version."""

import dataclasses
import logging
import os
import re
from typing import Any

import equinox as eqx
import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from damage import answers, cut, flipped, hole

import jxrecon
from jxrecon import checkpoint
from jxrecon.errors import InputError
from jxrecon.geometry import Geometry
from jxrecon.parameters import Parameters, Positions, Probe
from jxrecon.provenance import provenance
from jxrecon.result import KIND, VERSION, Result, assemble, load, write
from jxrecon.sealed import seal, text
from jxrecon.storage import reserved_hdf5

GEOMETRY = Geometry(
    1.0e-10, 2.0, (75e-6, 55e-6), (16, 20), focus_to_sample_m=0.1, regime="near_field", margin=2
)


def result(specimens=1, optics=1, background=True, size=(40, 44)):
    draw = np.random.default_rng(0).standard_normal
    phase = np.linspace(-1, 0, specimens * size[0] * size[1]).reshape(specimens, *size)
    modes = jnp.asarray(draw((optics, 2, 20, 24)) + 1j * draw((optics, 2, 20, 24)), "complex64")
    weights = (jnp.asarray(draw((optics, 1, 2, 20, 24)), "complex64"), jnp.ones((7, 1)))
    positions = Positions(
        jnp.asarray(draw((7, 2)), "f4"), jnp.full((7, 2), 0.25), jnp.asarray([0.01, 0, 0, 0], "f4")
    )
    unknowns = Parameters(
        jnp.asarray(0.9 * np.exp(1j * phase), "complex64"),
        Probe(modes, *weights),
        positions,
        jnp.ones(7),
        jnp.ones((16, 20)) if background else None,
    )
    frequency = np.linspace(0, 1, 9)
    return Result(
        unknowns,
        GEOMETRY,
        metrics={"r_factor": 0.1, "epochs": 3, "frc_half_bit_px": None},
        history={
            "epoch": np.arange(1, 4),
            "data": np.array([5.0, 4.0, 3.0]),
            "total": np.array([6.0, 5.0, np.nan]),
        },
        frc={"frequency": frequency, "correlation": 1 - frequency, "half_bit": 0.3 + 0 * frequency},
        images={"measured": draw((16, 20)), "stack": draw((3, 16, 20)).astype("f4")},
        config="name: Größe\nepochs: 3\n",
        provenance=provenance(7, note="µ"),
        source="data/scan.h5",
    )


def same_arrays(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k], equal_nan=True) for k in one)


def same(found, written):
    leaves, others = (jax.tree.leaves(r.parameters) for r in (found, written))
    return (
        jax.tree.structure(found.parameters) == jax.tree.structure(written.parameters)
        and all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(leaves, others))
        and all(
            getattr(found, n) == getattr(written, n) for n in ("geometry", "metrics", "config", "provenance")
        )
        and all(same_arrays(getattr(found, n), getattr(written, n)) for n in ("history", "frc", "images"))
        and found.source == os.path.abspath(written.source)
    )


@pytest.mark.parametrize("kind", [{}, {"specimens": 3, "optics": 2}, {"background": False}], ids=str)
def test_round_trip(tmp_path, kind):
    written = result(**kind)
    write(written, tmp_path / "result.h5")
    found = load(tmp_path / "result.h5")
    assert same(found, written)
    assert found.path == str(tmp_path / "result.h5")
    assert same(jxrecon.load(tmp_path), written), "a run folder serves as well"


def test_least_result(tmp_path):
    least = Result(result().parameters, Geometry(1e-10, 1.0, (1e-5, 1e-5), (20, 24)))
    write(least, tmp_path / "result.h5")
    found = load(tmp_path / "result.h5")
    assert dataclasses.replace(found, path="", parameters=least.parameters) == least


def test_numbers_that_are_not_finite_are_none(tmp_path):
    write(
        dataclasses.replace(result(), metrics={"a": float("nan"), "b": float("inf")}), tmp_path / "result.h5"
    )
    assert load(tmp_path / "result.h5").metrics == {"a": None, "b": None}


def test_curves_of_different_lengths_are_named(tmp_path):
    wrong = dataclasses.replace(result(), history={"epoch": np.arange(3), "data": np.arange(4.0)})
    with pytest.raises(ValueError, match="`convergence`: \\['data'\\] differ in length from epoch"):
        write(wrong, tmp_path / "result.h5")
    assert os.listdir(tmp_path) == []


def test_the_pictures(tmp_path):
    """The chain of defaults by hand, and the numbers and axes at its end."""
    written = result()
    write(written, tmp_path / "result.h5")
    root: Any
    with h5py.File(tmp_path / "result.h5") as root:
        entry = root[text(root.attrs["default"])]
        data = entry[text(entry.attrs["default"])]
        assert [text(item.attrs["NX_class"]) for item in (root, entry, data)] == [
            "NXroot",
            "NXentry",
            "NXdata",
        ]
        phase, axes = data[text(data.attrs["signal"])], [data[text(name)] for name in data.attrs["axes"]]
        assert np.allclose(phase, np.angle(written.parameters.object[0]), atol=1e-7)
        assert [text(d.attrs["units"]) for d in (phase, *axes)] == ["rad", "um", "um"]
        pitch_um = np.array(GEOMETRY.pixel_size_m) * 1e6
        assert np.allclose(pitch_um, [75 / 21, 55 / 21])
        for axis, pitch, size in zip(axes, pitch_um, (40, 44)):
            assert np.allclose(axis, (np.arange(size) - size // 2) * pitch)
        assert np.allclose(entry["object_amplitude/amplitude"], 0.9)
        probe = entry["probe"]
        assert np.allclose(probe["intensity"], np.abs(written.parameters.probe.modes[0]) ** 2)
        assert probe["modes"] == entry["parameters/probe/modes"], "one array under two names"
        corrected = np.asarray(written.parameters.positions()) * pitch_um
        assert np.allclose(entry["positions/corrected"], corrected, rtol=1e-6)
        assert np.allclose(entry["positions/y"], corrected[:, 0], rtol=1e-6)


def test_every_number_lies_in_checksummed_chunks(tmp_path):
    write(result(), tmp_path / "result.h5")
    with h5py.File(tmp_path / "result.h5") as root:
        datasets = []
        root.visititems(lambda _, item: datasets.append(item) if isinstance(item, h5py.Dataset) else None)
        assert len(datasets) > 40
        assert [d.name for d in datasets if d.dtype.kind != "S" and not d.fletcher32] == []


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("specimens", [1, 3])
def test_silx_opens_it_at_the_phase(tmp_path, specimens):
    io, nxdata = pytest.importorskip("silx.io"), pytest.importorskip("silx.io.nxdata")
    write(result(specimens=specimens), tmp_path / "result.h5")
    with io.open(str(tmp_path / "result.h5")) as root:
        shown = nxdata.get_default(root)
        assert shown.is_valid and not shown.issues
        assert (shown.group.name, shown.signal_name) == ("/entry/object_phase", "phase (rad)")
        assert shown.axes_names[-2:] == ["y (um)", "x (um)"]
        assert shown.is_image or specimens > 1
        plots = {name: nxdata.NXdata(g) for name, g in root["entry"].items() if "signal" in g.attrs}
        assert {name for name, plot in plots.items() if not plot.is_valid or plot.issues} == set()
        expected = "convergence frc image_measured image_stack object_amplitude object_phase positions probe"
        assert sorted(plots) == expected.split()
        assert plots["convergence"].signal_name == "total" and plots["convergence"].axes_names == ["epoch"]
        assert plots["probe"].auxiliary_signals_names == ["phase"]


@pytest.mark.filterwarnings("ignore")
def test_nexusformat_opens_it_at_the_phase(tmp_path):
    nexus = pytest.importorskip("nexusformat.nexus")
    write(result(), tmp_path / "result.h5")
    root = nexus.nxload(str(tmp_path / "result.h5"))
    shown = root.plottable_data
    assert shown.nxpath == "/entry/object_phase"
    assert (shown.nxsignal.nxname, shown.nxsignal.shape, shown.nxsignal.attrs["units"]) == (
        "phase",
        (40, 44),
        "rad",
    )
    assert [(a.nxname, a.attrs["units"]) for a in shown.nxaxes] == [("y", "um"), ("x", "um")]
    assert str(root["entry/process/configuration/data"]) == result().config.strip()  # its str() strips


@pytest.mark.filterwarnings("ignore")
def test_nxcheck_finds_no_error(tmp_path):
    validate = pytest.importorskip("nexusformat.nexus.validate")
    write(result(specimens=2), tmp_path / "result.h5")
    warnings, errors = validate.validate_file(str(tmp_path / "result.h5"))
    assert errors == 0
    assert warnings <= 4, "our three root attributes, and `source` of the NXprocess"


DAMAGES = {"flip": (flipped, 200), "hole": (hole, 50), "cut": (cut, 50)}


@pytest.mark.parametrize("sort", DAMAGES)
def test_damage_is_never_silent(tmp_path, count, sort):
    """What `load` does not read (the pictures made from the parameters) may be damaged without notice."""
    damage, number = DAMAGES[sort]
    written, path = result(size=(24, 28)), tmp_path / "result.h5"
    write(written, path)
    tally = answers(path, count(number), damage, lambda: load(path), lambda found: same(found, written))
    assert tally["silent"] == 0
    assert tally["refused"] >= 0.4 * count(number)


def test_other_files_are_told_apart(tmp_path):
    with pytest.raises(InputError, match="none.h5: no such file; expected the `result.h5` of a finished run"):
        load(tmp_path / "none.h5")
    checkpoint.save(tmp_path / "checkpoint.h5", {"a": 1}, {})
    with pytest.raises(InputError, match="checkpoint.h5: is a jxrecon checkpoint; expected a jxrecon result"):
        load(tmp_path / "checkpoint.h5")
    write(result(), tmp_path / "result.h5")
    with pytest.raises(InputError, match="result.h5: is a jxrecon result; expected a jxrecon checkpoint"):
        checkpoint.read_meta(tmp_path / "result.h5")
    with reserved_hdf5(tmp_path / "newer.h5", 100) as file:
        seal(file, KIND, VERSION + 1)
    with pytest.raises(
        InputError, match=f"newer.h5: `format_version` is {VERSION + 1}.* install a newer jxrecon"
    ):
        load(tmp_path / "newer.h5")


class Inner(eqx.Module):
    a: jax.Array
    later: jax.Array | None = None


class Outer(eqx.Module):
    inner: Inner | None
    by_name: dict | None = None
    scale: float = 2.0


def test_parameters_of_other_versions(caplog):
    one = np.ones(3, "f4")
    with caplog.at_level(logging.WARNING):
        made = assemble(Outer, {"inner.a": one, "inner.gone": one, "by_name.x": one}, "old.h5")
    assert np.array_equal(made.inner.a, one) and made.inner.later is None and made.scale == 2.0
    assert list(made.by_name) == ["x"]
    assert "old.h5: parameters.inner.gone: unknown to this jxrecon, left out." in caplog.text
    with pytest.raises(InputError, match=re.escape("old.h5: lacks the parameters ['inner.a']")):
        assemble(Outer, {"inner.later": one}, "old.h5")


def test_provenance():
    record = provenance(3)
    assert record["seed"] == 3
    assert record["versions"]["jax"] == jax.__version__ and record["versions"]["h5py"] == h5py.__version__
    assert len(record["devices"]) == jax.device_count()
    assert record["git_revision"] is None or re.fullmatch("[0-9a-f]{40,64}(-dirty)?", record["git_revision"])
