"""Our own files, opened without trust: another kind, a newer version, links, foreign storage, more than the file can hold."""

import math
import os

import h5py
import numpy as np
import pytest

from jxrecon.errors import InputError
from jxrecon.sealed import chunk_shape, open_sealed, seal, set_attributes, stored_bytes, text, write_dataset
from jxrecon.storage import reserved_hdf5

SHAPES = [(1,), (7,), (516, 2), (1_000_003,), (3, 1, 5), (5, 700, 900), (2, 2, 3000, 3000), (600_000, 2, 2)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_chunks_are_small_and_little_is_padding(shape):
    chunk = chunk_shape(shape, 8)
    assert all(1 <= c <= n for c, n in zip(chunk, shape))
    assert math.prod(chunk) * 8 <= 1.1 * 2**20
    padded = math.prod(math.ceil(n / c) * c for n, c in zip(shape, chunk))
    assert padded <= 1.2 * math.prod(shape)
    assert math.prod(math.ceil(n / c) for n, c in zip(shape, chunk)) <= 2 + 4 * math.prod(shape) * 8 / 2**20


@pytest.mark.parametrize("shape", [(), (0, 3), *SHAPES[:6]], ids=str)
def test_stored_bytes_is_enough_and_not_much_more(tmp_path, shape):
    value = np.ones(shape)
    with h5py.File(tmp_path / "a.h5", "w", libver=("v110", "v110")) as file:
        before = os.path.getsize(tmp_path / "a.h5")
        write_dataset(file, "a", value, units="um")
    taken = os.path.getsize(tmp_path / "a.h5") - before
    assert taken <= stored_bytes(value) <= 1.05 * taken + 8192


@pytest.mark.parametrize("value", ["", "plain", "µm and Å, two\nlines\n", "x" * 100_000], ids=len)
def test_text(tmp_path, value):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        assert text(write_dataset(file, "a", value)) == value
        if len(value) < 1000:
            set_attributes(file, said=value, several=[value, "y"])
            assert text(file.attrs["said"]) == value
            assert [text(t) for t in np.asarray(file.attrs["several"])] == [value, "y"]


def last(dataset):
    return dataset[()][-1]


def sealed(path, fill, version=1, kind="test"):
    with reserved_hdf5(path, 10_000) as file:
        write_dataset(file, "a", np.arange(5.0))
        fill(file)
        seal(file, kind, version)
    return path


def outside(file):
    file.create_dataset("b", (4,), "u1", external=[("/etc/hostname", 0, 4)])


def virtual(file):
    layout = h5py.VirtualLayout((5,), "f8")
    layout[:] = h5py.VirtualSource("other.h5", "a", (5,))
    file.create_virtual_dataset("b", layout)


def huge(file):
    file.create_dataset("b", (10**6, 10**6), "f8", chunks=(1, 1000), fletcher32=True)


def bomb(file):
    file.create_dataset("b", data=np.zeros(10**6), compression="gzip")


def heap(file):
    file.attrs["b"] = "text of variable length"


HOSTILE = {
    "outside": (outside, "`/b` lies in another file"),
    "virtual": (virtual, "`/b` lies in another file"),
    "huge": (huge, "`/b` declares 8000000000000 bytes in a file of"),
    "bomb": (bomb, "`/b` declares 8000000 bytes"),
    "heap": (heap, "attribute `@b` holds neither numbers nor text of a fixed length"),
    "soft link": (lambda f: f.__setitem__("b", h5py.SoftLink("/b")), "`/b` is a link"),
    "external link": (lambda f: f.__setitem__("b", h5py.ExternalLink("other.h5", "/a")), "`/b` is a link"),
    "vlen": (lambda f: f.create_dataset("b", (3,), h5py.vlen_dtype("f8")), "`/b` has dtype object"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused(tmp_path, name):
    fill, message = HOSTILE[name]
    with h5py.File(tmp_path / "a.h5", "w", libver=("v110", "v110")) as file:
        write_dataset(file, "a", np.arange(5.0))
        fill(file)
        set_attributes(file, format="test", format_version=1, content_crc32=np.uint32(0))
    with pytest.raises(OSError) as caught, open_sealed(tmp_path / "a.h5", "test", 1):
        pass
    assert str(caught.value).startswith(f"{tmp_path}/a.h5: damaged: {message}")
    assert "\n" not in str(caught.value)


def test_loops_of_hard_links_end(tmp_path):
    def loop(file):
        file.create_group("g")
        file["g/self"] = file["g"]

    with open_sealed(sealed(tmp_path / "a.h5", loop), "test", 1) as file:
        assert last(file["a"]) == 4


def test_kind_and_version(tmp_path):
    path = sealed(tmp_path / "a.h5", lambda f: None, version=3)
    with (
        pytest.raises(InputError, match="`format_version` is 3, this jxrecon reads up to 2; install a newer"),
        open_sealed(path, "test", 2),
    ):
        pass
    with pytest.raises(InputError, match="is a test; expected a result"), open_sealed(path, "result", 2):
        pass
    with open_sealed(path, "test", 4) as file:
        assert last(file["a"]) == 4


def test_files_of_others(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"] = 1
    with (
        pytest.raises(InputError, match="a.h5: is a file of another program; expected a test"),
        open_sealed(tmp_path / "a.h5", "test", 1),
    ):
        pass
    (tmp_path / "b.h5").write_text("text")
    with (
        pytest.raises(OSError, match="b.h5: damaged: the file does not begin as HDF5 does"),
        open_sealed(tmp_path / "b.h5", "test", 1),
    ):
        pass
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="not a regular file"), open_sealed(tmp_path / "pipe", "test", 1):
        pass
    with pytest.raises(FileNotFoundError), open_sealed(tmp_path / "none", "test", 1):
        pass


def test_an_attribute_changed_by_another_program_is_noticed(tmp_path):
    path = sealed(tmp_path / "a.h5", lambda f: set_attributes(f, said="one"))
    with h5py.File(path, "r+") as file:
        set_attributes(file, said="two")
    with pytest.raises(OSError, match="differ from their checksum"), open_sealed(path, "test", 1):
        pass


def test_a_file_that_is_open_elsewhere(tmp_path):
    path = sealed(tmp_path / "a.h5", lambda f: None)
    with h5py.File(path) as before, open_sealed(path, "test", 1) as file:
        assert last(file["a"]) == last(before["a"]) == 4
