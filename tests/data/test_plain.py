"""The plain layout in both containers, and bad input in it."""

import io
import zipfile

import numpy as np
import pytest

from jxrecon.data.access import Access
from jxrecon.data.instrument import Instrument
from jxrecon.data.plain import Plain
from jxrecon.data.preprocess import Preprocess
from jxrecon.errors import InputError

EVERY = np.arange(12)


def test_measured_siemens_star(measured_data):
    geometry, measurement = Plain(str(measured_data / "ptycho/siemens_star_aps.h5")).read()
    assert measurement.frames.shape == (516, 128, 128)
    assert geometry.energy_keV == pytest.approx(8.8, abs=1e-3)
    assert geometry.pixel_size_m[0] == pytest.approx(1.4089e-10 * 1.92 / (128 * 75e-6), rel=1e-12)
    power = np.sum(np.abs(measurement.probe) ** 2)
    assert power == pytest.approx(measurement.metadata["mean_counts"], rel=1e-4)
    assert np.abs(measurement.positions_px.max(0) + measurement.positions_px.min(0)).max() < 1e-9
    assert measurement.mask.all() and measurement.metadata["invalid_pixels"] == 0
    middle = measurement.frames.read(np.array([0, 515]))[:, 32:96, 32:96].sum()
    assert middle > 0.9 * measurement.frames.read(np.array([0, 515])).sum()


def test_hdf5_is_read_exactly(plain_file, known):
    mask = np.ones((16, 20), bool)
    mask[3, 4] = False
    geometry, measurement = Plain(str(plain_file(probe=known.probe, mask=mask))).read()
    expected = known.counts.astype(np.float32)
    expected[:, 3, 4] = -1
    np.testing.assert_array_equal(measurement.frames.read(EVERY), expected)
    np.testing.assert_allclose(measurement.positions_px, known.positions_px, atol=1e-12)
    np.testing.assert_array_equal(measurement.mask, mask)
    np.testing.assert_allclose(measurement.probe, known.probe, rtol=1e-6)
    np.testing.assert_allclose(geometry.pixel_size_m, known.pixel_m, rtol=1e-12)
    assert measurement.metadata["masked_pixels"] == 1


@pytest.mark.parametrize("regime", ["far_field", b"far_field"])  # bytes: text that came from HDF5
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_is_read_exactly(tmp_path, known, save, regime):
    fortran = np.asfortranarray(known.positions_px)
    save(
        tmp_path / "a.npz",
        intensity=known.counts,
        positions_px=fortran,
        regime=regime,
        **known.scalars(),
    )
    geometry, measurement = Plain(str(tmp_path / "a.npz")).read()
    np.testing.assert_array_equal(measurement.frames.read(EVERY), known.counts)
    np.testing.assert_allclose(measurement.positions_px, known.positions_px, atol=1e-12)
    assert geometry.wavelength_m == known.wavelength_m and geometry.regime == "far_field"


def test_truth_of_a_simulation_is_not_given_away(plain_file, known):
    path = plain_file(object_true=np.ones((50, 50), complex), probe_true=known.probe)
    _, measurement = Plain(str(path)).read()
    assert measurement.object is None and measurement.probe is None


def test_user_corrects_and_completes_the_geometry(plain_file):
    path = str(plain_file(distance_m=None))
    with pytest.raises(InputError, match=r"does not hold distance_m; set `data.instrument.distance_m`"):
        Plain(path).read()
    geometry, _ = Plain(path, Instrument(distance_m=3, energy_keV=10.0, detector_pixel_m=55e-6)).read()
    assert geometry.distance_m == 3.0 and geometry.energy_keV == pytest.approx(10)
    assert geometry.detector_pixel_m == (55e-6, 55e-6)


def test_near_field_from_the_file(plain_file, known):
    path = plain_file(regime="near_field", focus_to_sample_m=0.5, margin=2, probe=known.probe)
    geometry, measurement = Plain(str(path)).read()
    assert geometry.magnification == pytest.approx(5.0)
    assert geometry.pixel_size_m == pytest.approx((15e-6, 15e-6))
    # The probe is filled up to the pixels beyond the detector.
    assert measurement.probe.shape == (2, 20, 24)
    np.testing.assert_allclose(measurement.probe[:, 2:18, 2:22], known.probe, rtol=1e-6)


def test_finer_grid_of_the_near_field(plain_file, known):
    path = plain_file(regime="near_field", focus_to_sample_m=0.5, probe=known.probe)
    plain = Plain(str(path)).read()[1]
    geometry, measurement = Plain(str(path), Instrument(oversampling=2, margin=1)).read()
    # A pixel of the file is two of the grid; the power of the probe stays.
    np.testing.assert_allclose(measurement.positions_px, 2 * plain.positions_px, rtol=1e-12)
    assert geometry.pixel_size_m == pytest.approx((7.5e-6, 7.5e-6))
    assert measurement.probe.shape == (2, 36, 44)
    power = np.sum(np.abs(measurement.probe) ** 2)
    assert power == pytest.approx(np.sum(np.abs(known.probe) ** 2), rel=1e-5)
    np.testing.assert_allclose(measurement.probe[:, 2:-2:2, 2:-2:2], known.probe / 2, atol=1e-4)


