"""Fluorescence maps in the layouts of XRF-Maps and PyXRF, the energy calibration, and mistakes."""

import h5py
import numpy as np
import pytest

from jxrecon.data.fluorescence_reader import Calibration, override_calibration
from jxrecon.data.pyxrf import Pyxrf
from jxrecon.data.xrf_maps import XrfMaps
from jxrecon.errors import InputError

RNG = np.random.default_rng(2)
SPECTRA = RNG.poisson(3, (4, 5, 64)).astype(np.int16)  # y, x, channel
FITS = RNG.uniform(0, 9, (2, 4, 5))
NAMES = np.array([b"Fe", b"Pb_L"], "S255")


def write(path, arrays):
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values
    return str(path)


def first_axis(spectra):
    return np.moveaxis(spectra, -1, 0)


NEW = {
    "MAPS/Spectra/mca_arr": first_axis(SPECTRA),
    "MAPS/Spectra/Energy_Calibration": [-0.01, 0.02, 0.0],
    "MAPS/XRF_Analyzed/NNLS/Counts_Per_Sec": FITS,
    "MAPS/XRF_Analyzed/NNLS/Channel_Names": NAMES,
    "MAPS/Scan/x_axis": np.arange(5.0),
    "MAPS/Scan/y_axis": np.arange(4.0),
}
OLD = {
    "MAPS/mca_arr": first_axis(SPECTRA),
    "MAPS/energy_calib": [-0.01, 0.02, 0.0],
    "MAPS/XRF_roi": FITS,
    "MAPS/channel_names": NAMES,
    "MAPS/x_axis": np.arange(5.0),
}
RAW = {f"MAPS_RAW/data_{k}": first_axis(SPECTRA + i).astype(np.int16) for i, k in enumerate("abc")}


@pytest.mark.parametrize("layout, analysis", [(NEW, "NNLS"), (OLD, "ROI")], ids=["new", "old"])
def test_analysed_maps(tmp_path, layout, analysis):
    path = write(tmp_path / "a.h5", layout)
    found = XrfMaps(path).read()
    np.testing.assert_array_equal(found.spectra[0], SPECTRA)
    np.testing.assert_allclose(found.energy_keV, -0.01 + 0.02 * np.arange(64))
    assert list(found.elements) == ["Fe", "Pb_L"] and found.metadata["analysis"] == analysis
    np.testing.assert_array_equal(found.elements["Pb_L"], FITS[1])
    np.testing.assert_array_equal(found.x_axis, np.arange(5))
    with pytest.raises(InputError, match="has no analysis `Fitted`; it has"):
        XrfMaps(path, analysis="Fitted").read()


def test_raw_spectra_of_each_detector(tmp_path):
    times = RNG.uniform(1, 2, (3, 4, 5))
    path = write(tmp_path / "a.h5", RAW | {"MAPS_RAW/livetime": times})
    found = XrfMaps(path, calibration=Calibration(offset_keV=0.0, slope_keV=0.1)).read()
    assert found.spectra.shape == (3, 4, 5, 64) and found.detectors == ("data_a", "data_b", "data_c")
    np.testing.assert_array_equal(found.spectra[2], SPECTRA + 2)
    expected = (SPECTRA[..., 10:20].sum(-1) + 10) / times[1]
    np.testing.assert_allclose(found.window(0.999, 1.999)[1], expected, rtol=1e-6)


@pytest.mark.parametrize("summed", [False, True])
def test_pyxrf(tmp_path, summed):
    layout = {
        "xrfmap/detsum/counts": 3 * SPECTRA,
        "xrfmap/detsum/xrf_fit": FITS,
        "xrfmap/detsum/xrf_fit_name": NAMES,
        "xrfmap/positions/pos": np.stack(np.meshgrid(np.arange(5.0), 2 * np.arange(4.0))),
        "xrfmap/positions/name": np.array([b"x_pos", b"y_pos"]),
    }
    single = {} if summed else {f"xrfmap/det{k}/counts": k * SPECTRA for k in (1, 2, 10)}
    found = Pyxrf(write(tmp_path / "a.h5", layout | single)).read()
    assert found.detectors == (("detsum",) if summed else ("det1", "det2", "det10"))
    np.testing.assert_array_equal(found.spectra[-1], (3 if summed else 10) * SPECTRA)
    np.testing.assert_array_equal(found.elements["Fe"], FITS[0])
    np.testing.assert_array_equal(found.y_axis, 2 * np.arange(4))
    np.testing.assert_array_equal(found.x_axis, np.arange(5))
    assert found.energy_keV is None


