"""A small scan whose every number is known, and files that hold it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


class Known:
    """12 frames of 16 x 20 counts and the positions (y, x) of the probe over the specimen, in metres."""

    wavelength_m, distance_m, pitch_m = 1.0e-10, 2.0, 75e-6

    def __init__(self):
        rng = np.random.default_rng(7)
        v, u = np.indices((16, 20))
        beam = 300 * np.exp(-((v - 8) ** 2 + (u - 10) ** 2) / 12)
        self.counts = rng.poisson(beam + 0.2, (12, 16, 20)).astype(np.uint16)
        self.positions_m = rng.uniform(-1e-6, 1e-6, (12, 2))
        self.pixel_m = self.wavelength_m * self.distance_m / (np.array([16, 20]) * self.pitch_m)
        self.positions_px = self.centred(self.positions_m) / self.pixel_m
        self.probe = (rng.normal(size=(2, 16, 20)) + 1j * rng.normal(size=(2, 16, 20))).astype(np.complex64)
        self.probe *= np.sqrt(self.counts.sum() / 12 / np.sum(np.abs(self.probe) ** 2))

    @staticmethod
    def centred(positions: np.ndarray) -> np.ndarray:
        return positions - (positions.max(0) + positions.min(0)) / 2

    def scalars(self) -> dict:
        return {
            "wavelength_m": self.wavelength_m,
            "distance_m": self.distance_m,
            "detector_pixel_m": self.pitch_m,
        }


@pytest.fixture
def known() -> Known:
    return Known()


@pytest.fixture
def plain_file(tmp_path, known) -> Callable[..., Path]:
    """`plain_file(name=value, ...)` writes the known scan in the plain layout, with these in the place of its own (None: left
    out)."""

    def write(**changes) -> Path:
        name = f"plain_{len(list(tmp_path.iterdir()))}.h5"  # readers keep their files open
        arrays = {"intensity": known.counts, "positions_px": known.positions_px, **known.scalars(), **changes}
        with h5py.File(tmp_path / name, "w") as file:
            for key, value in arrays.items():
                if value is not None:
                    file[key] = value
        return tmp_path / name

    return write


@pytest.fixture
def python() -> Callable[..., subprocess.CompletedProcess]:
    """Runs a script in a process of its own, with the package on its path."""

    def run(script: str, *arguments, timeout: float = 120, **variables: str) -> subprocess.CompletedProcess:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"} | variables
        command = [sys.executable, "-c", script, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment)

    return run
