"""NXtomo as nxtomo 3.1.1 writes it, as this package does (judged by nexusformat and silx), and with mistakes in it."""

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from jxrecon.data.describe import as_text, describe
from jxrecon.data.instrument import Instrument
from jxrecon.data.nxtomo import Nxtomo
from jxrecon.data.projection_frames import ArrayProjections
from jxrecon.data.projection_series import ProjectionSeries
from jxrecon.data.write_projections import write_nxtomo
from jxrecon.errors import InputError

KEYS = [2, 1, 0, 0, 3, 0, 1]
ANGLES = [0, 0, -30, 10.5, 99, 60, 0]


@pytest.fixture
def stack():
    """Dark 10, flats 1000 and 1010 counts; projections of known numbers; an invalid frame of nonsense."""
    frames = np.random.default_rng(5).integers(100, 900, (7, 4, 6)).astype(np.uint16)
    frames[0], frames[1], frames[6], frames[4] = 10, 1000, 1010, 0
    return frames


@pytest.fixture
def nxtomo_file(tmp_path, stack):
    """`nxtomo_file(**changes)` writes the stack as the ESRF does; a change of None leaves the dataset out."""

    def write(name="a.nx", entry="entry0000", units=True, **changes):
        detector, sample = "instrument/detector/", "sample/"
        fields = {
            "definition": ("NXtomo", ""),
            detector + "data": (stack, ""),
            detector + "image_key": (KEYS, ""),
            detector + "x_pixel_size": (5.5, "um"),
            detector + "y_pixel_size": (6.5e-3, "mm"),
            detector + "distance": (12.0, "cm"),
            detector + "x_rotation_axis_pixel_position": (2.75, ""),
            "instrument/beam/incident_energy": (17000.0, "eV"),
            sample + "rotation_angle": (ANGLES, "degree"),
        }
        fields |= changes
        with h5py.File(tmp_path / name, "a") as file:
            for key, (value, unit) in fields.items():
                if value is not None:
                    file[f"{entry}/{key}"] = value
                    if unit:
                        file[f"{entry}/{key}"].attrs["units"] = unit
        return str(tmp_path / name)

    return write


def by_hand(stack):
    return -np.log((stack[[2, 3, 5]].astype(float) - 10) / (1005 - 10))


def test_everything_is_found(nxtomo_file, stack):
    series = Nxtomo(nxtomo_file()).read()
    assert series.angle_deg.tolist() == [-30, 10.5, 60]
    assert series.pixel_size_m == pytest.approx((6.5e-6, 5.5e-6), rel=1e-12)
    assert (series.distance_m, series.energy_keV) == pytest.approx((0.12, 17.0), rel=1e-12)
    assert series.rotation_axis_px == 2.75 and series.quantity == "counts"
    assert series.flats.shape == (2, 4, 6) and series.darks.shape == (1, 4, 6)
    np.testing.assert_allclose(series.line_integrals(), by_hand(stack), atol=1e-6)
    np.testing.assert_allclose(series.line_integrals(slice(1, 2)), by_hand(stack)[:, 1:2], atol=1e-6)
    assert series.metadata["invalid_frames"] == 1


def test_file_of_nxtomo(measured_data):
    series = Nxtomo(str(measured_data / "formats/nxtomo.nx")).read()
    assert series.angle_deg.tolist() == [0, 45, 90, 135, 180]
    assert series.shape == (5, 8, 9) and series.flats.shape[0] == series.darks.shape[0] == 1
    assert (series.energy_keV, series.distance_m, series.pixel_size_m) == (6.2, 1.0, (2e-8, 2e-8))
    found = describe(str(measured_data / "formats/nxtomo.nx"))
    assert found["format"] == "nxtomo" and found["projections"]["angle_deg"] == (0.0, 180.0)
    assert "projections.count: 5" in as_text(found)
    assert "flat field is nowhere brighter" in found["problem"]  # it holds zeros only


def test_frames_of_an_alignment_check_are_no_projections(nxtomo_file):
    keys = [2, 1, 0, -1, 3, 0, 1]
    series = Nxtomo(nxtomo_file(**{"instrument/detector/image_key_control": (keys, "")})).read()
    assert series.angle_deg.tolist() == [-30, 60]


def test_pixels_in_the_specimen_come_first(nxtomo_file):
    path = nxtomo_file(**{"sample/x_pixel_size": (30.0, "nm"), "sample/y_pixel_size": (40.0, "nm")})
    assert Nxtomo(path).read().pixel_size_m == pytest.approx((40e-9, 30e-9))


