"""Settings of the way in, each against counts computed by hand."""

import h5py
import numpy as np
import pytest

from jxrecon.data.plain import Plain
from jxrecon.data.preprocess import Preprocess
from jxrecon.errors import InputError

EVERY = np.arange(12)


def _read(path, **settings):
    return Plain(str(path), preprocess=Preprocess(**settings)).read()


def test_selection_takes_frames_and_positions_alike(plain_file, known):
    _, measurement = _read(plain_file(), start=2, stop=11, stride=3)
    np.testing.assert_array_equal(measurement.frames.read(np.arange(3)), known.counts[2:11:3])
    np.testing.assert_allclose(
        measurement.positions_px, known.centred(known.positions_px[2:11:3]), atol=1e-12
    )
    with pytest.raises(InputError, match="no frame is left of 12"):
        _read(plain_file(), start=12)


def test_stop_reconciles_frames_without_positions(plain_file, known):
    path = plain_file(positions_px=known.positions_px[:9])
    with pytest.raises(InputError, match="data.preprocess.stop=9"):
        _read(path)
    assert _read(path, stop=9)[1].frames.shape[0] == 9


def test_crop_enlarges_the_pixel_and_binning_does_not(plain_file, known):
    geometry, measurement = _read(plain_file(), crop=8)
    np.testing.assert_array_equal(measurement.frames.read(EVERY), known.counts[:, 4:12, 6:14])
    np.testing.assert_allclose(geometry.pixel_size_m, known.pixel_m * [2, 2.5], rtol=1e-12)
    np.testing.assert_allclose(measurement.positions_px, known.positions_px / [2, 2.5], rtol=1e-9)
    geometry, measurement = _read(plain_file(), bin=2)
    binned = known.counts.reshape(12, 8, 2, 10, 2).sum(axis=(2, 4))
    np.testing.assert_allclose(geometry.pixel_size_m, known.pixel_m, rtol=1e-12)
    assert geometry.detector_pixel_m == (150e-6, 150e-6)
    np.testing.assert_array_equal(measurement.frames.read(EVERY), binned)


def test_beam_found_or_given_lands_on_the_middle_pixel(plain_file, known):
    moved = np.roll(known.counts, (3, -4), (1, 2))
    for centre in ("found", (11, 6)):
        _, measurement = _read(plain_file(intensity=moved), centre=centre, crop=(10, 12))
        np.testing.assert_array_equal(measurement.frames.read(EVERY)[:, :8], known.counts[:, 3:11, 4:16])
    _, measurement = _read(plain_file(intensity=moved), centre=(11, 6))
    assert measurement.frames.shape == (12, 16, 20)
    # Where the detector does not reach, nothing was measured.
    assert not measurement.mask[13:].any() and not measurement.mask[:, :4].any()
    np.testing.assert_array_equal(measurement.frames.read(EVERY)[:, :13, 4:], known.counts[:, :13, 4:])
    with pytest.raises(InputError, match="not on the frame"):
        _read(plain_file(), centre=(40, 3))


def test_zero_frequency_at_the_corner(plain_file, known):
    path = plain_file(intensity=np.fft.ifftshift(known.counts, axes=(1, 2)))
    _, measurement = _read(path, zero_frequency="corner")
    np.testing.assert_array_equal(measurement.frames.read(EVERY), known.counts)


@pytest.mark.parametrize("orientation", range(8))
def test_orientation_keeps_the_beam_in_the_middle(plain_file, known, orientation):
    raw = np.zeros((12, 17, 21), np.uint16)  # odd: the middle pixel stays the middle in a flip
    raw[:, :16, :20] = known.counts
    _, measurement = _read(plain_file(intensity=raw), orientation=orientation)
    expected = np.swapaxes(raw, 1, 2) if orientation & 4 else raw
    expected = expected[:, ::-1] if orientation & 2 else expected
    expected = expected[:, :, ::-1] if orientation & 1 else expected
    np.testing.assert_array_equal(measurement.frames.read(EVERY), expected)


def test_flip_of_an_even_frame_is_about_the_beam(plain_file, known):
    _, measurement = _read(plain_file(), orientation=2)
    found = measurement.frames.read(EVERY)
    # Rows 8 + k and 8 - k change places; row 0 has no partner and is lost.
    np.testing.assert_array_equal(found[:, 1:], known.counts[:, :0:-1])
    assert not measurement.mask[0].any()


