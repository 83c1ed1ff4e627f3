"""A series of files: order, angles, common origin, few open files, and what is missing or broken in the middle of it."""

import logging
import os
import shutil
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest

from jxrecon.data.access import Access
from jxrecon.data.describe import as_text, describe
from jxrecon.data.preprocess import Preprocess
from jxrecon.data.reader import AbstractReader
from jxrecon.data.series_files import natural
from jxrecon.data.tilt_series import TiltSeries
from jxrecon.data.write import write_tilt_series
from jxrecon.data.write_cxi import write_cxi
from jxrecon.errors import InputError
from jxrecon.geometry import Geometry
from jxrecon.measurement import ArrayFrames, single_view
from jxrecon.validate import check

GEOMETRY = Geometry(1.0e-10, 2.0, (75e-6, 75e-6), (16, 20))
ANGLES = 11.25 * np.arange(12) - 60


@pytest.fixture
def files(tmp_path, known, plain_file):
    """Twelve files s_0.h5 ... s_11.h5 of two frames each, every view 3 px further right; their names do not sort as text."""
    names = []
    for k in range(12):
        made = plain_file(
            intensity=known.counts[[k, (k + 1) % 12]], positions_px=np.array([[0.0, 3 * k], [5.0, 3 * k + 4]])
        )
        names.append(str(made.rename(tmp_path / f"s_{k}.h5")))
    return names


@pytest.fixture
def table(tmp_path):
    def write(lines, name="angles.csv"):
        (tmp_path / name).write_text("\n".join(map(str, lines)))
        return str(tmp_path / name)

    return write


def test_pattern_with_angles_by_order(files, table, known, tmp_path):
    series = TiltSeries(f"{tmp_path}/s_*.h5", angles=table(ANGLES))
    geometry, found = series.read()
    assert geometry.wavelength_m == known.wavelength_m and series.files() == files
    np.testing.assert_array_equal(found.angle_deg, ANGLES)
    assert found.view.tolist() == np.repeat(np.arange(12), 2).tolist()
    assert found.specimen.tolist() == list(range(12)) and found.optics.tolist() == [0] * 12
    raw = np.concatenate([[[0.0, 3 * k], [5.0, 3 * k + 4]] for k in range(12)])
    np.testing.assert_allclose(found.positions_px, raw - [2.5, 18.5], atol=1e-12)  # one origin for all
    expected = known.counts[[0, 1, 3, 4, 11, 0]]
    np.testing.assert_array_equal(found.frames.read(np.array([0, 1, 6, 7, 22, 23])), expected)
    assert found.metadata["views"] == 12 and found.metadata["scans"] == files
    assert found.source == f"{tmp_path}/s_*.h5"


def test_share_nothing(files):
    _, found = TiltSeries(paths=files[:3], angles=[1, 2, 3], share="nothing").read()
    assert found.optics.tolist() == found.specimen.tolist() == [0, 1, 2]


@pytest.mark.parametrize("style", ["{}.h5", "{}", "raw/{}.h5", "./{}"])
def test_angles_by_name_in_any_order(files, table, tmp_path, style):
    os.mkdir(tmp_path / "raw")
    if "raw" in style:
        files = [shutil.move(name, tmp_path / "raw" / os.path.basename(name)) for name in files]
        files = [str(name) for name in files]
    rows = [f"{style.format(f's_{k}')}, {ANGLES[k]}" for k in np.random.default_rng(3).permutation(12)]
    _, found = TiltSeries(paths=files[::-1], angles=table(["file, angle", *rows])).read()
    np.testing.assert_array_equal(found.angle_deg, ANGLES[::-1])


def test_angles_in_the_files(files):
    for k, name in enumerate(files):
        with h5py.File(name, "a") as file:
            file["sample/rotation"] = np.deg2rad([ANGLES[k]])
            file["sample/rotation"].attrs["units"] = "rad"
    _, found = TiltSeries(paths=files, angles=":/sample/rotation").read()
    np.testing.assert_allclose(found.angle_deg, ANGLES, atol=1e-12)
    with pytest.raises(InputError, match=r"s_0.h5: holds no angle; give `data.angles`"):
        TiltSeries(paths=files).read()
    with pytest.raises(
        InputError, match=r"s_0.h5:/sample/rotations: missing; the nearest are /sample/rotation"
    ):
        TiltSeries(paths=files, angles=":/sample/rotations").read()


def test_files_that_count_from_the_axis_keep_their_origin(tmp_path, known):
    for k in range(3):
        one = single_view(ArrayFrames(known.counts.astype("f4")), known.positions_px + [1, 2 * k])
        write_tilt_series(tmp_path / f"{k}.h5", GEOMETRY, one)
    with h5py.File(tmp_path / "1.h5", "a") as file:
        file["angle_deg"][()] = 45.0
    _, found = TiltSeries(f"{tmp_path}/?.h5").read()
    assert found.angle_deg.tolist() == [0, 45, 0]
    expected = np.concatenate([known.positions_px + [1, 2 * k] for k in range(3)])
    np.testing.assert_allclose(found.positions_px, expected, atol=1e-12)


