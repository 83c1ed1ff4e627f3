"""The plain layout written and read again, on good disks and full ones."""

import os

import h5py
import numpy as np
import pytest

from jxrecon.data.auto import Auto
from jxrecon.data.plain import Plain
from jxrecon.data.preprocess import Preprocess
from jxrecon.data.stored import look
from jxrecon.data.write import write_plain
from jxrecon.errors import InputError
from jxrecon.geometry import Geometry
from jxrecon.measurement import ArrayFrames, single_view

EVERY = np.arange(12)


@pytest.fixture
def set_up(known):
    geometry = Geometry(
        known.wavelength_m, known.distance_m, (75e-6, 80e-6), (16, 20), "near_field", 0.1, margin=4
    )
    counts = known.counts.astype(np.float32)
    counts[2, 3, 4] = -1
    mask = np.ones((16, 20), bool)
    mask[5, 6], counts[:, 5, 6] = False, -1
    return geometry, single_view(ArrayFrames(counts), known.positions_px, mask=mask, probe=known.probe)


@pytest.mark.parametrize("name", ["a.h5", "a.npz", "a.hdf5"])
def test_round_trip(tmp_path, set_up, name):
    geometry, measurement = set_up
    write_plain(tmp_path / name, geometry, measurement, object_true=np.ones((4, 4), np.complex64))
    assert os.listdir(tmp_path) == [name]
    again, found = Auto(str(tmp_path / name)).read()
    assert again == geometry
    np.testing.assert_array_equal(found.frames.read(EVERY), measurement.frames.read(EVERY))
    np.testing.assert_allclose(found.positions_px, measurement.positions_px, atol=1e-12)
    np.testing.assert_array_equal(found.mask, measurement.mask)
    np.testing.assert_allclose(found.probe[:, 4:-4, 4:-4], measurement.probe, rtol=1e-6)
    assert found.metadata["invalid_pixels"] == 1


def test_round_trip_of_measured_data(measured_data, tmp_path):
    geometry, measurement = Plain(
        str(measured_data / "ptycho/siemens_star_aps.h5"), preprocess=Preprocess(stop=40)
    ).read()
    write_plain(tmp_path / "star.h5", geometry, measurement)
    again, found = Plain(str(tmp_path / "star.h5")).read()
    assert again == geometry
    np.testing.assert_array_equal(found.frames.read(np.arange(40)), measurement.frames.read(np.arange(40)))
    with h5py.File(tmp_path / "star.h5") as file:
        assert file["intensity"].dtype == np.uint16
        filters = file["intensity"].id.get_create_plist()
        assert 32008 in [filters.get_filter(k)[0] for k in range(filters.get_nfilters())]  # bitshuffle


@pytest.mark.parametrize(
    "values, kind",
    [([0, 65533], "u2"), ([0, 65534], "u4"), ([-1, 70000], "i4"), ([0, 0.5], "f4"), ([0, 2.0**31], "f4")],
)
def test_number_type_is_the_smallest_exact_one(values, kind):
    frames = ArrayFrames(np.resize(np.array(values, np.float32), (3, 2, 2)))
    assert look(frames).dtype == np.dtype(kind)


def test_unknown_ending(tmp_path, set_up):
    with pytest.raises(InputError, match="expected one of .h5, .hdf5, .npz"):
        write_plain(tmp_path / "a.tif", *set_up)


def test_failure_leaves_nothing_behind(tmp_path, set_up):
    geometry, measurement = set_up

    class Failing:
        shape = (12, 16, 20)
        reads = 0

        def read(self, index):
            self.reads += 1
            if self.reads > 1:
                raise OSError(28, "No space left on device")
            return np.ones((len(index), 16, 20), np.float32)

    for name in ("a.h5", "a.npz"):
        broken = single_view(Failing(), measurement.positions_px)
        with pytest.raises(OSError, match="No space left"):
            write_plain(tmp_path / name, geometry, broken)
    assert os.listdir(tmp_path) == []


FULL = """
import sys
import numpy as np
from jxrecon.data.write import write_plain
from jxrecon.data.write_cxi import write_cxi
from jxrecon.geometry import Geometry
from jxrecon.measurement import ArrayFrames, single_view
frames = ArrayFrames(np.random.default_rng(0).uniform(0, 1e4, (80, 256, 256)).astype(np.float32))
measurement = single_view(frames, np.zeros((80, 2)))
geometry = Geometry(1e-10, 2.0, (75e-6, 75e-6), (256, 256))
for write, name in ((write_plain, "a.h5"), (write_plain, "a.npz"), (write_cxi, "a.cxi")):
    try:
        write(f"{sys.argv[1]}/{name}", geometry, measurement)
        print("written")
    except OSError as error:
        print(error.errno)
"""


def test_full_disk_kills_nobody(tmp_path, python):
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() or os.system(f"mount -t tmpfs -o size=8m tmpfs {folder} 2>/dev/null"):
        pytest.skip("a small file system can only be mounted by root")
    try:
        done = python(FULL, folder)
        left = os.listdir(folder)
    finally:
        os.system(f"umount {folder}")
    assert done.returncode == 0, done.stderr[-300:]
    assert done.stdout.split() == ["28"] * 3 and left == []
