"""A simulated scan from an independent numpy model, and how well an object was found."""

import dataclasses
import functools

import jax.numpy as jnp
import numpy as np
import problems
import pytest

from jxrecon.analysis.registration import compare
from jxrecon.classical.engine import Scan
from jxrecon.forward.ptychography import split_position

SIZE, STEP = 32, 4.0


def fourier_shifted(field: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Moved by `shift` pixels (y, x)."""
    fy, fx = (np.fft.fftfreq(n) for n in field.shape)
    return np.fft.ifft2(np.fft.fft2(field) * np.exp(-2j * np.pi * (shift[0] * fy[:, None] + shift[1] * fx)))


def spiral(count: int, step: float) -> np.ndarray:
    """Fermat spiral, (scan, 2), centred."""
    radius = step / np.sqrt(np.pi) * np.sqrt(np.arange(count) + 0.5)
    angle = np.arange(count) * np.pi * (3 - np.sqrt(5))
    positions = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
    return positions - (positions.max(axis=0) + positions.min(axis=0)) / 2


@dataclasses.dataclass(frozen=True)
class Simulated:
    """Truth and noise-free or noisy frames; `start` is a probe with 30 % less curvature and the right power."""

    scan: Scan
    object: np.ndarray
    probe: np.ndarray
    start: np.ndarray
    positions: np.ndarray

    def phase_error(self, found) -> float:
        """RMS over the scanned disc, in radians, without translation, constant and ramp."""
        y, x = (np.arange(n) - n // 2 for n in self.object.shape)
        disc = np.hypot(y[:, None], x) < np.hypot(*self.positions.T).max()
        return compare(np.asarray(found), self.object, disc)["phase_rmse_rad"]


@functools.cache
def simulate(
    photons: float = 1e6, modes: int = 1, noise: bool = True, count: int = 49, dtype=np.float32
) -> Simulated:
    """Far field, sub-pixel positions, a phase object of 0.5 rad rms under a defocused Gaussian beam."""
    rng = np.random.default_rng(5)
    positions = spiral(count, STEP)
    extent = np.ceil(np.ptp(positions, axis=0)).astype(int).tolist()
    shape = (extent[0] + extent[0] % 2 + SIZE + 16, extent[1] + extent[1] % 2 + SIZE + 16)
    specimen = np.exp((-0.05 - 0.5j) * problems.smooth(rng, shape, 2.0))
    probe = problems.probe(SIZE, modes, photons)
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE // 2
    start = probe * np.exp(-0.15j * (y**2 + x**2) / (SIZE / 6) ** 2)
    frames = np.empty((count, SIZE, SIZE))
    for j, position in enumerate(positions):
        corner = np.round(position).astype(int) + np.array(shape) // 2 - SIZE // 2
        window = specimen[corner[0] : corner[0] + SIZE, corner[1] : corner[1] + SIZE]
        waves = [fourier_shifted(p, position - np.round(position)) * window for p in probe]
        frames[j] = (np.abs(np.fft.fft2(waves, norm="ortho")) ** 2).sum(axis=0)
    frames = rng.poisson(frames) if noise else frames
    corners, fractions = split_position(jnp.asarray(positions, dtype), shape, (SIZE, SIZE))
    level = jnp.full(count, frames.mean(), dtype)
    scan = Scan(jnp.asarray(frames, dtype), corners, fractions, level)
    return Simulated(scan, specimen, probe, start, positions)


@pytest.fixture(scope="session")
def simulated():
    """The function `simulate`."""
    return simulate
