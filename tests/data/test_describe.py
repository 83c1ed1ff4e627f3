"""What `inspect` says of files whose answers are known."""

import h5py
import numpy as np
import pytest

from jxrecon.data.cxi import CXI
from jxrecon.data.describe import as_text, describe
from jxrecon.data.instrument import Instrument
from jxrecon.errors import InputError


def test_measured_near_field_names_what_is_missing(measured_data):
    path = measured_data / "ptycho/PETRAIII_P25_Near_Field_Ptycho.cxi"
    found = describe(str(path))
    assert found["format"] == "cxi" and found["frames"]["shape"] == (200, 100, 100)
    assert found["missing"] == ["regime", "focus_to_sample_m"]
    text = as_text(found)
    assert "set data.instrument.regime=near_field" in text
    # The magnification is read off the pictures: the focus is 3.65 mm before the sample.
    assert "about 0.0037 m" in text
    data = next(c for c in found["contents"] if c["name"] == "entry_1/instrument_1/detector_1/data")
    assert data["chunks"] == (25, 13, 25) and data["filters"] == ["deflate"]
    known = Instrument(regime="near_field", focus_to_sample_m=3.65e-3)
    found = describe(CXI(str(path), instrument=known))
    assert found["missing"] == [] and found["problem"] is None
    assert found["read_as"]["pixel_size_m"] == pytest.approx((178.66e-9, 178.66e-9), rel=1e-4)
    assert found["read_as"]["energy_keV"] == pytest.approx(12.658, abs=1e-3)


@pytest.mark.parametrize("name", ["siemens_star_aps.h5", "example_sim.ptyd"])
def test_measured_far_field_is_not_taken_for_near_field(measured_data, name):
    found = describe(str(measured_data / "ptycho" / name))
    assert found["missing"] == [] and found["problem"] is None
    assert found["counts"]["counts_per_frame"][1] == pytest.approx(
        found["read_as"]["metadata"]["mean_counts"], rel=0.05
    )


def test_counts_and_faulty_pixels(plain_file, known):
    counts = np.random.default_rng(1).poisson(30, (12, 16, 20)).astype(np.uint16)
    counts[:, 3, 3], counts[:, 9, 9], counts[:, 12, 12] = 0, 9000, 65535
    found = describe(str(plain_file(intensity=counts)))["counts"]
    assert (found["hot_pixels"], found["invalid_pixels"]) == (1, 12)
    assert found["dead_pixels"] == 2  # one that never counts, one that is never valid
    assert found["largest_count"] == 9000


def test_missing_geometry_and_trouble_are_said(plain_file, known):
    found = describe(str(plain_file(distance_m=None, wavelength_m=None)))
    assert found["missing"] == ["wavelength_m", "distance_m"]
    assert "data.instrument.distance_m" in found["problem"]
    found = describe(str(plain_file(positions_px=known.positions_px[:5])))
    assert "12 frames, but 5 positions" in found["problem"] and "12 frames, but 5" in as_text(found)


def test_dangerous_datasets_are_listed_with_the_reason(plain_file):
    path = plain_file()
    with h5py.File(path, "a") as file:
        file.create_dataset("lists", (3,), h5py.vlen_dtype("f8"))
        file["note"] = "a comment"
    contents = {c["name"]: c for c in describe(str(path))["contents"]}
    assert "variable length" in contents["lists"]["refused"]
    assert contents["note"]["text"] == "a comment"


def test_npz(tmp_path, known):
    np.savez(tmp_path / "a.npz", intensity=known.counts, positions_px=known.positions_px, **known.scalars())
    found = describe(str(tmp_path / "a.npz"))
    assert found["format"] == "plain" and {"name": "intensity"} in found["contents"]


def test_formats_that_need_more(tmp_path):
    with h5py.File(tmp_path / "a.ptyr", "w") as file:
        file["content/obj/S00/data"] = np.ones((1, 4, 4), np.complex64)
    found = describe(str(tmp_path / "a.ptyr"))
    assert found["format"] == "ptyr" and "data=ptyr" in found["problem"]
    with pytest.raises(InputError, match="no such file"):
        describe(str(tmp_path / "none.h5"))
