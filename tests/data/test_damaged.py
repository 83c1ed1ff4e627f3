"""Damaged copies of every layout: no crash, no hang, and what is not read is refused in one line that names the file.

A batch of files is read by one process; if it dies or stands still, the file that it was at is named.
"""

import dataclasses
import json
import os
import random
import select
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from jxrecon.data.projection_frames import ArrayProjections
from jxrecon.data.projection_series import ProjectionSeries
from jxrecon.data.write import write_plain, write_tilt_series
from jxrecon.data.write_cxi import write_cxi, write_nxcxi
from jxrecon.data.write_projections import write_data_exchange, write_nxtomo
from jxrecon.geometry import Geometry
from jxrecon.measurement import ArrayFrames, single_view

ROOT = Path(__file__).parents[2]
SECONDS = 30  # for one file, on a loaded machine
READER = """
import json, resource, sys
import numpy as np
from jxrecon.data.access import Access
from jxrecon.data.auto import Auto, format_of
from jxrecon.data.describe_projections import READERS
from jxrecon.errors import InputError
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
print("ready", flush=True)
for line in sys.stdin:
    path = line.strip()
    try:
        if (kind := format_of(path, Access())) in READERS:
            series = READERS[kind](path).read()
            found = ["read", float(np.abs(series.line_integrals()).sum()), float(series.angle_deg.sum())]
        else:
            geometry, measurement = Auto(path).read()
            frames = measurement.frames.read(np.arange(measurement.scan_count))
            found = ["read", float(np.abs(frames).sum()), float(np.abs(measurement.positions_px).sum()), geometry.wavelength_m]
    except InputError as error:
        found = ["refused", str(error)]
    except Exception as error:
        found = ["traceback", f"{type(error).__name__}: {error}"]
    print(json.dumps(found), flush=True)
"""


class Worker:
    def __init__(self):
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "JAX_PLATFORMS": "cpu",
            "PYTHONWARNINGS": "ignore",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", READER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert self._line(120) == "ready\n"

    def _line(self, seconds):
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        return self.process.stdout.readline() if ready else None

    def read(self, path):
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        line = self._line(SECONDS)
        if line is None:
            return ["hang"]
        if not line:
            return ["crash", self.process.wait(10)]
        return json.loads(line)

    def close(self):
        self.process.kill()
        self.process.wait(10)
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def worker():
    worker = Worker()
    yield worker
    worker.close()


def _ptyd(path, geometry, measurement):
    with h5py.File(path, "w") as file:
        file["meta/distance"], file["meta/energy"] = geometry.distance_m, geometry.energy_keV
        file["meta/psize"] = list(geometry.detector_pixel_m)
        frames = measurement.frames.read(np.arange(measurement.scan_count))
        file.create_dataset("chunks/0/data", data=frames, chunks=(4, 16, 20), compression="gzip")
        file["chunks/0/positions"] = measurement.positions_px * geometry.pixel_size_m
        file["chunks/0/weights"] = np.ones(frames.shape)


def _series(path, geometry, measurement):
    view = np.repeat(np.arange(4), 3).astype(np.int32)
    numbers = {"view": view, "specimen": np.arange(4, dtype=np.int32), "optics": np.zeros(4, np.int32)}
    write_tilt_series(
        path, geometry, dataclasses.replace(measurement, **numbers, angle_deg=np.arange(4) * 45.0)
    )


def _projections(write):
    def writer(path, geometry, measurement):
        frames = measurement.frames.read(np.arange(12)).astype(np.uint16) + 1
        whole = ArrayProjections(np.full((1, 16, 20), 60000, np.uint16))
        write(
            path,
            ProjectionSeries(ArrayProjections(frames), np.arange(12) * 15.0, flats=whole, energy_keV=9.0),
        )

    return writer


LAYOUTS = {
    "h5": write_plain,
    "npz": write_plain,
    "cxi": write_cxi,
    "nxs": write_nxcxi,
    "ptyd": _ptyd,
    "series.h5": _series,
    "nx": _projections(write_nxtomo),
    "dx.h5": _projections(write_data_exchange),
}


def damage(contents: bytes, number: int, chance: random.Random) -> bytes:
    """One of four kinds: cut short; a few bits turned; bytes of the head set; a stretch overwritten."""
    data = bytearray(contents)
    kind = number % 4
    if kind == 0:
        return bytes(data[: chance.randrange(len(data))])
    if kind == 1:
        for _ in range(chance.choice((1, 4, 32))):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif kind == 2:
        for _ in range(chance.choice((1, 2))):
            data[chance.randrange(min(len(data), 6000))] = chance.choice((0, 255, 127, 128))
    else:
        start, length = chance.randrange(len(data)), chance.choice((8, 64, 512))
        data[start : start + length] = chance.randbytes(len(data[start : start + length]))
    return bytes(data)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_damaged_files_are_read_or_refused(tmp_path, known, worker, count, layout):
    geometry = Geometry(1e-10, 2.0, (75e-6, 75e-6), (16, 20))
    good = tmp_path / f"good.{layout}"
    LAYOUTS[layout](good, geometry, single_view(ArrayFrames(known.counts), known.positions_px))
    expected = worker.read(good)
    assert expected[0] == "read"
    chance, contents, tally = random.Random(layout), good.read_bytes(), {}
    for number in range(count(60)):
        path = tmp_path / f"damaged_{number}.{layout}"
        path.write_bytes(damage(contents, number, chance))
        start = time.monotonic()
        found = worker.read(path)
        assert found[0] in ("read", "refused"), f"{path}: {found} after {time.monotonic() - start:.1f} s"
        if found[0] == "refused":
            assert found[1].startswith(str(path)) and "\n" not in found[1], found
        tally[found[0]] = tally.get(found[0], 0) + 1
        path.unlink()
    assert tally.get("refused", 0) > 0, tally