def test_one_file_of_several_views_with_angles_of_the_user(tmp_path, known, plain_file):
    view = np.repeat(np.arange(4), 3)
    path = str(plain_file(angle_deg=[0, 1, 2, 3], view=view))
    _, found = TiltSeries(path, angles=[10, 20, 30, 40], share="nothing").read()
    assert found.angle_deg.tolist() == [10, 20, 30, 40] and found.optics.tolist() == [0] * 4
    with pytest.raises(InputError, match="holds 4 views, but 3 angles are given"):
        TiltSeries(path, angles=[10, 20, 30]).read()
    _, found = TiltSeries(path, angles=[10, 20, 30, 40], preprocess=Preprocess(start=5)).read()
    assert found.angle_deg.tolist() == [20, 30, 40]


def test_other_formats(tmp_path, known):
    for k in range(3):
        one = single_view(ArrayFrames(known.counts.astype("f4")), known.positions_px)
        write_cxi(tmp_path / f"{k}.cxi", GEOMETRY, one)
    geometry, found = TiltSeries(f"{tmp_path}/*.cxi", angles=[0, 60, 120]).read()
    assert geometry.frame_shape == (16, 20) and found.angle_deg.tolist() == [0, 60, 120]
    np.testing.assert_allclose(found.positions_px[12:24], known.positions_px, atol=1e-6)


def open_files(folder):
    links = [f"/proc/self/fd/{n}" for n in os.listdir("/proc/self/fd")]
    return sum(os.path.realpath(link).startswith(str(folder)) for link in links if os.path.lexists(link))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="reads /proc")
