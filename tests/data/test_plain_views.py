"""A tilt series in one file: both arrangements, whole round trips, and bad input."""

import dataclasses
import logging
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

from jxrecon.data.auto import Auto
from jxrecon.data.describe import describe
from jxrecon.data.plain import Plain
from jxrecon.data.preprocess import Preprocess
from jxrecon.data.several import Several
from jxrecon.data.write import write_plain, write_tilt_series
from jxrecon.errors import InputError
from jxrecon.geometry import Geometry
from jxrecon.measurement import ArrayFrames, Measurement

ANGLES = [-60.0, 10.0, 10.0, 75.5]
GEOMETRY = Geometry(1.0e-10, 2.0, (75e-6, 75e-6), (16, 20))


@pytest.fixture
def series(known):
    """Four views of three frames; two at one angle; the positions are about (0.3, -2)."""
    view = np.repeat(np.arange(4), 3).astype(np.int32)
    return Measurement(
        ArrayFrames(known.counts.astype(np.float32)),
        known.positions_px + [0.3, -2.0],
        np.ones((16, 20), bool),
        view,
        np.arange(4, dtype=np.int32),
        np.zeros(4, np.int32),
        np.array(ANGLES),
        probe=known.probe,
    )


def alike(found, expected):
    for name in ("view", "specimen", "optics", "angle_deg", "mask"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), name)
    np.testing.assert_allclose(found.positions_px, expected.positions_px, atol=1e-12)
    every = np.arange(expected.scan_count)
    np.testing.assert_array_equal(found.frames.read(every), expected.frames.read(every))


@pytest.mark.parametrize("name", ["a.h5", "a.npz"])
@pytest.mark.parametrize("order", ["sorted", "mixed"])
def test_round_trip_keeps_views_angles_and_origin(tmp_path, series, name, order):
    if order == "mixed":
        view = np.random.default_rng(0).permutation(series.view).astype(np.int32)
        series = dataclasses.replace(series, view=view, optics=np.array([0, 1, 0, 1], np.int32))
    write_tilt_series(tmp_path / name, GEOMETRY, series, volume_true=np.zeros((3, 4, 4), np.float32))
    geometry, found = Auto(str(tmp_path / name)).read()
    assert geometry == GEOMETRY and os.listdir(tmp_path) == [name]
    alike(found, series)
    np.testing.assert_allclose(found.probe, series.probe)
    assert found.object is None


def test_series_of_one_view_at_zero_keeps_its_angle(tmp_path, series, known):
    one = dataclasses.replace(
        series,
        view=0 * series.view,
        **{n: getattr(series, n)[:1] * 0 for n in ("specimen", "optics", "angle_deg")},
    )
    write_tilt_series(tmp_path / "a.h5", GEOMETRY, one)
    scan = Plain(str(tmp_path / "a.h5")).scan()
    assert scan.views is not None and scan.views.angle_deg.tolist() == [0]
    write_plain(tmp_path / "b.h5", GEOMETRY, one)
    assert Plain(str(tmp_path / "b.h5")).scan().views is None


def test_name_of_the_layout_is_no_name_for_the_truth(tmp_path, series):
    with pytest.raises(ValueError, match="`probe` is a name of the layout; call the truth `probe_true`"):
        write_tilt_series(tmp_path / "a.h5", GEOMETRY, series, probe=series.probe)


@pytest.mark.parametrize("save", ["h5", "npz"])
@pytest.mark.parametrize("same_way", [True, False])
def test_axis_of_angles(tmp_path, known, save, same_way):
    positions = known.positions_px.reshape(4, 3, 2)
    positions = positions[0] if same_way else positions
    arrays = {
        "intensity": known.counts.reshape(4, 3, 16, 20),
        "positions_px": positions,
        "angle_deg": ANGLES,
        **known.scalars(),
    }
    path = str(tmp_path / f"a.{save}")
    if save == "npz":
        np.savez(path, **arrays)
    else:
        with h5py.File(path, "w") as file:
            for key, value in arrays.items():
                file[key] = value
    _, found = Auto(path).read()
    assert found.view.tolist() == np.repeat(np.arange(4), 3).tolist()
    assert found.angle_deg.tolist() == ANGLES
    assert found.specimen.tolist() == [0, 1, 2, 3] and found.optics.tolist() == [0] * 4
    expected = np.tile(positions, (4, 1)) if same_way else known.positions_px
    np.testing.assert_allclose(found.positions_px, expected, atol=1e-12)
    np.testing.assert_array_equal(found.frames.read(np.arange(12)), known.counts)


