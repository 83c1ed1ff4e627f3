"""A volume of core-shell particles in a capillary and its sinograms of powder patterns, slice by slice into an HDF5 file.

As `core_shell_phantom.py`, in three dimensions and with all ten reflections of Li-rich NMC: spheres with radial maps of a, c,
widths and areas, on voxels that are twice as fine along all three axes, projected by exact areas; a slice is the mean of its two.
The truth of a voxel is the mean of its eight, of cell and widths weighted with intensity.

    counts      view v u channel, Poisson, one chunk per slice; angle_rad, two_theta_deg
    truth/...   a, c, fwhm_deg, area (peaks first), y x z; mask, voxels that are scored
"""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from core_shell_phantom import BRIGHTEST, SOLID, STEP_DEG, peaks, projected
from jaxtyping import Float

from jxrecon.forward.reflections import NMC_HKL

FINER = 2
FIRST_DEG = 7.8
# centre x, y, z and radius in voxels of a grid of 40; what a and c are larger by, angstrom
PARTICLES = (
    (-3, 2, -3, 12.5, 0.0, 0.0),
    (10, -7, 3, 6.0, 0.006, 0.06),
    (4, 9, 12, 5.5, -0.004, 0.12),
    (-9, -9, 13, 5.0, 0.003, -0.03),
)
# Of each reflection: area beside that of (003), width in degrees, and which of three shells it has.
AREA = (1.0, 0.6, 0.25, 0.3, 0.8, 0.3, 0.3, 0.35, 0.4, 0.3)
WIDTH_DEG = (0.16, 0.15, 0.16, 0.16, 0.17, 0.18, 0.19, 0.2, 0.2, 0.21)
SHELL = (0, 1, 0, 1, 2, 2, 1, 2, 1, 2)
WIDER_DEG = (0.14, 0.04, 0.07)  # in the middle, by shell
RING, RING_WIDTH = 18.0, 1.2  # the capillary, of a grid of 40


def _slice_maps(size: int, height: float):
    """x, y of fine voxels, and a, c, area, width (peak, y, x), inside, background at this height."""
    fine = (np.arange(size * FINER) - (size * FINER - 1) / 2) / FINER
    x, y = np.meshgrid(fine, fine)
    scale = size / 40
    a, c, inside = np.zeros_like(x), np.zeros_like(x), np.zeros(x.shape, bool)
    area, width = np.zeros((len(AREA), *x.shape)), np.full((len(AREA), *x.shape), 0.2)
    for x0, y0, z0, radius, more_a, more_c in PARTICLES:
        dx, dy, dz = x - x0 * scale, y - y0 * scale, height - z0 * scale
        r = np.sqrt(dx**2 + dy**2 + dz**2) / (radius * scale)
        here = r < 1
        turn, core = np.arctan2(dy, dx), 1 - r**2
        shells = (
            0.35 + 0.65 / (1 + np.exp(np.minimum(20 * (0.8 - r), 50))),
            0.4 + 0.6 * np.exp(-((r / 0.35) ** 2)),
            0.4 + 0.6 * np.exp(-(((r - 0.6) / 0.2) ** 2)),
        )
        # Waves along the equator would meet at the poles.
        wave = np.hypot(dx, dy) / (radius * scale)
        a[here] = (2.850 + more_a + 0.012 * core + 0.002 * wave * np.cos(3 * turn))[here]
        c[here] = (14.24 + more_c + 0.15 * core + 0.02 * wave * np.sin(2 * turn))[here]
        for k, shell in enumerate(SHELL):
            area[k][here] = (AREA[k] * shells[shell])[here]
            width[k][here] = (WIDTH_DEG[k] + WIDER_DEG[shell] * (1 - r))[here]
        inside |= here
    ring = np.abs(np.hypot(x, y) - RING * scale) < RING_WIDTH / 2
    return x, y, a, c, area, width, inside, 0.012 * inside + 0.05 * ring


def _expected(maps, two_theta, angle, size: int) -> Float[np.ndarray, "view u channel"]:
    """Of one fine layer."""
    x, y, a, c, area, width, inside, background = maps
    one = np.float32
    cell = a[inside].astype(one), c[inside].astype(one)
    patterns = peaks(two_theta, cell[0], cell[1], area[:, inside], width[:, inside], NMC_HKL)
    hump, lit = np.exp(-(((two_theta - 10.5) / 4.5) ** 2)) + 0.3, background > 0
    return np.stack(
        [
            projected((x[inside], y[inside]), patterns.astype(one), size, t, FINER)
            + projected((x[lit], y[lit]), background[lit][:, None], size, t, FINER) * hump
            for t in angle
        ]
    )


def _means(values, weight, size: int):
    """Over the voxels of (layer, ..., y, x), with weights of the same shape or none."""

    def blocks(v):
        v = v.reshape(*v.shape[:-2], size, FINER, size, FINER)
        return v.sum(axis=(0, -3, -1))

    if weight is None:
        return blocks(values) / FINER**3
    return blocks(values * weight) / np.maximum(blocks(weight), 1e-12)


def _truth(layers, size: int) -> dict[str, np.ndarray]:
    a, c, area, width, inside = (np.stack([layer[k] for layer in layers]) for k in (2, 3, 4, 5, 6))
    total = area.sum(axis=1)
    mean = _means(area, None, size)
    return {
        "a": _means(a, total, size),
        "c": _means(c, total, size),
        "area": mean,
        "fwhm_deg": _means(width, area, size),
        "mask": _means(inside * 1.0, None, size) > 0.999,
    }


def write(path: Path, size: int, slices: int, views: int, channels: int, seed: int = 0) -> None:
    """Slices about the middle of the volume; the brightest ray of the middle one has as many counts as in the other phantom."""
    two_theta = FIRST_DEG + STEP_DEG * np.arange(channels)
    angle = np.arange(views) * np.pi / views
    heights = np.arange(slices) - (slices - 1) / 2
    rng, scale = np.random.default_rng(seed), None
    truth: list[dict[str, np.ndarray]] = []
    with h5py.File(path, "w") as opened:
        file: Any = opened
        file["angle_rad"], file["two_theta_deg"] = angle, two_theta
        shape = (views, slices, size, channels)
        data = file.create_dataset("counts", shape, "u2", chunks=(views, 1, size, channels))
        for k in np.argsort(np.abs(heights), kind="stable"):
            layers = [
                _slice_maps(size, float(heights[k]) + (i - (FINER - 1) / 2) / FINER) for i in range(FINER)
            ]
            expected = sum(_expected(layer, two_theta, angle, size) for layer in layers) / FINER
            scale = scale or BRIGHTEST / expected.max()
            data[:, k] = rng.poisson(expected * scale)
            truth.append({"slice": np.array(k), **_truth(layers, size)})
        file.attrs["scale"] = scale
        truth.sort(key=lambda part: int(part["slice"]))
        for name in ("a", "c", "area", "fwhm_deg", "mask"):
            values = np.stack([part[name] for part in truth], axis=-1)
            file[f"truth/{name}"] = values * scale if name == "area" else values
        total = file["truth/area"][()].sum(axis=0)
        file["truth/mask"][...] &= total > SOLID * total.max()