BAD = {
    "nothing": ({"x": 1}, {}, "holds neither MAPS nor MAPS_RAW"),
    "negative": ({"MAPS_RAW/data_a": -first_axis(SPECTRA)}, {}, r"/MAPS_RAW/data_a: \d+ of 1280 counts are negative"),
    "other shapes": (RAW | {"MAPS_RAW/data_b": first_axis(SPECTRA)[:, 1:]}, {}, r"data_b: has \(3, 5, 64\)"),
    "times": (RAW | {"MAPS_RAW/livetime": np.ones((3, 4, 4))}, {}, r"livetime: has shape \(3, 4, 4\); expected \(3, 4, 5\)"),
    "no time": (RAW | {"MAPS_RAW/livetime": np.zeros((3, 4, 5))}, {}, "holds times that are not positive"),
    "names": (NEW | {"MAPS/XRF_Analyzed/NNLS/Channel_Names": NAMES[:1]}, {}, r"expected \(1 elements, y, x\)"),
    "eV": (RAW, {"calibration": Calibration(slope_keV=10.0)}, "10 keV a channel; expected 1e-4 to 1; it looks like eV"),
    "other maps": (NEW | {"MAPS/XRF_Analyzed/NNLS/Counts_Per_Sec": FITS[:, 1:]}, {}, r"map of Fe has the shape \(3, 5\)"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line(tmp_path, case):
    layout, options, message = BAD[case]
    with pytest.raises(InputError, match=message) as caught:
        XrfMaps(write(tmp_path / "a.h5", layout), **options).read()
    assert "\n" not in str(caught.value)


def test_calibration_files(tmp_path):
    path = tmp_path / "override.txt"
    path.write_text(
        "note\nCAL_OFFSET_[E_OFFSET]: -0.004\nCAL_SLOPE_[E_LINEAR]: 0.0095\nCAL_SLOPE_[E_LINEAR]_MAX: 0.5\n"
    )
    np.testing.assert_allclose(override_calibration(str(path)), [-0.004, 0.0095, 0])
    path.write_text("CAL_OFFSET_[E_OFFSET]: much\n")
    with pytest.raises(InputError, match=r"`CAL_OFFSET_\[E_OFFSET\]` is `much`"):
        override_calibration(str(path))
    path.write_text("nothing\n")
    with pytest.raises(InputError, match="expected the parameters of XRF-Maps"):
        override_calibration(str(path))


def test_measured_map(measured_data):
    """Argon of the air stands at its K-alpha line, 2.957 keV; the counts of a live second are alike to Poisson's noise."""
    folder = measured_data / "fluorescence"
    calibration = Calibration(path=str(folder / "maps_fit_parameters_override.txt"))
    found = XrfMaps(str(folder / "2xfm_0011_2xfm3__0.h5"), calibration=calibration).read()
    assert found.spectra.shape == (4, 11, 9, 2048) and found.live_time_s.shape == (4, 11, 9)
    total = found.spectra[0].sum((0, 1))
    assert found.energy_keV is not None
    argon = (found.energy_keV > 2.7) & (found.energy_keV < 3.2)
    assert abs(found.energy_keV[argon][np.argmax(total[argon])] - 2.957) < 0.02
    counts, live = found.window(2.75, 3.2, per_second=False)[0], found.live_time_s[0]
    expected = counts.sum() / live.sum() * live
    assert 0.7 < np.mean((counts - expected) ** 2 / expected) < 1.4  # 99 points