def test_a_view_without_frames_goes_and_the_others_keep_their_angles(tmp_path, series, known):
    counts = known.counts.astype(np.float32)
    counts[3:6] = np.nan  # the whole second view
    counts[7] = 0
    broken = dataclasses.replace(series, frames=ArrayFrames(counts))
    write_tilt_series(tmp_path / "a.h5", GEOMETRY, broken)
    with pytest.raises(InputError, match=r"a.h5: 4 of the frames hold no count at all \(number 3, 4, 5, 7\)"):
        Plain(str(tmp_path / "a.h5")).read()
    _, found = Plain(str(tmp_path / "a.h5"), preprocess=Preprocess(drop_empty_frames=True)).read()
    assert found.angle_deg.tolist() == [-60.0, 10.0, 75.5]
    assert found.view.tolist() == [0, 0, 0, 1, 1, 2, 2, 2] and found.specimen.tolist() == [0, 1, 2]
    _, found = Plain(str(tmp_path / "a.h5"), preprocess=Preprocess(start=8)).read()
    assert found.angle_deg.tolist() == [10.0, 75.5] and found.view.tolist() == [0, 1, 1, 1]


def test_positions_far_from_zero_are_centred_with_a_warning(tmp_path, series, caplog):
    far = dataclasses.replace(series, positions_px=series.positions_px + [500, 0])
    write_tilt_series(tmp_path / "a.h5", GEOMETRY, far)
    with caplog.at_level(logging.WARNING):
        _, found = Plain(str(tmp_path / "a.h5")).read()
    assert np.abs(found.positions_px.max(0) + found.positions_px.min(0)).max() < 1e-9
    assert f"{tmp_path}/a.h5: the positions are about (500.3, -2) px and not about 0" in caplog.text


def test_radians_are_warned_of(tmp_path, series, caplog):
    many = dataclasses.replace(
        series,
        view=np.arange(12, dtype=np.int32),
        specimen=np.arange(12, dtype=np.int32),
        optics=np.zeros(12, np.int32),
        angle_deg=np.linspace(0, np.pi, 12),
    )
    write_tilt_series(tmp_path / "a.h5", GEOMETRY, many)
    found = Plain(str(tmp_path / "a.h5")).read()[1]
    np.testing.assert_array_equal(found.angle_deg, many.angle_deg)
    assert f"{tmp_path}/a.h5:/angle_deg: 12 angles from 0 to 3.14159 are taken for degrees" in caplog.text


def test_several_files_of_several_views(tmp_path, series):
    for name in "ab":
        write_tilt_series(tmp_path / f"{name}.h5", GEOMETRY, series)
    paths = [str(tmp_path / "a.h5"), str(tmp_path / "b.h5")]
    _, found = Several(paths, share="probe").read()
    assert found.specimen.tolist() == list(range(8)) and found.optics.tolist() == [0] * 8
    assert found.angle_deg.tolist() == 2 * ANGLES
    assert found.view.tolist() == [*series.view, *(series.view + 4)]
    _, found = Several(paths, share="object").read()
    assert found.specimen.tolist() == 2 * [0, 1, 2, 3] and found.optics.tolist() == [0] * 4 + [1] * 4