def test_crop_and_binning_of_a_near_field_probe(plain_file, known):
    path = str(plain_file(regime="near_field", focus_to_sample_m=0.5, probe=known.probe))
    _, measurement = Plain(path, preprocess=Preprocess(crop=8)).read()
    np.testing.assert_allclose(measurement.probe, known.probe[:, 4:12, 6:14], rtol=1e-6)
    geometry, measurement = Plain(path, preprocess=Preprocess(bin=2)).read()
    spectrum = np.fft.fftshift(np.fft.fft2(known.probe, norm="ortho"), axes=(1, 2))[:, 4:12, 5:15]
    power = np.sum(np.abs(measurement.probe) ** 2)
    assert power == pytest.approx(np.sum(np.abs(spectrum) ** 2), rel=1e-5)
    assert geometry.pixel_size_m == pytest.approx((30e-6, 30e-6))


BAD = {
    "no_frames": (lambda k: {"intensity": None}, "/intensity: missing"),
    "no_positions": (lambda k: {"positions_px": None}, "/positions_px: missing"),
    "fewer_positions": (lambda k: {"positions_px": k.positions_px[:9]}, "12 frames, but 9 positions"),
    "positions_nan": (lambda k: {"positions_px": np.full((12, 2), np.nan)}, "not finite"),
    "positions_shape": (lambda k: {"positions_px": np.zeros((12, 3))}, r"expected positions \(scan, 2\)"),
    "positions_text": (lambda k: {"positions_px": "here"}, "/positions_px: holds"),
    "positions_far": (lambda k: {"positions_px": k.positions_px * 1e9}, "object pixels"),
    "positions_nm": (lambda k: {"positions_px": k.positions_px * 1e3}, "no two overlap"),
    "positions_m": (lambda k: {"positions_px": k.positions_px * 1e-8}, "all frames see one place"),
    "mask_shape": (lambda k: {"mask": np.ones((3, 3), bool)}, "/mask: has shape"),
    "mask_empty": (lambda k: {"mask": np.zeros((16, 20), bool)}, "every pixel as bad"),
    "probe_shape": (lambda k: {"probe": np.ones((1, 4, 4), complex)}, "/probe: has shape"),
    "wavelength": (lambda k: {"wavelength_m": -1e-10}, "wavelength_m"),
    "wavelength_in_angstrom": (lambda k: {"wavelength_m": 1.5}, "no X-ray"),
    "wavelength_nan": (lambda k: {"wavelength_m": np.nan}, "wavelength_m: holds"),
    "pixel": (lambda k: {"detector_pixel_m": 75.0}, "detector_pixel_m"),
    "regime": (lambda k: {"regime": "middle_field"}, "regime: is 'middle_field'"),
    "one_frame": (lambda k: {"intensity": k.counts[0]}, "expected frames"),
    "complex_frames": (lambda k: {"intensity": k.counts * 1j}, "expected real numbers"),
    "empty_frame": (
        lambda k: {"intensity": np.where(np.arange(12)[:, None, None] == 4, 0, k.counts)},
        r"1 of the frames hold no count at all \(number 4\)",
    ),
    "all_lost": (lambda k: {"intensity": np.full((12, 16, 20), 2**32 - 1, np.uint32)}, "no count at all"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_one_line_with_the_file(plain_file, known, kind):
    change, message = BAD[kind]
    path = plain_file(**change(known))
    with pytest.raises(InputError, match=message) as caught:
        Plain(str(path)).read()
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -3.0, 2.0**32])
def test_single_bad_values_are_masked_and_counted(plain_file, known, value):
    array = known.counts.astype(np.float64)
    array[3, 5, 6] = value
    _, measurement = Plain(str(plain_file(intensity=array))).read()
    found = measurement.frames.read(np.array([2, 3]))
    assert found[1, 5, 6] == -1 and (found < 0).sum() == 1
    assert measurement.metadata["invalid_pixels"] == 1
    assert measurement.mask.all()


def test_gaps_of_the_largest_number(plain_file, known):
    array = known.counts.astype(np.uint32)
    array[:, :, 7] = 2**32 - 1
    _, measurement = Plain(str(plain_file(intensity=array))).read()
    assert (measurement.frames.read(EVERY)[:, :, 7] == -1).all()
    assert measurement.metadata["invalid_pixels"] == 12 * 16


def _archive(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return str(path)


def _npy(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def test_npz_with_pickled_objects_or_too_much_inside(tmp_path, known):
    positions = _npy(known.positions_px)
    pickled = _npy(np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(InputError, match=":/intensity: cannot be read"):
        Plain(_archive(tmp_path / "a.npz", intensity=pickled, positions_px=positions)).read()
    bomb = _npy(np.zeros((600, 512, 512), np.uint8))
    with pytest.raises(InputError, match="declares 0.146 GiB in an archive of"):
        Plain(_archive(tmp_path / "b.npz", intensity=bomb, positions_px=positions)).read()
    with pytest.raises(InputError, match="max_array_gib"):
        path = _archive(tmp_path / "c.npz", intensity=_npy(known.counts), positions_px=positions)
        Plain(path, access=Access(max_array_gib=1e-9)).read()
    with pytest.raises(InputError, match="`positions_px` is missing; it holds intensity"):
        Plain(_archive(tmp_path / "d.npz", intensity=_npy(known.counts))).read()


def test_constructor_opens_nothing():
    assert Plain("/nowhere/at/all.h5").source == "/nowhere/at/all.h5"


def test_relative_path_is_stored_absolute(plain_file, monkeypatch):
    path = plain_file()
    monkeypatch.chdir(path.parent)
    _, measurement = Plain(path.name).read()
    assert measurement.source == str(path)