def test_dark_flat_gain_saturation_and_mask(tmp_path, plain_file, known):
    flat = np.ones((16, 20))
    flat[:, 10:] = 3
    mask = np.ones((16, 20))
    mask[0, 0] = 0
    np.save(tmp_path / "dark.npy", np.full((5, 16, 20), 2.0))
    np.save(tmp_path / "mask.npy", mask)
    with h5py.File(tmp_path / "maps.h5", "w") as file:
        file["entry/flat"] = flat
    _, measurement = _read(
        plain_file(),
        dark=str(tmp_path / "dark.npy"),
        flat=f"{tmp_path}/maps.h5:/entry/flat",
        mask=str(tmp_path / "mask.npy"),
        gain=0.5,
        saturation=250,
    )
    raw = known.counts.astype(float)
    expected = np.maximum(raw - 2, 0) / (flat / flat[mask > 0].mean()) / 0.5
    expected[raw >= 250] = -1
    expected[:, 0, 0] = -1
    np.testing.assert_allclose(measurement.frames.read(EVERY), expected, rtol=1e-6)
    assert (raw >= 250).any() and not measurement.mask[0, 0]
    with pytest.raises(InputError, match="expected that of a raw frame"):
        _read(
            plain_file(),
            dark=f"{tmp_path}/maps.h5:/entry/flat",
            crop=8,
            mask=str(_save(tmp_path, np.ones((3, 3)))),
        )


def _save(folder, array):
    np.save(folder / "wrong.npy", array)
    return folder / "wrong.npy"


def test_hot_pixels_are_masked(plain_file, known):
    array = known.counts.copy()
    array[:, 1, 2] = 60000
    _, measurement = _read(plain_file(intensity=array), hot_pixel_threshold=20)
    assert np.argwhere(~measurement.mask).tolist() == [[1, 2]]
    assert measurement.metadata["hot_pixels"] == 1
    assert (measurement.frames.read(EVERY)[:, 1, 2] == -1).all()


def test_empty_frames_are_left_out_when_asked(plain_file, known):
    array = known.counts.copy()
    array[[0, 5]] = 0
    kept = [k for k in range(12) if k not in (0, 5)]
    _, measurement = _read(plain_file(intensity=array), drop_empty_frames=True)
    np.testing.assert_array_equal(measurement.frames.read(np.arange(10)), known.counts[kept])
    np.testing.assert_allclose(measurement.positions_px, known.centred(known.positions_px[kept]), atol=1e-12)
    assert measurement.metadata["frames_dropped"] == 2


def test_empty_frames_of_a_set_too_large_to_survey(plain_file, known, monkeypatch):
    array = known.counts.copy()
    array[4] = 0
    monkeypatch.setattr("jxrecon.data.assemble.SAMPLE", 3)
    _, measurement = _read(plain_file(intensity=array), survey_gib=0.0)
    assert measurement.metadata["surveyed_frames"] == 3
    with pytest.raises(InputError, match=r"no count at all \(number 4\)"):
        measurement.frames.read(EVERY)
    _, measurement = _read(plain_file(intensity=array), survey_gib=0.0, drop_empty_frames=True)
    found = measurement.frames.read(EVERY)
    assert (found[4] == -1).all() and (found[5] >= 0).all()


def test_sign_and_order_of_positions(plain_file, known):
    px = known.positions_px
    square = plain_file(
        intensity=np.pad(known.counts, ((0, 0), (2, 2), (0, 0)))
    )  # equal pixels: no rescaling
    for settings, expected in (
        ({"position_sign": -1}, -px),
        ({"position_sign": (1, -1)}, px * [1, -1]),
        ({"swap_xy": True}, px[:, ::-1]),
        ({"swap_xy": True, "position_sign": (-1, 1)}, px[:, ::-1] * [-1, 1]),
    ):
        _, measurement = _read(square, **settings)
        np.testing.assert_allclose(measurement.positions_px, known.centred(expected), atol=1e-9)


def test_first_guess_of_the_probe_follows_the_detector(plain_file, known):
    _, measurement = _read(plain_file(probe=known.probe), crop=8)
    power = np.sum(np.abs(measurement.probe) ** 2)
    spectrum = np.fft.fftshift(np.fft.fft2(known.probe, norm="ortho"), axes=(1, 2))[:, 4:12, 6:14]
    assert measurement.probe.shape == (2, 8, 8)
    assert power == pytest.approx(np.sum(np.abs(spectrum) ** 2), rel=1e-5)
    _, measurement = _read(plain_file(probe=known.probe), bin=2)
    assert measurement.probe.shape == (2, 8, 10)
    assert np.sum(np.abs(measurement.probe) ** 2) == pytest.approx(np.sum(np.abs(known.probe) ** 2), rel=1e-5)


def test_unordered_frames_come_in_the_order_asked_for(plain_file, known):
    _, measurement = _read(plain_file())
    index = np.array([7, 2, 11, 2])
    np.testing.assert_array_equal(measurement.frames.read(index), known.counts[index])


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"orientation": 8}, "expected 0 to 7"),
        ({"bin": 0}, "at least 1"),
        ({"crop": 9, "bin": 2}, "multiples of `bin`"),
        ({"centre": "middle"}, r"expected \(v, u\) or 'found'"),
        ({"position_sign": 2}, "expected 1 or -1"),
        ({"gain": 0.0}, "positive"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(InputError, match=message):
        Preprocess(**settings)
