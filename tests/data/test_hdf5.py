"""The guarded reader against files made to harm: each refused in one line, at once, with little memory."""

import functools
import json
import os
import zlib

import h5py
import numpy as np
import pytest

from jxrecon.data.hazards import Limits
from jxrecon.data.hdf5 import COMPLEX, open_hdf5
from jxrecon.errors import InputError


@functools.cache
def _packed(count):
    """So many zeros in as few bytes as deflate can: after a full flush, the same block may be repeated."""
    packer = zlib.compressobj(9)
    first, again = (packer.compress(bytes(10**6)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + again * (-(-count // 10**6) - 1) + packer.flush()


def _external_raw(path, folder):
    with h5py.File(path, "w") as f:
        f.create_dataset("data", (40,), "u1", external=[("/etc/hostname", 0, 4), ("/etc/passwd", 0, 36)])


def _huge(path, folder):
    with h5py.File(path, "w") as f:
        f.create_dataset("data", (10**5, 4096, 4096), "f4", chunks=(1, 4096, 4096))


def _never_written(path, folder):
    with h5py.File(path, "w") as f:
        f.create_dataset("data", (1000, 1024, 1024), "u2", chunks=(1, 1024, 1024))


def _bomb(path, folder):
    with h5py.File(path, "w") as f:
        d = f.create_dataset("data", (64, 4096, 4096), "u1", chunks=(1, 4096, 4096), compression="gzip")
        packed = _packed(4096 * 4096)
        for i in range(64):
            d.id.write_direct_chunk((i, 0, 0), packed)


def _bomb_of_one_chunk(path, folder):
    with h5py.File(path, "w") as f:
        d = f.create_dataset("data", (1, 30000, 30000), "u1", chunks=(1, 30000, 30000), compression="gzip")
        d.id.write_direct_chunk((0, 0, 0), _packed(30000 * 30000))


def _chunk_longer_than_its_contents(path, folder):
    with h5py.File(path, "w") as f:
        d = f.create_dataset("data", (4, 32, 32), "u1", chunks=(1, 32, 32), compression="gzip")
        d.id.write_direct_chunk((0, 0, 0), _packed(10**8))


def _loop(path, folder):
    with h5py.File(path, "w") as f:
        f["a"], f["b"], f["data"] = h5py.SoftLink("/b"), h5py.SoftLink("/a"), h5py.SoftLink("/a")


def _link_outside(path, folder):
    other = folder.parent / "outside.h5"
    with h5py.File(other, "w") as f:
        f["secret"] = np.arange(5)
    with h5py.File(path, "w") as f:
        f["data"] = h5py.ExternalLink("../outside.h5", "/secret")


def _link_to_fifo(path, folder):
    os.mkfifo(folder / "fifo")
    with h5py.File(path, "w") as f:
        f["data"] = h5py.ExternalLink("fifo", "/x")


def _variable_length(path, folder):
    with h5py.File(path, "w") as f:
        f.create_dataset("data", (3,), h5py.vlen_dtype("f8"))


def _compound(path, folder):
    with h5py.File(path, "w") as f:
        f.create_dataset("data", (3,), np.dtype([("r", "f4"), ("i", "f4")]))


def _virtual_over_raw(path, folder):
    _external_raw(folder / "raw.h5", folder)
    layout = h5py.VirtualLayout((40,), "u1")
    layout[:] = h5py.VirtualSource("raw.h5", "data", (40,))
    with h5py.File(path, "w") as f:
        f.create_virtual_dataset("data", layout)


def _virtual_missing(path, folder):
    layout = h5py.VirtualLayout((4, 8), "f4")
    layout[0] = h5py.VirtualSource("lost_000001.h5", "data", (8,))
    with h5py.File(path, "w") as f:
        f.create_virtual_dataset("data", layout, fillvalue=0)


HOSTILE = {
    _external_raw: "other raw files .*/etc/passwd",
    _huge: "declares 6250 GiB",
    _never_written: "not written to its end",
    _bomb: "decompression bomb",
    _bomb_of_one_chunk: "decompression bomb",
    _chunk_longer_than_its_contents: "damaged",
    _loop: "round in a circle",
    _link_outside: "outside the file's own directory",
    _link_to_fifo: "not a regular file",
    _variable_length: "variable length",
    _compound: "expected real numbers",
    _virtual_over_raw: "other raw files",
    _virtual_missing: "`lost_000001.h5` is missing",
}


@pytest.fixture(params=HOSTILE, ids=lambda make: make.__name__.strip("_"))
def hostile(request, tmp_path):
    folder = tmp_path / "inside"
    folder.mkdir()
    path = folder / "hostile.h5"
    request.param(path, folder)
    return path, HOSTILE[request.param]


def test_hostile_file_is_refused_in_one_line(hostile):
    path, message = hostile
    with pytest.raises(InputError, match=message) as caught, open_hdf5(path) as file:
        file.dataset("data")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}:/data: ")


MEASURE = """
import json, resource, sys, time
from jxrecon.data.hdf5 import open_hdf5
from jxrecon.errors import InputError
resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
for path in sys.argv[1:]:
    start = time.process_time()
    try:
        with open_hdf5(path) as file:
            file.dataset("data").read()
        found = "read"
    except InputError as error:
        found = str(error)
    peak = [line for line in open("/proc/self/status") if line.startswith("VmHWM")][0].split()[1]
    print(json.dumps([found, time.process_time() - start, int(peak) / 1024]))
"""


def test_hostile_files_cost_less_than_2_s_and_200_MiB(tmp_path, python):
    paths = []
    for make in HOSTILE:
        folder = tmp_path / make.__name__ / "inside"
        folder.mkdir(parents=True)
        paths.append(folder / "hostile.h5")
        make(paths[-1], folder)
    done = python(MEASURE, *paths, timeout=60)
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        found, seconds, peak_mib = json.loads(line)
        assert found != "read"
        assert seconds < 2 and peak_mib < 200, line  # seconds of CPU: a hang is met by the timeout above


@pytest.fixture
def good(tmp_path):
    path = tmp_path / "good.h5"
    with h5py.File(path, "w") as f:
        f["entry/detector/data"] = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)
        f["entry/detector/mask"] = np.zeros((3, 4))
        f["entry/name"] = "run 5"
        f["entry/complex"] = np.array([(1.0, 2.0)], np.dtype([("r", "f8"), ("i", "f8")]))
        f["entry/nan"] = np.nan
        f["entry/detector/data"].attrs["units"] = "counts"
        f["link"] = h5py.SoftLink("/entry/detector")
    return path


def test_reads_what_is_there(good):
    with open_hdf5(good) as file:
        np.testing.assert_array_equal(file.array("/entry/detector/data"), np.arange(24).reshape(2, 3, 4))
        assert file.dataset("link/data").read((slice(1, 2), 2)).tolist() == [[20, 21, 22, 23]]
        assert file.text("entry/name") == "run 5"
        assert file.array("entry/complex", COMPLEX) == np.array([1 + 2j])
        assert file.attribute("link/data", "units") == "counts"
        assert file.attribute("link/data", "none") is None
        assert file.children("entry") == ["complex", "detector", "name", "nan"]
        assert not file.has("entry/nothing/at/all")


def test_missing_dataset_names_the_nearest(good):
    with open_hdf5(good) as file, pytest.raises(InputError) as caught:
        file.array("entry/detector/dta")
    assert f"{good}:/entry/detector/dta: missing" in str(caught.value)
    assert "/entry/detector/data" in str(caught.value)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda f: f.array("entry/detector"), "is a group"),
        (lambda f: f.array("entry/name"), "variable length"),
        (lambda f: f.scalar("entry/nan"), "finite"),
        (lambda f: f.text("entry/detector/mask"), "not a string"),
    ],
)
def test_wrong_kind_of_thing(good, call, message):
    with open_hdf5(good) as file, pytest.raises(InputError, match=message):
        call(file)


