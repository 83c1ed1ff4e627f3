"""Data Exchange: the measured tooth, round trips, and mistakes."""

import os

import h5py
import numpy as np
import pytest

from jxrecon.data.auto import Auto
from jxrecon.data.data_exchange import DataExchange
from jxrecon.data.describe import describe
from jxrecon.data.projection_frames import ArrayProjections
from jxrecon.data.projection_series import ProjectionSeries
from jxrecon.data.write_projections import write_data_exchange
from jxrecon.errors import InputError

ANGLES = np.linspace(0, 165, 12)


def test_measured_tooth(measured_data):
    path = measured_data / "tomography/tooth.h5"
    series = DataExchange(str(path)).read()
    assert series.shape == (181, 2, 640) and series.flats.shape == series.darks.shape == (10, 2, 640)
    assert series.angle_deg[[0, -1]] == pytest.approx([0, 179.006], abs=1e-3)
    with h5py.File(path) as file:
        data, white, dark = (
            file[f"exchange/{n}"][()].astype(float) for n in ("data", "data_white", "data_dark")
        )
    expected = -np.log((data - dark.mean(0)) / (white.mean(0) - dark.mean(0)))
    np.testing.assert_allclose(series.line_integrals(), expected, atol=1e-6)
    np.testing.assert_allclose(series.line_integrals(slice(1, 2))[:, 0], expected[:, 1], atol=1e-6)
    # Parallel beam over 180 degrees: the sum over u of a row is the same at every angle, but for the beam's drift.
    sums = expected[:, 0].sum(axis=1)
    assert np.ptp(sums) < 0.1 * sums.mean()
    found = describe(str(path))
    assert found["format"] == "data_exchange" and found["projections"]["count"] == 181
    assert found["missing"] == ["pixel_size_m", "energy_keV"]
    assert found["problem"].endswith("`jxrecon.data.data_exchange.DataExchange` reads them.")


@pytest.fixture
def exchange(tmp_path):
    """`exchange(**changes)` writes 12 projections; a change of None leaves the dataset out."""

    def write(**changes):
        arrays = {
            "data": np.random.default_rng(0).uniform(10, 90, (12, 3, 8)).astype(np.float32),
            "data_white": np.full((2, 3, 8), 100.0),
            "data_dark": np.zeros((2, 3, 8)),
            "theta": ANGLES,
        } | changes
        name = tmp_path / f"{len(os.listdir(tmp_path))}.h5"
        with h5py.File(name, "w") as file:
            for key, value in arrays.items():
                if value is not None:
                    file[f"exchange/{key}"] = value
            file["measurement/instrument/monochromator/energy"] = 25.5
            file["measurement/instrument/detection_system/objective/resolution"] = 0.65
            file["measurement/instrument/detection_system/objective/resolution"].attrs["units"] = "microns"
        return str(name)

    return write


def test_metadata(exchange):
    series = DataExchange(exchange()).read()
    assert series.energy_keV == 25.5 and series.pixel_size_m == pytest.approx((0.65e-6, 0.65e-6))
    np.testing.assert_array_equal(series.angle_deg, ANGLES)


def test_angles_of_the_user_where_the_file_has_none(exchange, tmp_path):
    path = exchange(theta=None)
    with pytest.raises(InputError, match=r"/exchange/theta: missing"):
        DataExchange(path).read()
    (tmp_path / "theta.txt").write_text("\n".join(map(str, ANGLES)))
    np.testing.assert_array_equal(DataExchange(path, angles=f"{tmp_path}/theta.txt").read().angle_deg, ANGLES)


def test_theta_in_radians_is_warned_of(exchange, caplog):
    path = exchange(theta=np.deg2rad(ANGLES))
    found = DataExchange(path).read().angle_deg
    np.testing.assert_array_equal(found, np.deg2rad(ANGLES))
    assert f"{path}:/exchange/theta: 12 angles from 0 to 2.87979 are taken for degrees" in caplog.text
    np.testing.assert_allclose(DataExchange(path, angle_unit="rad").read().angle_deg, ANGLES, rtol=1e-12)


BAD = {
    "theta": ({"theta": ANGLES[:7]}, "/exchange/theta: 7 angles; expected one for each of 12 projections"),
    "white": ({"data_white": np.ones((2, 3, 7))}, r"flats of \(3, 7\) pixels, but projections of \(3, 8\)"),
    "shape": ({"data": np.ones((12, 8))}, r"/exchange/data: has shape \(12, 8\)"),
    "text": ({"theta": "none"}, "/exchange/theta: holds"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_one_line_with_the_file(exchange, kind):
    changes, message = BAD[kind]
    path = exchange(**changes)
    with pytest.raises(InputError, match=message) as caught:
        DataExchange(path).read()
    assert str(caught.value).startswith(path) and "\n" not in str(caught.value)


def test_sinograms_are_told_from_projections(exchange):
    path = exchange()
    with h5py.File(path, "a") as file:
        file["exchange/data"].attrs["axes"] = "y:theta:x"
    with pytest.raises(InputError, match="/exchange/data@axes: is `y:theta:x`; expected the angles first"):
        DataExchange(path).read()


@pytest.mark.parametrize("quantity", ["counts", "phase"])
def test_round_trip(tmp_path, quantity):
    frames = np.random.default_rng(0).uniform(10, 90, (12, 3, 8)).astype(np.float32)
    flats = ArrayProjections(np.full((2, 3, 8), 100.0)) if quantity == "counts" else None
    written = ProjectionSeries(
        ArrayProjections(frames), ANGLES, quantity, (2e-8, 3e-8), 1.5, 9.1, flats, rotation_axis_px=3.25
    )
    write_data_exchange(tmp_path / "a.h5", written)
    found = DataExchange(str(tmp_path / "a.h5")).read()
    for name in ("quantity", "pixel_size_m", "distance_m", "energy_keV", "rotation_axis_px"):
        assert getattr(found, name) == getattr(written, name), name
    np.testing.assert_array_equal(found.angle_deg, ANGLES)
    np.testing.assert_array_equal(found.line_integrals(), written.line_integrals())
    with pytest.raises(InputError, match="holds projections and no frames of ptychography"):
        Auto(str(tmp_path / "a.h5")).read()
