"""Maps of patterns in .npz: the order of the points, frames that stand in for others, and hostile archives."""

import io
import logging
import zipfile
from pathlib import Path

import numpy as np
import pytest

from jxrecon.data.pattern_auto import PatternAuto
from jxrecon.data.scanning_map import ScanningMap, stand_ins
from jxrecon.errors import InputError

ANGLES = np.linspace(2, 20, 40)
POINTS = np.random.default_rng(1).poisson(20, (6, 40)).astype(np.float32)
GIVEN = {"energy_keV": 25.07}


@pytest.fixture
def archive(tmp_path):
    def write(**arrays):
        path = tmp_path / "map.npz"
        np.savez_compressed(path, **{"two_theta_deg": ANGLES, "intensity": POINTS} | arrays)
        return str(path)

    return write


def test_points_run_along_a_row(archive):
    found = ScanningMap(archive(), shape=[2, 3], **GIVEN).read()
    np.testing.assert_array_equal(found.counts[0], POINTS.reshape(2, 3, 40))
    assert found.wavelength_m == pytest.approx(12.398419843e-10 / 25.07)
    found = ScanningMap(archive(), shape=[2, 3], serpentine=True, **GIVEN).read()
    np.testing.assert_array_equal(found.counts[0, 1], POINTS[[5, 4, 3]])


def test_a_map_of_three_axes_needs_no_shape(archive):
    found = PatternAuto(archive(intensity=POINTS.reshape(3, 2, 40), wavelength_m=5e-11)).read()
    assert found.counts.shape == (1, 3, 2, 40) and found.wavelength_m == 5e-11


def test_channels_that_no_pixel_reached(archive):
    points = POINTS.copy()
    points[:, :5], points[:, -2:] = 0, 0
    points[3, 8] = 0  # counted, and nothing was there
    found = ScanningMap(archive(intensity=points), shape=[2, 3], **GIVEN).read()
    assert found.measured.sum() == 6 * 33 and found.counts[0, 1, 0, 8] == 0


def test_a_frame_in_the_place_of_another_is_not_measured(archive, caplog):
    assert stand_ins(np.array([73, 2, 3, 4])).tolist() == [False] * 4  # odd, but nobody's copy
    frame = np.array([4, 2, 3, 4, 5, 6])
    assert stand_ins(frame).tolist() == [True] + [False] * 5
    with caplog.at_level(logging.WARNING):
        found = ScanningMap(archive(frame=frame), shape=[2, 3], **GIVEN).read()
    assert not found.measured[0, 0, 0].any() and found.measured.sum() == 5 * 40
    assert "1 points hold the frame of another (point 0: frame 4)" in caplog.text


BAD = {
    "no wavelength": ({}, {"shape": [2, 3]}, "does not say its wavelength"),
    "another shape": ({}, {"shape": [4, 3], **GIVEN}, r"holds 6 patterns, but `shape` is \[4, 3\]"),
    "other channels": ({"intensity": POINTS[:, :9]}, GIVEN, r"/intensity: has shape \(6, 9\); expected \(point, 40\)"),
    "other frames": ({"frame": np.arange(5)}, GIVEN, r"/frame: has shape \(5,\); expected \(6,\)"),
    "text": ({"intensity": np.full((6, 40), "a")}, GIVEN, "/intensity: holds <U1; expected real numbers"),
    "pickles": ({"intensity": np.full((6, 40), {}, object)}, GIVEN, "/intensity: cannot be read"),
    "negative": ({"intensity": POINTS - 30}, GIVEN, r"negative counts in \d+ of 240 channels, first in channel \d+ of pattern"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line(archive, case):
    arrays, options, message = BAD[case]
    with pytest.raises(InputError, match=message) as caught:
        ScanningMap(archive(**arrays), **options).read()
    assert "\n" not in str(caught.value) and "map.npz" in str(caught.value)


def test_missing_arrays_and_other_files(archive, tmp_path):
    np.savez(tmp_path / "map.npz", intensity=POINTS)
    with pytest.raises(InputError, match="`two_theta_deg` is missing; it holds intensity"):
        ScanningMap(str(tmp_path / "map.npz")).read()
    (tmp_path / "map.npz").write_text("1 2\n")
    with pytest.raises(InputError, match=r"is no \.npz archive"):
        ScanningMap(str(tmp_path / "map.npz")).read()
    whole = archive()
    Path(whole).write_bytes(Path(whole).read_bytes()[:-300])
    with pytest.raises(InputError, match="cannot be read"):
        ScanningMap(whole).read()


def test_an_archive_that_inflates_is_refused(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (10**6, 2500)}
    )
    axis = io.BytesIO()
    np.save(axis, ANGLES)
    with zipfile.ZipFile(tmp_path / "map.npz", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("two_theta_deg.npy", axis.getvalue())
        packed.writestr("intensity.npy", header.getvalue() + bytes(160 * 2**20))
    with pytest.raises(InputError, match="/intensity.npy: declares 0.156 GiB in an archive of 0.1.* MiB"):
        ScanningMap(str(tmp_path / "map.npz"), **GIVEN).read()


def centroid(patterns, centre_deg):
    """(row, column) of a line above its background, without the first row, of which a point is missing."""
    off = np.abs(patterns.two_theta_deg - centre_deg)
    line = patterns.counts[0, 1:] - patterns.counts[0, 1:][..., (off > 0.3) & (off < 0.5)].mean(
        -1, keepdims=True
    )
    line = np.clip(line[..., off < 0.2], 0, None)
    return (line * patterns.two_theta_deg[off < 0.2]).sum(-1) / line.sum(-1)


def test_measured_particle_was_scanned_in_rows_of_eleven(measured_data):
    """The position of (104) is most alike eleven points apart, more than between neighbours in the list: rows of 11, all in
    one direction. Read as a serpentine, or in rows of 13, neighbours differ about twice as much."""
    path = str(measured_data / "maps/scimap_34IDE_particle_map.npz")
    found = ScanningMap(path, shape=[13, 11], **GIVEN).read()
    assert found.counts.shape == (1, 13, 11, 2000) and found.metadata["points_replaced"] == [0]
    lit = found.measured[0, 1, 0]
    assert found.two_theta_deg[lit][0] == pytest.approx(2.82, abs=0.01) and lit.sum() == 1755
    place = centroid(found, 13.961)
    series = place.reshape(-1)
    alike = {lag: np.corrcoef(series[:-lag], series[lag:])[0, 1] for lag in range(1, 21)}
    assert max(alike, key=alike.get) == 11 and alike[11] > 0.8 > alike[1]
    down = np.abs(np.diff(place, axis=0)).mean()
    turned = place.copy()
    turned[1::2] = turned[1::2, ::-1]
    assert np.abs(np.diff(turned, axis=0)).mean() > 1.8 * down
    thirteen = centroid(ScanningMap(path, shape=[11, 13], **GIVEN).read(), 13.961)
    assert np.abs(np.diff(thirteen, axis=0)).mean() > 1.6 * down