def test_few_files_are_open_at_a_time(files, tmp_path, known):
    series = TiltSeries(paths=files, angles=list(ANGLES), max_open=3, access=Access(cache_mib=1))
    _, found = series.read()
    assert open_files(tmp_path) == 3
    for start in (0, 5, 12):
        index = np.arange(start, 24, 3)
        expected = [known.counts[(i // 2 + i % 2) % 12] for i in index]
        np.testing.assert_array_equal(found.frames.read(index), expected)
    assert open_files(tmp_path) == 3
    del found, series


def test_a_file_that_changes_or_goes_away_is_named(files, known):
    _, found = TiltSeries(paths=files, angles=list(ANGLES), max_open=1).read()
    with h5py.File(files[4], "a") as file:
        del file["intensity"]
        file["intensity"] = known.counts[:1]
    os.unlink(files[6])
    with pytest.raises(InputError, match=r"s_4.h5: now holds frames \(1, 16, 20\), and \(2, 16, 20\)"):
        found.frames.read(np.array([8]))
    with pytest.raises(InputError, match=r"s_6.h5: no such file"):
        found.frames.read(np.array([12]))


def test_masks_and_flats_of_all_files_are_one(tmp_path, known):
    for k in range(30):
        with h5py.File(tmp_path / f"{k}.h5", "w") as file:
            file.create_dataset("intensity", data=np.ones((2, 300, 300), np.uint8), compression="gzip")
            file["positions_px"] = known.positions_px[:2]
            for name, value in known.scalars().items():
                file[name] = value
    np.save(tmp_path / "flat.npy", np.full((300, 300), 2.0))
    flat = Preprocess(flat=f"{tmp_path}/flat.npy")
    kept, grown = [], []
    tracemalloc.start()
    for count in (2, 30):
        names = [f"{tmp_path}/{k}.h5" for k in range(count)]
        kept.append(TiltSeries(paths=names, angles=range(count), preprocess=flat).read()[1])
        grown.append(tracemalloc.get_traced_memory()[0] / 2**20)
    tracemalloc.stop()
    assert (kept[1].frames.read(np.array([0, 59])) == 1).all()
    assert grown[1] - grown[0] < 3  # MiB; a flat and two masks for each of 28 files would be 14


def truncate(path):
    os.truncate(path, os.path.getsize(path) // 2)


def not_a_number(path):
    with h5py.File(path, "a") as file:
        shape = file["intensity"].shape
        del file["intensity"]
        file["intensity"] = np.full(shape, np.nan, np.float32)


BREAKS = {
    "missing": (os.unlink, "no such file"),
    "truncated": (truncate, "cannot be read"),
    "nan": (not_a_number, "2 of the frames hold no count at all"),
    "text": (lambda path: Path(path).write_text("<html>"), "is not an HDF5 file"),
    "empty": (lambda path: os.truncate(path, 0), "is empty"),
}


@pytest.mark.parametrize("kind", BREAKS)
def test_one_bad_file_in_the_middle(files, kind, caplog):
    breaks, message = BREAKS[kind]
    breaks(files[5])
    with pytest.raises(InputError, match=message) as caught:
        TiltSeries(paths=files, angles=list(ANGLES)).read()
    assert str(caught.value).startswith(files[5]) and "\n" not in str(caught.value)
    with caplog.at_level(logging.WARNING):
        _, found = TiltSeries(paths=files, angles=list(ANGLES), skip_unreadable=True).read()
    assert [r.getMessage() for r in caplog.records] == [f"left out of the series: {caught.value}"]
    np.testing.assert_array_equal(found.angle_deg, np.delete(ANGLES, 5))
    assert found.specimen.tolist() == list(range(11)) and found.metadata["files_left_out"] == 1


def test_names_without_file_and_files_without_name(files, table, caplog):
    rows = [f"s_{k} {ANGLES[k]}" for k in range(12)]
    angles = table(rows)
    with pytest.raises(InputError, match=r"angles.csv: names files that are missing: 1 of 12 files \(s_7\)"):
        TiltSeries(paths=files[:7] + files[8:], angles=angles).read()
    short = table(rows[:3] + rows[4:], "short.csv")
    with pytest.raises(InputError, match=r"short.csv: has no angle for 1 of 12 files \(s_3.h5\)"):
        TiltSeries(paths=files, angles=short).read()
    _, found = TiltSeries(paths=files, angles=short, skip_unreadable=True).read()
    np.testing.assert_array_equal(found.angle_deg, np.delete(ANGLES, 3))
    assert "has no angle for 1 of 12 files (s_3.h5); left out of the series" in caplog.text


@pytest.mark.parametrize("skip", [False, True])
def test_angles_by_order_must_be_as_many(files, table, skip):
    """Which of them is missing cannot be told, so that none can be left out."""
    with pytest.raises(InputError, match=r"angles.csv: 11 angles, but 12 files \(from s_0.h5, "):
        TiltSeries(paths=files, angles=table(ANGLES[:11]), skip_unreadable=skip).read()


def test_radians_as_degrees_are_named(files, table, caplog):
    path = table(np.linspace(0, np.pi, 12))
    _, found = TiltSeries(paths=files, angles=path).read()
    assert found.angle_deg[-1] == np.pi
    assert f"{path}: 12 angles from 0 to 3.14159 are taken for degrees" in caplog.text
    _, found = TiltSeries(paths=files, angles=path, angle_unit="rad").read()
    assert found.angle_deg[-1] == 180


def test_radians_in_the_files_are_named(files, caplog):
    for k, name in enumerate(files):
        with h5py.File(name, "a") as file:
            file["angle_deg"] = k / 4
    TiltSeries(paths=files).read()
    assert "12 angles from 0 to 2.75 are taken for degrees" in caplog.text


def test_what_the_constructor_refuses(files, tmp_path):
    with pytest.raises(InputError, match="give `path` or `paths`, not both"):
        TiltSeries("a", ["b"])
    with pytest.raises(InputError, match="`data.max_open` is 0"):
        TiltSeries("a", max_open=0)
    with pytest.raises(InputError, match="`data.path` and `data.paths` are empty"):
        TiltSeries().read()
    with pytest.raises(InputError, match=r"t_\*.h5: no file fits this pattern"):
        TiltSeries(f"{tmp_path}/t_*.h5", angles=[1]).read()
    with pytest.raises(InputError, match="is listed 2 times"):
        TiltSeries(paths=[files[0], files[0]], angles=[1, 2]).read()
    with pytest.raises(InputError, match="no single scan"):
        TiltSeries("a").scan()


def test_frames_of_another_size_in_the_middle(files, known):
    with h5py.File(files[2], "a") as file:
        del file["intensity"]
        file["intensity"] = known.counts[:2, :8]
    with pytest.raises(InputError, match=r"s_2.h5: frames \(8, 20\) .* need equal frames"):
        TiltSeries(paths=files, angles=list(ANGLES), skip_unreadable=True).read()


def test_misspelt_settings_are_led_back():
    node = {"_target_": "jxrecon.data.tilt_series.TiltSeries", "path": "s_*.h5"}
    with pytest.raises(
        InputError, match="`data.angels` is no argument of `TiltSeries`; the nearest is `angles`"
    ):
        check(node | {"angels": "a.txt"}, AbstractReader, "data")
    with pytest.raises(InputError, match="`data.angle_unit` is 'degree'; expected 'deg' or 'rad' or 'auto'"):
        check(node | {"angle_unit": "degree"}, AbstractReader, "data")


def test_inspect_tells_of_the_series(files, tmp_path, caplog):
    found = describe(TiltSeries(f"{tmp_path}/s_*.h5", angles=list(ANGLES / 60)))
    assert found["series"]["files"] == 12 and found["frames"]["shape"] == (2, 16, 20)
    assert found["read_as"]["views_count"] == 12 and found["read_as"]["frames"] == (24, 16, 20)
    assert "looks like radians" in found["read_as"]["views_warning"]
    assert "read_as.views_angle_deg: (-1, 1.0625)" in as_text(found)
    found = describe(TiltSeries(f"{tmp_path}/s_*.h5", angles=[1, 2]))
    assert found["problem"].startswith("`data.angles`: 2 angles, but 12 files")


def test_numbers_sort_as_numbers():
    names = ["s_10.h5", "s_9.h5", "s_9b.h5", "a", "s_010.h5"]
    assert sorted(names, key=natural) == ["a", "s_9.h5", "s_9b.h5", "s_10.h5", "s_010.h5"]