VIEW = np.repeat(np.arange(4), 3)
BAD = {
    "one_angle_less": ({"angle_deg": ANGLES[:3], "view": VIEW}, "/view: holds 0 to 3; expected whole numbers from 0 to 2"),
    "no_angles": ({"view": VIEW}, "/angle_deg: missing"),
    "no_views": ({"angle_deg": ANGLES}, "/view: missing; 4 angles"),
    "short_view": ({"angle_deg": ANGLES, "view": VIEW[:9]}, "/view: has 9 numbers; expected one for each of 12 frames"),
    "half_views": ({"angle_deg": ANGLES, "view": VIEW + 0.5}, "; expected whole numbers"),
    "negative": ({"angle_deg": ANGLES, "view": VIEW - 1}, "; expected whole numbers"),
    "nan": ({"angle_deg": [0, np.nan, 1, 2], "view": VIEW}, r"/angle_deg: 1 of 4 angles are not finite \(number 1\)"),
    "text": ({"angle_deg": "ten", "view": VIEW}, "/angle_deg: holds"),
    "specimen": ({"angle_deg": ANGLES, "view": VIEW, "specimen": [0, 1]}, "/specimen: has 2 numbers"),
    "optics": ({"angle_deg": ANGLES, "view": VIEW, "optics": [0, 1, 2, 9]}, "/optics: holds 0 to 9; expected"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_one_line_with_the_file(plain_file, kind):
    changes, message = BAD[kind]
    path = plain_file(**changes)
    with pytest.raises(InputError, match=message) as caught:
        Plain(str(path)).read()
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_bad_axis_of_angles(plain_file, known):
    frames, positions = known.counts.reshape(4, 3, 16, 20), known.positions_px.reshape(4, 3, 2)
    wrong = [
        ({"angle_deg": ANGLES[:3], "positions_px": positions}, "/intensity: has 4 views .* but 3 angles"),
        ({"angle_deg": ANGLES, "positions_px": positions[:3]}, r"has shape \(3, 3, 2\); the frames ask for \(4, 3, 2\)"),
        ({"positions_px": positions}, "/angle_deg: missing"),
        ({"positions_px": positions[0]}, "12 frames, but 3 positions"),
    ]  # fmt: skip
    for changes, message in wrong:
        with pytest.raises(InputError, match=message):
            Plain(str(plain_file(intensity=frames, **changes))).read()


def test_misspelt_name_is_said(tmp_path, plain_file, known):
    path = plain_file(angle_degrees=ANGLES, view=VIEW)
    with pytest.raises(InputError, match="/angle_deg: missing.*angle_degrees"):
        Plain(str(path)).read()


GROWTH = """
import sys
import numpy as np
from jxrecon.data.auto import Auto
from jxrecon.data.write import write_tilt_series
from jxrecon.geometry import Geometry
from jxrecon.measurement import Measurement

class Drawn:
    def __init__(self, views):
        self.shape = (12 * views, 128, 128)
    def read(self, index):
        pattern = np.arange(128 * 128, dtype=np.float32).reshape(128, 128) % 251
        return pattern + (index % 7)[:, None, None].astype(np.float32)

def there_and_back(views):
    view, n = np.repeat(np.arange(views), 12).astype(np.int32), 12 * views
    positions = np.random.default_rng(0).uniform(-60, 60, (n, 2))
    series = Measurement(Drawn(views), positions, np.ones((128, 128), bool), view,
        np.arange(views, dtype=np.int32), np.zeros(views, np.int32), np.arange(views) * 1.8)
    write_tilt_series(sys.argv[1], Geometry(1e-10, 2.0, (75e-6, 75e-6), (128, 128)), series)
    _, found = Auto(sys.argv[1]).read()
    for k in range(0, n, 60):
        assert found.frames.read(np.arange(k, k + 60)).sum() == Drawn(views).read(np.arange(k, k + 60)).sum()
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) // 1024

small = there_and_back(25)
print(there_and_back(100) - small)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_large_series_passes_through_little_memory(tmp_path, python):
    done: subprocess.CompletedProcess = python(GROWTH, tmp_path / "a.h5")
    assert done.returncode == 0, done.stderr[-500:]
    assert int(done.stdout) < 20  # MiB, of a set of 75


def test_inspect_tells_of_views(tmp_path, series):
    write_tilt_series(tmp_path / "a.h5", GEOMETRY, series)
    found = describe(str(tmp_path / "a.h5"))
    assert found["views"]["count"] == 4 and found["views"]["angle_deg"] == [-60.0, 75.5]
    assert found["problem"] is None
