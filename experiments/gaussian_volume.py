"""The volume on which ray transforms are timed: Gaussians inside a cylinder, with their line integrals by formula, NPZ.

    volume (z, y, x) float32, angle_rad (view,), exact (z, view, u): integrals along x cos + y sin = u, as wide as the volume

The Gaussians' widths grow with the volume (0.02 to 0.06 of its edge), so that the error of interpolation falls with its square.

python experiments/gaussian_volume.py FILE [--size 128] [--views 180] [--seed 0]
"""

import argparse
from pathlib import Path

import numpy as np

COUNT = 24


def write(path: Path, size: int, views: int, seed: int = 0) -> None:
    """Volume and integrals as above."""
    rng = np.random.default_rng(seed)
    axis = np.arange(size) - (size - 1) / 2
    angle = np.arange(views) * np.pi / views
    centres = rng.uniform(-0.30, 0.30, (3, COUNT)) * size
    widths, peaks = rng.uniform(0.02, 0.06, COUNT) * size, rng.uniform(0.3, 1.0, COUNT)
    volume = np.zeros((size, size, size), np.float32)
    exact = np.zeros((size, views, size), np.float32)
    for (x0, y0, z0), width, peak in zip(centres.T, widths, peaks):
        x, y, z = (np.exp(-((axis - c) ** 2) / (2 * width**2)) for c in (x0, y0, z0))
        middle = x0 * np.cos(angle) + y0 * np.sin(angle)
        rays = np.exp(-((axis - middle[:, None]) ** 2) / (2 * width**2)) * np.sqrt(2 * np.pi) * width
        along = (peak * z)[:, None, None]
        volume += (along * (y[:, None] * x)).astype(np.float32)
        exact += (along * rays).astype(np.float32)
    np.savez(path, volume=volume, angle_rad=angle, exact=exact)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--views", type=int, default=180)
    parser.add_argument("--seed", type=int, default=0)
    a = parser.parse_args()
    write(a.file, a.size, a.views, a.seed)


if __name__ == "__main__":
    main()