def test_groups_of_other_names_are_found_by_their_class(tmp_path, stack):
    with h5py.File(tmp_path / "a.nx", "w") as file:
        classes = {
            "1": "NXentry",
            "1/imaging": "NXinstrument",
            "1/imaging/pco": "NXdetector",
            "1/tooth": "NXsample",
        }
        for name, nx_class in classes.items():
            file.create_group(name).attrs["NX_class"] = nx_class
        file["1"].attrs["definition"] = "NXtomo"
        file["1/imaging/pco/data"], file["1/imaging/pco/image_key"] = stack, KEYS
        file["1/tooth/rotation_angle"] = np.array(ANGLES)
    assert Nxtomo(str(tmp_path / "a.nx")).read().angle_deg.tolist() == [-30, 10.5, 60]


def test_entry_is_chosen(nxtomo_file, stack):
    path = nxtomo_file()
    nxtomo_file(entry="entry0001", **{"sample/rotation_angle": (np.array(ANGLES) + 5, "degree")})
    assert Nxtomo(path).read().angle_deg.tolist() == [-30, 10.5, 60]
    assert Nxtomo(path).read().metadata["other_entries"] == ["entry0001"]
    assert Nxtomo(path, entry="entry0001").read().angle_deg.tolist() == [-25, 15.5, 65]


def test_angles_and_numbers_of_the_user(nxtomo_file, tmp_path):
    path = nxtomo_file()
    assert Nxtomo(path, angles=[1, 2, 3]).read().angle_deg.tolist() == [1, 2, 3]
    assert Nxtomo(path, angles=list(range(7))).read().angle_deg.tolist() == [2, 3, 5]
    with pytest.raises(
        InputError, match=r"4 angles; expected one for each of 3 projections, or of all 7 frames"
    ):
        Nxtomo(path, angles=[1, 2, 3, 4]).read()
    given = Instrument(energy_keV=9.0, detector_pixel_m=1e-6, distance_m=0.5)
    series = Nxtomo(path, instrument=given).read()
    assert (series.energy_keV, series.pixel_size_m, series.distance_m) == (9.0, (1e-6, 1e-6), 0.5)
    assert Nxtomo(path, instrument=Instrument(wavelength_m=1e-10)).read().energy_keV == pytest.approx(
        12.398, abs=1e-3
    )


def test_units_of_angles(nxtomo_file, caplog):
    radians = {"sample/rotation_angle": (np.deg2rad(ANGLES), "rad")}
    np.testing.assert_allclose(Nxtomo(nxtomo_file(**radians)).read().angle_deg, [-30, 10.5, 60], rtol=1e-12)
    without = {"sample/rotation_angle": (ANGLES, "")}
    assert Nxtomo(nxtomo_file("b.nx", **without)).read().angle_deg.tolist() == [-30, 10.5, 60]
    assert not caplog.records


def test_radians_under_the_name_of_degrees(nxtomo_file, tmp_path, caplog):
    many = np.ones((30, 4, 6), np.uint16)
    path = nxtomo_file(
        **{
            "instrument/detector/data": (many, ""),
            "instrument/detector/image_key": (np.zeros(30, int), ""),
            "sample/rotation_angle": (np.linspace(0, np.pi, 30), "degree"),
        }
    )
    Nxtomo(path).read()
    assert (
        f"{path}:/entry0000/sample/rotation_angle: 30 angles from 0 to 3.14159 are taken for degrees"
        in caplog.text
    )
    found = describe(path)
    assert "looks like radians" in found["projections"]["warning"] and "no flat field" in found["problem"]


