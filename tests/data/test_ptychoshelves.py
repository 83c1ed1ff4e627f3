"""PtychoShelves / cSAXS files, written here as its MATLAB code lays them out (in h5py's order of axes)."""

import h5py
import numpy as np
import pytest

from jxrecon.data.instrument import Instrument
from jxrecon.data.ptychoshelves import Ptychoshelves
from jxrecon.errors import InputError

EVERY = np.arange(12)
CSAXS = Instrument(wavelength_m=1e-10, distance_m=2.0, detector_pixel_m=75e-6)


@pytest.fixture
def corners(known):
    """First pixels (y, x) of the windows in an object of 60 x 70 pixels."""
    return np.random.default_rng(5).uniform(3, 38, (12, 2))


def _corner(frames):
    return np.fft.ifftshift(frames, axes=(-2, -1))


@pytest.fixture
def prepared(tmp_path, known, corners):
    path = tmp_path / "S00123_data_16x20_run_1.h5"
    good = np.ones((16, 20), bool)
    good[6:8] = False  # a gap between two modules
    with h5py.File(path, "w") as file:
        file.attrs["format"] = 2
        file["probes"], file["objects"] = np.array([[16, 20]], np.uint64), np.array([[60, 70]], np.uint64)
        file["detector/n0/modules"] = np.array([[6, 20, 0, 0], [8, 20, 8, 0]], np.uint32)
        file["detector/n0/bad_pixels"] = np.array([[2, 3], [9, 19]], np.uint32)
        group = file.create_group("measurement/n0")
        group.attrs.update({"detector": 0, "probe": 0, "object": 0, "max_sum": 10**5})
        group["data"] = _corner(known.counts).astype(np.float32)
        group["positions"] = np.round(corners).astype(np.uint32)
    good[2, 3] = good[9, 19] = False
    return path, np.fft.fftshift(good)  # modules and bad pixels are laid as the stored frames


def test_prepared(prepared, known, corners):
    path, good = prepared
    with pytest.raises(
        InputError, match="wavelength_m, distance_m, detector_pixel_m; set `data.instrument.wavelength_m`"
    ):
        Ptychoshelves(str(path)).read()
    geometry, measurement = Ptychoshelves(str(path), instrument=CSAXS).read()
    np.testing.assert_array_equal(measurement.mask, good)
    np.testing.assert_array_equal(measurement.frames.read(EVERY)[:, good], known.counts[:, good])
    np.testing.assert_allclose(measurement.positions_px, known.centred(np.round(corners)), atol=1e-12)
    assert geometry.frame_shape == (16, 20)


def test_bad_pixels_of_single_frames(prepared, known):
    path, _ = prepared
    with h5py.File(path, "a") as file:
        del file["detector/n0/bad_pixels"]
        file["measurement/n0/bad_pixels"] = np.array([[0, 1], [0, 2], [5, 5]], np.uint32)
        ends = np.zeros(12, np.uint64)
        ends[4:], ends[9:] = 2, 3  # two in frame 4, one in frame 9
        file["measurement/n0/bad_pixels_index"] = ends
    _, measurement = Ptychoshelves(str(path), instrument=CSAXS).read()
    stored = np.fft.ifftshift(measurement.frames.read(EVERY), axes=(1, 2))
    stored[:, 6:8] = 0  # the gap
    assert np.argwhere(stored < 0).tolist() == [[4, 0, 1], [4, 0, 2], [9, 5, 5]]


