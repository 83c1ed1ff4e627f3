"""Frames from files in any order, joined, and marks for what was not measured."""

import threading

import h5py
import numpy as np
import pytest

from jxrecon.data.frames import (
    DatasetFrames,
    JoinedFrames,
    MarkedFrames,
    MemoryFrames,
    WeightedFrames,
    counts_of,
    runs,
)
from jxrecon.data.hdf5 import open_hdf5
from jxrecon.errors import InputError


@pytest.fixture
def stack():
    return np.random.default_rng(3).integers(0, 1000, (23, 6, 5)).astype(np.uint16)


def _stored(tmp_path, array, name="frames.h5", **options):
    with h5py.File(tmp_path / name, "w") as file:
        file.create_dataset("data", data=array, **options)
    return DatasetFrames(open_hdf5(tmp_path / name).dataset("data"))


@pytest.mark.parametrize("options", [{}, {"chunks": (1, 6, 5)}, {"chunks": (7, 3, 5), "compression": "gzip"}])
@pytest.mark.parametrize("index", [range(23), [0], [22], [0, 1, 2, 9, 10, 22], [3, 5, 6, 7, 8, 20]])
def test_any_frames_of_any_layout(tmp_path, stack, options, index):
    frames = _stored(tmp_path, stack, **options)
    np.testing.assert_array_equal(frames.read_raw(np.array(index)), stack[list(index)])


def test_raster_is_counted_in_C_order(tmp_path, stack):
    frames = _stored(tmp_path, stack[:20].reshape(4, 5, 6, 5), chunks=(1, 2, 6, 5))
    assert frames.shape == (20, 6, 5)
    np.testing.assert_array_equal(
        frames.read_raw(np.array([0, 3, 4, 5, 11, 19])), stack[[0, 3, 4, 5, 11, 19]]
    )


def test_runs_stay_within_chunks_and_memory():
    index = np.array([0, 1, 2, 3, 9, 10, 11, 40, 47])
    assert [r.tolist() for r in runs(index, 8, 1000)] == [[0, 1, 2, 3], [9, 10, 11], [40, 47]]
    assert [r.tolist() for r in runs(np.arange(10), 2, 4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_joined_parts(tmp_path, stack):
    parts = [
        _stored(tmp_path, stack[:9], "a.h5"),
        MemoryFrames(stack[9:10]),
        _stored(tmp_path, stack[10:], "c.h5"),
    ]
    frames = JoinedFrames(parts)
    assert frames.shape == (23, 6, 5)
    np.testing.assert_array_equal(frames.read_raw(np.array([0, 8, 9, 10, 22])), stack[[0, 8, 9, 10, 22]])
    with pytest.raises(InputError, match="different shapes"):
        JoinedFrames([parts[0], MemoryFrames(stack[:, :3])])


def test_threads_read_the_same_file(tmp_path, stack):
    frames = _stored(tmp_path, stack, chunks=(4, 6, 5), compression="gzip")
    wrong = []

    def work(seed):
        rng = np.random.default_rng(seed)
        for _ in range(20):
            index = np.sort(rng.choice(23, 6, replace=False))
            if not np.array_equal(frames.read_raw(index), stack[index]):
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(
    "raw, expected",
    [
        (np.array([0, 7, 2**32 - 2, 2**32 - 1], np.uint32), [0, 7, -1, -1]),
        (np.array([0, 65533, 65534, 65535], np.uint16), [0, 65533, -1, -1]),
        (np.array([0, 254, 255], np.uint8), [0, 254, -1]),
        (np.array([-1, -5, 3, 2**31 - 1], np.int32), [-1, -1, 3, -1]),
        (np.array([np.nan, np.inf, -np.inf, -2, 0.5, 2.0**32], np.float64), [-1, -1, -1, -1, 0.5, -1]),
        (np.array([1e300, 3e38, 2.0], np.float64), [-1, np.float32(3e38), 2]),
    ],
)
def test_what_was_not_measured_is_minus_one(raw, expected):
    found = counts_of(raw)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array(expected, np.float32))


def test_weights_and_lists_of_bad_pixels(stack):
    weights = np.ones(stack.shape)
    weights[4, 2, 3] = 0
    found = WeightedFrames(MemoryFrames(stack), MemoryFrames(weights)).read_raw(np.array([3, 4]))
    assert found[1, 2, 3] == -1 and (found < 0).sum() == 1
    bad = np.array([[4, 0, 1], [2, 5, 4], [4, 1, 1]])
    found = MarkedFrames(MemoryFrames(stack), bad).read_raw(np.array([2, 3, 4]))
    assert {tuple(k) for k in np.argwhere(found < 0).tolist()} == {(0, 5, 4), (2, 0, 1), (2, 1, 1)}


@pytest.mark.parametrize("shape", [(6, 5), (0, 6, 5)])
def test_no_frames(tmp_path, shape):
    with pytest.raises(InputError, match="expected frames|no frames"):
        _stored(tmp_path, np.zeros(shape))


ITERATE = """
import resource, sys
import numpy as np
from jxrecon.data.plain import Plain
from jxrecon.data.stream import read_ahead
geometry, measurement = Plain(sys.argv[1] + ".small").read()       # everything that is needed is loaded
size = int([l for l in open("/proc/self/status") if l.startswith("VmSize")][0].split()[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (size + int(sys.argv[2]),) * 2)
geometry, measurement = Plain(sys.argv[1]).read()
n = measurement.scan_count
total = sum(float(b.sum(dtype=np.float64)) for b in read_ahead(
    (measurement.frames.read(np.arange(k, min(k + 16, n))) for k in range(0, n, 16)), 1))
print(n, total)
try:
    np.ones(int(sys.argv[2]), np.uint8)
except MemoryError:
    print("limited")
"""


def test_a_file_three_times_larger_than_the_memory_left(tmp_path, python):
    left = 96 * 2**20
    frame = np.random.default_rng(0).integers(0, 60000, (512, 512)).astype(np.uint16)
    n = 3 * left // frame.nbytes + 1
    for name, count in (("big", n), ("big.small", 4)):
        with h5py.File(tmp_path / name, "w") as file:
            data = file.create_dataset("intensity", (count, 512, 512), "u2", chunks=(1, 512, 512))
            for k in range(count):
                data[k] = frame
            file["positions_px"] = np.random.default_rng(1).uniform(-50, 50, (count, 2))
            file["wavelength_m"], file["distance_m"], file["detector_pixel_m"] = 1e-10, 2.0, 75e-6
    assert (tmp_path / "big").stat().st_size > 3 * left
    # A second malloc arena reserves 128 MiB of addresses, which the limit would count although nothing uses them.
    done = python(ITERATE, tmp_path / "big", left, MALLOC_ARENA_MAX="1")
    assert done.returncode == 0, done.stderr[-500:]
    count, total = done.stdout.split()[:2]
    assert int(count) == n and float(total) == pytest.approx(n * frame.sum(dtype=np.float64), rel=1e-6)
    assert "limited" in done.stdout