def test_links_beside_the_file_are_followed_from_any_folder(tmp_path, good, monkeypatch):
    with h5py.File(tmp_path / "master.h5", "w") as f:
        f["near"] = h5py.ExternalLink("good.h5", "/link/data")
        f["lost"] = h5py.ExternalLink("data_000002.h5", "/data")
        layout = h5py.VirtualLayout((2, 3, 4), "u2")
        layout[:] = h5py.VirtualSource("good.h5", "entry/detector/data", (2, 3, 4))
        f.create_virtual_dataset("virtual", layout)
    monkeypatch.chdir("/")
    with open_hdf5(tmp_path / "master.h5") as file:
        np.testing.assert_array_equal(file.array("near"), np.arange(24).reshape(2, 3, 4))
        np.testing.assert_array_equal(file.array("virtual"), np.arange(24).reshape(2, 3, 4))
        with pytest.raises(InputError, match=r"master.h5:/lost: the linked file `data_000002.h5` is missing"):
            file.dataset("lost")


def test_a_directory_can_be_allowed(tmp_path, good):
    folder = tmp_path / "scan"
    folder.mkdir()
    with h5py.File(folder / "master.h5", "w") as f:
        f["data"] = h5py.ExternalLink(str(good), "/entry/detector/data")
    with open_hdf5(folder / "master.h5") as file, pytest.raises(InputError, match="data.access.allow"):
        file.array("data")
    with open_hdf5(folder / "master.h5", Limits(allow=(str(tmp_path),), locking=False)) as file:
        assert file.array("data").shape == (2, 3, 4)


def test_sizes_beyond_the_limits(good):
    with (
        open_hdf5(good, Limits(max_array_gib=1e-9)) as file,
        pytest.raises(InputError, match="max_array_gib"),
    ):
        file.array("entry/detector/data")
    with open_hdf5(good, Limits(max_gib=1e-9)) as file, pytest.raises(InputError, match="max_gib"):
        file.dataset("entry/detector/data")


@pytest.mark.parametrize("kind", ["absent", "directory", "empty", "text", "truncated", "forbidden"])
def test_not_a_readable_file(tmp_path, good, kind, monkeypatch):
    path = tmp_path / "file.h5"
    message = {
        "absent": "no such file",
        "directory": "is a directory",
        "empty": "is empty",
        "text": "not an HDF5 file",
        "truncated": "truncated",
        "forbidden": "permission denied",
    }[kind]
    if kind == "directory":
        path.mkdir()
    elif kind != "absent":
        contents = {"empty": b"", "text": b"1.0 2.0\n"}.get(kind, good.read_bytes())
        path.write_bytes(contents[: len(contents) // 2] if kind == "truncated" else contents)
    if kind == "forbidden":
        path.chmod(0)
        if os.geteuid() == 0:  # root may read everything
            monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(InputError, match=message) as caught:
        open_hdf5(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)