def test_older_layout_of_amplitudes(tmp_path, known, corners):
    power = float(known.counts.max())
    with h5py.File(tmp_path / "mex.h5", "w") as file:
        file.create_group("measurements").attrs["max_power"] = power
        for k in range(12):
            group = file.create_group(f"measurements/measurement_{k}")
            group["diff_pat"] = np.sqrt(_corner(known.counts[k]) / power)
            group.attrs["position"] = np.round(corners[k]).astype(np.uint32)
            group.attrs["detector"] = 0
        file["detector/n0/modules"] = np.array([[16, 20, 0, 0]], np.uint32)
    _, measurement = Ptychoshelves(str(tmp_path / "mex.h5"), instrument=CSAXS).read()
    np.testing.assert_allclose(measurement.frames.read(EVERY), known.counts, atol=1e-4)
    np.testing.assert_allclose(measurement.positions_px, known.centred(np.round(corners)), atol=1e-12)


def _complex(array, kind="f4"):
    out = np.empty(array.shape, np.dtype([("r", kind), ("i", kind)]))
    out["r"], out["i"] = array.real, array.imag
    return out


@pytest.fixture
def result(tmp_path, known, corners, prepared):
    corners = corners.copy()
    corners[3] = np.round(corners[3])
    data = np.full((60, 70), np.exp(-0.3j))
    # The window of frame 3 begins at its position; its middle is half a window further.
    y, x = (corners[3] + [8, 10]).astype(int)
    data[y, x] = 4j
    with h5py.File(tmp_path / "S00123_recons.h5", "w") as file:
        p = file.create_group("reconstruction/p")
        p["objects/object_0"], p["probes/probe_0"] = _complex(data), _complex(1e-3 * known.probe, "f8")
        file["reconstruction/object"] = h5py.SoftLink("/reconstruction/p/objects/object_0")
        file["reconstruction/probes"] = h5py.SoftLink("/reconstruction/p/probes/probe_0")
        p["positions"], p["lambda"], p["z"] = corners, 1.2398e-10, np.array([[2.0]])
        p["dx_spec"] = 1.2398e-10 * 2.0 / (np.array([16, 20]) * 75e-6)
        file["measurement/data"] = h5py.ExternalLink(prepared[0].name, "/measurement/n0/data")
    return tmp_path / "S00123_recons.h5", corners


@pytest.mark.parametrize("frames_path", [False, True])
def test_result_with_its_frames(result, prepared, known, frames_path):
    path, corners = result
    reader = Ptychoshelves(str(path), frames_path=str(prepared[0]) if frames_path else None)
    geometry, measurement = reader.read()
    # Five digits of hc: the wavelength is that of the file, not of the energy.
    assert geometry.wavelength_m == 1.2398e-10 and geometry.distance_m == 2.0
    assert geometry.detector_pixel_m == pytest.approx((75e-6, 75e-6), rel=1e-12)
    np.testing.assert_allclose(np.diff(measurement.positions_px, axis=0), np.diff(corners, axis=0), atol=1e-9)
    good = measurement.mask
    assert good.all() != frames_path  # the prepared file knows the modules
    np.testing.assert_array_equal(measurement.frames.read(EVERY)[:, good], known.counts[:, good])
    y, x = np.round(measurement.positions_px[3] + np.array(measurement.object.shape) // 2).astype(int)
    assert measurement.object[y, x] == np.complex64(4j)
    # The probe has the program's own scale: it is brought to the mean counts.
    assert np.sum(np.abs(measurement.probe) ** 2) == pytest.approx(
        measurement.metadata["mean_counts"], rel=1e-5
    )
    ratio = measurement.probe / known.probe
    np.testing.assert_allclose(ratio, ratio[0, 0, 0], rtol=1e-5)


def test_result_whose_frames_are_lost(result, prepared):
    prepared[0].rename(prepared[0].with_name("moved.h5"))
    with pytest.raises(InputError, match="the linked file `S00123_data_16x20_run_1.h5` is missing"):
        Ptychoshelves(str(result[0])).read()


def test_bad_input(prepared):
    path, _ = prepared
    with h5py.File(path, "a") as file:
        file["detector/n0/bad_pixels"][0] = [40, 3]
    with pytest.raises(InputError, match="detector/n0/bad_pixels: lists pixels outside"):
        Ptychoshelves(str(path), instrument=CSAXS).read()
