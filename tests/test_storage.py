"""Files that are whole or absent: what reaches the disk in which order, and what is left after an error."""

import errno
import json
import os
import shutil
import subprocess
import sys
import textwrap

import h5py
import numpy as np
import pytest

from jxrecon.storage import plain, reserved_hdf5, sweep, write_json_atomically, write_text_atomically


def write(path, value, nbytes=8000, keep=1):
    with reserved_hdf5(path, nbytes, keep) as file:
        file["value"] = np.full(1000, float(value))


def read(path):
    with h5py.File(path) as file:
        return float(np.asarray(file["value"])[999])


def python(code, *arguments, wrapper=(), **options):
    """A Python process of its own, which HDF5 may take down without harm to the tests."""
    command = [*wrapper, sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def test_generations(tmp_path):
    path = tmp_path / "c.h5"
    for value in range(5):
        write(path, value, keep=3)
    assert [read(f"{path}{end}") for end in ("", ".1", ".2")] == [4, 3, 2]
    assert sorted(os.listdir(tmp_path)) == ["c.h5", "c.h5.1", "c.h5.2"]


def test_the_file_is_no_larger_than_what_it_holds(tmp_path):
    write(tmp_path / "c.h5", 1, nbytes=50 << 20)
    assert os.path.getsize(tmp_path / "c.h5") < 16000
    assert os.stat(tmp_path / "c.h5").st_blocks * 512 < 64000


def test_more_than_was_reserved_is_still_written(tmp_path):
    with reserved_hdf5(tmp_path / "c.h5", 0) as file:
        file["value"] = np.arange(1_000_000.0)  # 8 MB, 1 MiB reserved
    assert read(tmp_path / "c.h5") == 999


@pytest.mark.parametrize("interrupt", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file(tmp_path, interrupt):
    write(tmp_path / "c.h5", 1)
    with pytest.raises(interrupt), reserved_hdf5(tmp_path / "c.h5", 100) as file:
        file["value"] = np.zeros(5)
        raise interrupt
    assert read(tmp_path / "c.h5") == 1
    assert os.listdir(tmp_path) == ["c.h5"]


def test_a_link_keeps_pointing_to_the_replaced_file(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "c.h5").symlink_to(tmp_path / "elsewhere" / "real.h5")
    write(tmp_path / "c.h5", 7)
    assert (tmp_path / "c.h5").is_symlink()
    assert read(tmp_path / "elsewhere" / "real.h5") == 7


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="cannot write: No such file or directory.*nowhere/a.json"):
        write_json_atomically(tmp_path / "nowhere" / "a.json", {})


def test_json_has_no_number_that_is_not_finite(tmp_path):
    values = {
        "a": np.float32(np.nan),
        "b": [np.inf, 1],
        "c": np.array([1.0, -np.inf]),
        "d": {"e": np.int64(3)},
        "f": None,
    }
    write_json_atomically(tmp_path / "m.json", values | {"g": tmp_path})
    expected = {"a": None, "b": [None, 1], "c": [1.0, None], "d": {"e": 3}, "f": None, "g": str(tmp_path)}
    assert json.loads((tmp_path / "m.json").read_text()) == expected
    assert plain((1, 0.1)) == [1, 0.1]


def test_text_is_utf8(tmp_path):
    for text in ("long and old", "µ", ""):
        write_text_atomically(tmp_path / "t.txt", text)
        assert (tmp_path / "t.txt").read_bytes() == text.encode()


HOLD = """
    import sys, time
    from jxrecon.storage import reserved_hdf5
    with reserved_hdf5(sys.argv[1], 1 << 20):
        print("open", flush=True)
        time.sleep(60)
"""


def test_temporary_file_of_a_dead_process_is_swept_and_of_a_live_one_not(tmp_path):
    write(tmp_path / "c.h5", 1)
    command = [sys.executable, "-c", textwrap.dedent(HOLD), tmp_path / "c.h5"]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert writer.stdout is not None and writer.stdout.readline() == "open\n"
        assert len(os.listdir(tmp_path)) == 2
        assert sweep(str(tmp_path)) == []
    finally:
        writer.kill()
        writer.communicate()
    assert len(os.listdir(tmp_path)) == 2
    write_text_atomically(tmp_path / "other.txt", "any write into the folder sweeps it")
    assert sorted(os.listdir(tmp_path)) == ["c.h5", "other.txt"]


LATE = """
    import resource, sys, gc
    import h5py, numpy as np
    from jxrecon.storage import reserved_hdf5
    try:
        with reserved_hdf5(sys.argv[1], 0) as file:
            resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 20, 3 << 20))
            file.create_dataset("v", data=np.ones((64, 65536)), chunks=(1, 65536), fletcher32=True)
    except OSError as error:
        print(error)
    gc.collect()
    with h5py.File(sys.argv[1]) as file:
        print(file["value"][999])
"""


def test_a_write_that_fails_late_is_an_error_and_no_crash(tmp_path):
    """Space that was not reserved runs out inside HDF5, which must not notice."""
    write(tmp_path / "c.h5", 5)
    done = python(LATE, tmp_path / "c.h5")
    assert done.returncode == 0, (done.returncode, done.stderr)
    message, old = done.stdout.splitlines()
    assert message.startswith(f"[Errno {errno.EFBIG}] File too large (") and "MiB needed" in message
    assert old == "5.0"
    assert os.listdir(tmp_path) == ["c.h5"]


WRITERS = {
    "hdf5": """with reserved_hdf5(sys.argv[1], 100, keep=2) as f: f["a"] = [1.0]""",
    "text": """write_text_atomically(sys.argv[1], "text")""",
    "json": """write_json_atomically(sys.argv[1], {"a": 1})""",
}


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("writer", WRITERS)
def test_order_of_system_calls(tmp_path, writer):
    """Power cut: space before content, content before the name, the name before we go on."""
    path = tmp_path / "target"
    write_text_atomically(path, "older")
    calls = "trace=fallocate,ftruncate,fsync,fdatasync,rename,renameat,renameat2"
    strace = ("strace", "-y", "-o", tmp_path / "trace", "-e", calls)
    done = python(f"import sys\nfrom jxrecon.storage import *\n{WRITERS[writer]}", path, wrapper=strace)
    if "ptrace" in done.stderr:
        pytest.skip(f"strace may not trace here: {done.stderr.splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    lines = [line for line in (tmp_path / "trace").read_text().splitlines() if str(tmp_path) in line]
    names = [line.partition("(")[0] for line in lines]
    assert names == ["fallocate", "ftruncate", "fsync", "rename", "fsync"]
    assert ".jxtmp>" in lines[2]
    assert f"<{tmp_path}>" in lines[4]
    assert f'"{path}"' in lines[3]


def test_order_of_calls(tmp_path, monkeypatch):
    """The same without strace, and with the older generation, which gets its second name only after the new one is safe."""
    write(tmp_path / "c.h5", 1)
    calls = []
    for name in ("posix_fallocate", "ftruncate", "fsync", "link", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, _n=name, _f=real: (calls.append(_n), _f(*a))[1])
    write(tmp_path / "c.h5", 2, keep=2)
    assert calls == ["posix_fallocate", "ftruncate", "fsync", "link", "replace", "fsync"]
