"""CXI 1.6 against measured data and against a file written after the specification."""

import h5py
import numpy as np
import pytest

from jxrecon.data.cxi import CXI
from jxrecon.data.instrument import Instrument
from jxrecon.data.shadow import find_shadow
from jxrecon.errors import InputError

EVERY = np.arange(12)


def _near(path):
    return CXI(str(path), instrument=Instrument(regime="near_field", focus_to_sample_m=3.65e-3))


def test_measured_petra(measured_data):
    geometry, measurement = _near(measured_data / "ptycho/PETRAIII_P25_Near_Field_Ptycho.cxi").read()
    assert geometry.energy_keV == pytest.approx(12.658, abs=1e-3)
    assert geometry.distance_m == pytest.approx(1.12) and geometry.detector_pixel_m == pytest.approx(
        (55e-6, 55e-6)
    )
    assert geometry.pixel_size_m == pytest.approx((178.66e-9, 178.66e-9), rel=1e-4)
    assert measurement.frames.shape == (200, 100, 100)
    with h5py.File(measured_data / "ptycho/PETRAIII_P25_Near_Field_Ptycho.cxi") as file:
        moves = file["entry_1/sample_1/geometry_1/translation"][()].astype(float)
        mask = file["entry_1/instrument_1/detector_1/mask"][()]
        frames = file["entry_1/instrument_1/detector_1/data"][()]
    # Rows of this detector run along -y and columns along -x, and the probe goes where the sample does not.
    metres = measurement.positions_px * geometry.pixel_size_m[0]
    np.testing.assert_allclose(np.diff(metres, axis=0), np.diff(moves[:, 1::-1], axis=0), atol=1e-12)
    assert (~measurement.mask).sum() == ((mask != 0) & (mask != 0x1000)).sum() == 5
    found = measurement.frames.read(np.array([0, 77]))
    np.testing.assert_array_equal(found[:, measurement.mask], frames[[0, 77]][:, measurement.mask])


def test_measured_picture_moves_against_the_probe(measured_data):
    """Sign and order of positions against the picture itself: in the near field it moves by -M / d for a step of the probe."""
    scan = _near(measured_data / "ptycho/PETRAIII_P25_Near_Field_Ptycho.cxi").scan()
    shadow = find_shadow(scan.frames.read_raw(np.arange(120)), scan.positions[:120])
    magnification = -shadow.shift_px_per_m * 55e-6
    assert shadow.agreement > 0.95
    np.testing.assert_allclose(magnification, (3.65e-3 + 1.12) / 3.65e-3 * np.eye(2), atol=0.06 * 308)


def _write(path, known, axes="default", **changes):
    """The known scan; `axes` chooses the detector's basis."""
    slow, fast = {
        "default": ((0, -1, 0), (-1, 0, 0)),
        "up": ((0, 1, 0), (1, 0, 0)),
        "turned": ((1, 0, 0), (0, -1, 0)),
    }[axes]
    vectors = np.array([slow, fast], float).T
    with h5py.File(path, "w") as file:
        file["cxi_version"] = 160
        detector = file.create_group("entry_1/instrument_1/detector_1")
        detector["data"] = known.counts.astype(np.int32)
        detector["distance"], detector["x_pixel_size"], detector["y_pixel_size"] = 2.0, 75e-6, 75e-6
        # What is at (y, x) along the detector stands at slow y + fast x in the laboratory; the sample moves the other way.
        laboratory = known.positions_m @ vectors.T
        file["entry_1/sample_1/geometry_1/translation"] = changes.pop("translation", -laboratory)
        if axes != "default":
            detector["basis_vectors"] = changes.pop("basis", 75e-6 * vectors)
        file["entry_1/instrument_1/source_1/energy"] = 1.9864458571e-25 / known.wavelength_m
        for name, value in changes.items():
            file[f"entry_1/{name.replace('__', '/')}"] = value
    return str(path)


@pytest.mark.parametrize("axes", ["default", "up", "turned"])
def test_positions_follow_the_detectors_axes(tmp_path, known, axes):
    geometry, measurement = CXI(_write(tmp_path / "a.cxi", known, axes)).read()
    np.testing.assert_allclose(measurement.positions_px, known.positions_px, atol=1e-9)
    np.testing.assert_array_equal(measurement.frames.read(EVERY), known.counts)
    assert geometry.wavelength_m == pytest.approx(known.wavelength_m, rel=1e-9)


def test_basis_may_be_written_the_other_way_round_and_give_the_pitch(tmp_path, known):
    path = _write(tmp_path / "a.cxi", known, "up")
    with h5py.File(path, "a") as file:
        detector = file["entry_1/instrument_1/detector_1"]
        vectors = detector["basis_vectors"][()]
        del detector["basis_vectors"], detector["x_pixel_size"]
        detector["basis_vectors"] = np.ascontiguousarray(vectors.T)
    geometry, measurement = CXI(path).read()
    assert geometry.detector_pixel_m == pytest.approx((75e-6, 75e-6))
    np.testing.assert_allclose(measurement.positions_px, known.positions_px, atol=1e-9)


def test_mask_bits(tmp_path, known):
    mask = np.zeros((16, 20), np.uint32)
    mask[0, 0], mask[1, 1], mask[2, 2], mask[3, 3] = 0x1000, 0x1, 0x1001, 0x80
    _, measurement = CXI(_write(tmp_path / "a.cxi", known, instrument_1__detector_1__mask=mask)).read()
    assert np.argwhere(~measurement.mask).tolist() == [[1, 1], [2, 2], [3, 3]]


def test_stored_wavelength_wins_over_the_energy(tmp_path, known):
    geometry, _ = CXI(_write(tmp_path / "a.cxi", known, instrument_1__source_1__wavelength=1.1e-10)).read()
    assert geometry.wavelength_m == pytest.approx(1.1e-10)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"translation": np.zeros((12, 5))}, r"expected translations \(scan, 3\)"),
        ({"translation": np.full((12, 3), 7.0) * np.arange(12)[:, None]}, "extend over"),
        ({"translation": np.zeros((11, 3))}, "12 frames, but 11 positions"),
        ({"axes": "up", "basis": np.zeros((3, 2))}, "vector of length 0"),
        ({"instrument_1__detector_1__mask": np.ones((16, 20), np.uint32)}, "every pixel as bad"),
    ],
)
def test_bad_input(tmp_path, known, changes, message):
    with pytest.raises(InputError, match=message):
        CXI(_write(tmp_path / "a.cxi", known, **changes)).read()


def test_energy_in_another_unit_is_refused(tmp_path, known):
    path = _write(tmp_path / "a.cxi", known)
    with h5py.File(path, "a") as file:
        file["entry_1/instrument_1/source_1/energy"][()] = 8800.0
    with pytest.raises(InputError, match="source_1/energy: 8800 J is no energy"):
        CXI(path).read()


def test_parallel_beam_forgotten_focus_is_noticed(measured_data):
    path = measured_data / "ptycho/PETRAIII_P25_Near_Field_Ptycho.cxi"
    with pytest.raises(InputError, match="data.instrument.focus_to_sample_m"):
        CXI(str(path), instrument=Instrument(regime="near_field")).read()
