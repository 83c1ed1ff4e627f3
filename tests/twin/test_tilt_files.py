"""A simulated tilt series in place of a file, streamed view by view, and written to one."""

import dataclasses

import h5py
import numpy as np
import pytest

from jxrecon import cli
from jxrecon.data.plain import Plain
from jxrecon.twin.acquisition import Nuisances, TiltAngles
from jxrecon.twin.detector import PhotonCounter
from jxrecon.twin.scan import FermatSpiral
from jxrecon.twin.scene import BallWithHoles
from jxrecon.twin.tilt_reader import SimulatedTilt
from jxrecon.twin.tilt_series import SimulatedTiltSeries

SMALL = SimulatedTiltSeries(
    scene=BallWithHoles(shape=(32, 32, 32), radius_m=0.55e-6, holes=4),
    scan=FermatSpiral(7, 8.0),
    angles=TiltAngles(6, missing=(2,)),
    nuisances=Nuisances(projection_shift=1.0, flux_fluctuation=0.1, position_jitter=0.3),
    detector=PhotonCounter(dead=0.01),
)


@pytest.fixture(scope="module")
def data():
    return SMALL.simulate(2)


def check(measurement, data):
    assert np.array_equal(measurement.frames.read(np.arange(35)), data["intensity"])
    assert np.allclose(measurement.positions_px, data["positions_px"], atol=1e-12)
    assert np.array_equal(measurement.view, np.repeat(np.arange(5), 7))
    assert np.array_equal(measurement.specimen, np.arange(5)) and not measurement.optics.any()
    assert np.allclose(measurement.angle_deg, [0, 30, 90, 120, 150])
    assert np.array_equal(measurement.mask, data["mask"]) and not data["mask"].all()
    assert np.array_equal(measurement.probe, data["probe"]) and measurement.object is None


def test_reading_without_a_file(data):
    reader = SimulatedTilt(simulation=SMALL, seed=2)
    geometry, measurement = reader.read()
    assert geometry == SMALL.geometry
    check(measurement, data)
    truth = reader.truth()
    assert truth.keys() == {name for name in data if name.endswith("_true")}
    assert np.array_equal(truth["electron_density_true"], data["electron_density_true"])
    assert truth["probe_true"] is SimulatedTilt(simulation=SMALL, seed=2).truth()["probe_true"]
    assert truth["probe_true"] is not SimulatedTilt(simulation=SMALL, seed=3).truth()["probe_true"]


@pytest.mark.parametrize("name", ["set.h5", "set.npz"])
def test_files_are_read_back(tmp_path, data, name):
    SMALL.write(tmp_path / name, 2)
    geometry, measurement = Plain(str(tmp_path / name)).read()
    assert geometry == SMALL.geometry
    check(measurement, data)
    if name == "set.h5":
        with h5py.File(tmp_path / name) as file:
            for key in (k for k in data if k.endswith("_true") and "_fine_" not in k):
                assert np.array_equal(file[key][()], data[key]), key


def test_frames_in_any_portion_are_the_same(data):
    frames = SMALL.frames(2)
    for index in ([33, 34], [0, 20], [6, 7, 8], range(35)):
        assert np.array_equal(frames.read(np.array(index)), data["intensity"][list(index)])


def test_settings_of_a_reader_apply(data):
    """Every second frame: views keep their angles, positions their origin."""
    reader = SimulatedTilt(simulation=SMALL, seed=2)
    every_second = dataclasses.replace(reader, preprocess=dataclasses.replace(reader.preprocess, stride=2))
    _, measurement = every_second.read()
    assert np.array_equal(measurement.view, data["view"][::2])
    assert np.allclose(measurement.positions_px, data["positions_px"][::2], atol=1e-12)


def test_experiment_writes_a_file(tmp_path, capsys):
    small = [
        "simulation.angles.count=3",
        "simulation.scan.count=4",
        "simulation.nuisances.axis_offset=2",
        "simulation.scene.particle.size=32",
    ]
    run = [f"hydra.run.dir={tmp_path}/set", "seed=5", *small]
    assert cli.main(["experiment=simulate_tilt_series", *run]) == 0
    assert "12 frames" in capsys.readouterr().out
    _, measurement = Plain(f"{tmp_path}/set/data.h5").read()
    assert np.allclose(measurement.angle_deg, [0, 60, 120])
    with h5py.File(tmp_path / "set/data.h5") as file:
        assert file["axis_offset_true"][()] == 2
    assert measurement.frames.shape == (12, 32, 32)
