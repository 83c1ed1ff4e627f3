"""A full disk while saving: no crash, one line that says what is missing, and the older file still loads."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

# In mount and process of its own: a tmpfs of 24 MiB, filled so that `free` per cent of what a save needs are left.
# Every case is a fork, because HDF5 may take the process down, also later, when it collects or opens the next file.
SCRIPT = """
    import gc, json, os, subprocess, sys
    import numpy as np, h5py
    from jxrecon import checkpoint, result
    from jxrecon.geometry import Geometry
    from jxrecon.parameters import Parameters, Positions, Probe

    folder, kind, honest = sys.argv[1], sys.argv[2], sys.argv[3] == "honest"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], check=True)
    path = os.path.join(folder, kind)
    if not honest:  # nothing reserved: the disk is full in the middle of HDF5's work
        checkpoint.stored_bytes = result.stored_bytes = lambda value: 0

    def unknowns(value):
        positions = Positions(np.ones((5, 2), "f4"), np.ones((5, 2), "f4"), np.zeros(4, "f4"))
        field = np.full((1, 500, 500), value, "c8")
        return Parameters(field, Probe(np.ones((1, 2, 64, 64), "c8")), positions, np.ones(5, "f4"))

    GEOMETRY = Geometry(1e-10, 2.0, (75e-6, 75e-6), (64, 64))

    def save(value):
        if kind == "checkpoint":
            checkpoint.save(path, {"a": np.full((4, 250_000), value), "n": value}, {"n": value})
        else:
            result.write(result.Result(unknowns(value), GEOMETRY), path)

    def load():
        if kind == "checkpoint":
            return checkpoint.load(path, {"a": np.zeros((4, 250_000)), "n": 0.0})[1]["n"]
        return float(result.load(path).parameters.object[0, 3, 4].real)

    def case(free):
        room = os.statvfs(folder)
        ballast = room.f_bavail * room.f_frsize - int(need * free / 100)
        with open(os.path.join(folder, "ballast"), "wb") as file:
            file.write(bytes(max(ballast, 0)))
        message = None
        try:
            save(2.0)
        except OSError as error:
            message = str(error)
        gc.collect()
        os.unlink(os.path.join(folder, "ballast"))
        with h5py.File(os.path.join(folder, "next.h5"), "w") as file:
            file.create_dataset("a", data=np.ones((9, 9)), chunks=(1, 9), fletcher32=True)
        os.unlink(os.path.join(folder, "next.h5"))
        left = [name for name in os.listdir(folder) if name.endswith(".jxtmp")]
        print(json.dumps({"free": free, "message": message, "loads": load(), "left": left}), flush=True)

    def forked(work, argument):
        if (child := os.fork()) == 0:
            work(argument)
            os._exit(0)
        return os.waitpid(child, 0)[1]

    assert forked(save, 1.0) == 0  # in a fork too: once JAX's backend has started, a fork of it may hang
    need = os.path.getsize(path) + (1 << 20)
    for free in json.loads(sys.argv[4]):
        if code := forked(case, free):
            print(json.dumps({"free": free, "died": code}), flush=True)
"""


@pytest.fixture(scope="module")
def own_mounts():
    """The command that gives a process mounts and children of its own, which go when it ends."""
    command = ["unshare", "--mount", "--pid", "--kill-child"] + ["--map-root-user"] * (os.geteuid() != 0)
    try:
        probe = subprocess.run(
            [*command, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, text=True, timeout=20
        )
    except FileNotFoundError:
        pytest.skip("a full disk is made with `unshare` and a tmpfs; `unshare` is not installed")
    if probe.returncode:
        pytest.skip(
            f"a full disk is made with a tmpfs, which may not be mounted here: {probe.stderr.strip()}"
        )
    return command


def cases(command, folder, kind, reservation, free):
    arguments = [str(folder), kind, reservation, json.dumps(free)]
    done = subprocess.run(
        [*command, sys.executable, "-c", textwrap.dedent(SCRIPT), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    "kind, reservation", [("checkpoint", "honest"), ("checkpoint", "none"), ("result", "honest")]
)
def test_full_disk(own_mounts, tmp_path, slow, kind, reservation):
    step = 5 if slow else {"checkpoint": 20, "result": 50}[kind]
    found = cases(own_mounts, tmp_path, kind, reservation, [*range(0, 100, step), 120])
    assert [case for case in found if "died" in case] == []
    *full, fits = found
    assert len(full) == 100 // step
    assert fits["message"] is None and fits["loads"] == 2
    for case in full:
        assert case["left"] == []
        if reservation == "honest" or case["message"]:
            assert (
                case["message"].startswith("[Errno 28] No space left on device (")
                and "\n" not in case["message"]
            )
            assert "MiB needed" in case["message"] and "MiB free" in case["message"]
            assert case["loads"] == 1
        else:
            assert case["loads"] == 2
    assert sum(case["message"] is not None for case in full) >= 0.5 * len(full)