DETECTOR = "instrument/detector/"
BAD = {
    "keys": ({DETECTOR + "image_key": (KEYS[:5], "")}, "/image_key: 5 keys, but 7 frames"),
    "strange_key": ({DETECTOR + "image_key": ([7, *KEYS[1:]], "")}, r"/image_key: holds 7; expected 0"),
    "no_projection": ({DETECTOR + "image_key": ([1] * 7, "")}, "none of 7 frames is a projection"),
    "angles": ({"sample/rotation_angle": (ANGLES[:6], "")}, "6 angles; expected one for each of 3 projections, or of all 7"),
    "misspelt": (
        {"sample/rotation_angle": (None, ""), "sample/rotation_angles": (ANGLES, "")},
        "/rotation_angle: missing; the nearest are /entry0000/sample/rotation_angles",
    ),
    "angle_nan": ({"sample/rotation_angle": ([0, 0, np.nan, 0, 0, 0, 0], "")}, r"1 of 3 angles are not finite \(number 0\)"),
    "angle_unit": ({"sample/rotation_angle": (ANGLES, "turn")}, "unknown unit of angles `turn`"),
    "energy_unit": ({"instrument/beam/incident_energy": (17.0, "GeVish")}, "/incident_energy: unknown unit"),
    "no_data": ({DETECTOR + "data": (None, "")}, "/data: missing"),
    "flat_data": ({DETECTOR + "data": (np.ones((7, 5)), "")}, r"/data: has shape \(7, 5\); expected projections"),
    "complex": ({DETECTOR + "data": (np.ones((7, 5, 5)) * 1j, "")}, "/data: holds type complex128"),
    "definition": ({"definition": ("NXtomoproc", "")}, "no entry has the definition NXtomo"),
    "quantity": ({"jxrecon/quantity": ("weight", "")}, "/quantity: is `weight`"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_one_line_with_the_file(nxtomo_file, kind):
    changes, message = BAD[kind]
    path = nxtomo_file(**changes)
    with pytest.raises(InputError, match=message) as caught:
        Nxtomo(path).read()
    assert str(caught.value).startswith(path) and "\n" not in str(caught.value)


def test_a_torn_projection_is_named_or_left_out(nxtomo_file, stack, caplog):
    floats = stack.astype(np.float32)
    floats[3] = np.nan
    path = nxtomo_file(**{DETECTOR + "data": (floats, "")})
    with pytest.raises(InputError, match=rf"{path}: projection 1 \(angle 10.5 deg\): 100 % of its pixels"):
        Nxtomo(path).read().line_integrals()
    series = Nxtomo(path, skip_unreadable=True).read()
    assert series.angle_deg.tolist() == [-30, 60]
    np.testing.assert_allclose(series.line_integrals(), by_hand(stack)[[0, 2]], atol=1e-6)


def a_series(quantity="counts"):
    rng = np.random.default_rng(2)
    counts = quantity == "counts"
    frames = (
        rng.integers(1, 60000, (9, 5, 8)).astype(np.uint16)
        if counts
        else rng.normal(size=(9, 5, 8)).astype("f4")
    )
    flats = ArrayProjections(np.full((2, 5, 8), 60000, np.uint16)) if counts else None
    darks = ArrayProjections(np.full((1, 5, 8), 3, np.uint16)) if counts else None
    return ProjectionSeries(
        ArrayProjections(frames),
        np.linspace(-70, 70, 9),
        quantity,
        (2e-8, 3e-8),
        1.5,
        9.1,
        flats,
        darks,
        3.25,
    )


@pytest.mark.parametrize("quantity", ["counts", "phase", "line_integral"])
def test_round_trip(tmp_path, quantity):
    written = a_series(quantity)
    write_nxtomo(tmp_path / "a.nx", written)
    assert os.listdir(tmp_path) == ["a.nx"]
    found = Nxtomo(str(tmp_path / "a.nx")).read()
    for name in ("quantity", "pixel_size_m", "distance_m", "energy_keV", "rotation_axis_px"):
        assert getattr(found, name) == getattr(written, name), name
    np.testing.assert_array_equal(found.angle_deg, written.angle_deg)
    np.testing.assert_array_equal(found.frames.read(np.arange(9)), written.frames.array)
    assert found.frames.dtype == written.frames.dtype
    np.testing.assert_array_equal(found.line_integrals(), written.line_integrals())
    assert (found.flats is None) == (quantity != "counts")


@pytest.mark.parametrize("quantity, warnings", [("counts", 0), ("phase", 1)])
def test_nexus_definition_is_kept(tmp_path, quantity, warnings):
    """`nxvalidate` of nexusformat; NXtomo wants whole numbers, which phases are not: a warning."""
    pytest.importorskip("nexusformat")
    write_nxtomo(tmp_path / "a.nx", a_series(quantity))
    tool = Path(sys.executable).with_name("nxvalidate")
    done = subprocess.run([tool, tmp_path / "a.nx"], capture_output=True, text=True, timeout=120)
    text = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    assert "Application Definition: NXtomo" in text
    assert re.search(r"Total number of errors: (\d+)", text).group(1) == "0", text
    assert int(re.search(r"Total number of warnings: (\d+)", text).group(1)) == warnings, text


@pytest.mark.filterwarnings("ignore")
def test_silx_opens_it_at_the_projections(tmp_path):
    io, nxdata = pytest.importorskip("silx.io"), pytest.importorskip("silx.io.nxdata")
    write_nxtomo(tmp_path / "a.nx", a_series("phase"))
    with io.open(str(tmp_path / "a.nx")) as root:
        shown = nxdata.get_default(root)
        assert shown.is_valid and not shown.issues
        assert shown.group.name == "/entry/data" and shown.signal_name == "phase (rad)"
        np.testing.assert_array_equal(shown.signal[4], a_series("phase").frames.array[4])


def test_failure_leaves_nothing_behind(tmp_path):
    class Failing:
        shape, dtype = (9, 5, 8), np.dtype(np.float32)

        def read(self, index, rows=slice(None)):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_nxtomo(tmp_path / "a.nx", dataclasses.replace(a_series("phase"), frames=Failing()))
    assert os.listdir(tmp_path) == []
