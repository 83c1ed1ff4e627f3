"""A tilt series whose every number is known: balls in a ball, whose line integrals are chords.

A ball of radius R and density n at (z, y, x) has the line integral 2 n sqrt(R^2 - rho^2), rho being the distance from its
projected centre v = z, u = x cos + y sin. Pixels are means of 2 x 2 finer samples: no projector of the package takes part.
"""

import dataclasses

import numpy as np


def balls(size: int, seed: int = 0, holes: int = 14) -> np.ndarray:
    """(ball, 5): z, y, x, radius in pixels from the middle, density. One large ball of density 1 with holes and inclusions."""
    rng = np.random.default_rng(seed)
    radius = 0.33 * size
    inside = rng.normal(size=(holes, 3))
    inside *= (0.75 * radius * rng.uniform(0.2, 1, holes) ** (1 / 3) / np.linalg.norm(inside, axis=1))[
        :, None
    ]
    small = np.column_stack([inside, radius * rng.uniform(0.07, 0.2, holes), rng.choice([-0.6, 0.5], holes)])
    bump = [0.5 * radius, -0.6 * radius, 0.75 * radius, 0.3 * radius, 0.4]
    return np.vstack([[0.02 * size, 0.03 * size, -0.02 * size, radius, 1.0], bump, small])


def line_integrals(
    objects: np.ndarray, angle: np.ndarray, size: int, shift: np.ndarray, fine: int = 2
) -> np.ndarray:
    """(view, v, u) in density x pixel; shift (view, 2) moves the content to larger v, u."""
    sample = (np.arange(size * fine) + 0.5) / fine - size / 2
    views = []
    for theta, (dv, du) in zip(angle, shift):
        image = np.zeros((size * fine,) * 2)
        for z, y, x, radius, density in objects:
            v, u = z + dv, x * np.cos(theta) + y * np.sin(theta) + du
            rho2 = (sample[:, None] - v) ** 2 + (sample - u) ** 2
            image += 2 * density * np.sqrt(np.maximum(radius**2 - rho2, 0))
        views.append(image.reshape(size, fine, size, fine).mean((1, 3)))
    return np.array(views)


def density(objects: np.ndarray, size: int, fine: int = 2) -> np.ndarray:
    """The volume (z, y, x), each voxel the mean of `fine`^3 samples."""
    sample = (np.arange(size * fine) + 0.5) / fine - size / 2
    volume = np.zeros((size * fine,) * 3, np.float32)
    for z, y, x, radius, value in objects:
        r2 = (sample[:, None, None] - z) ** 2 + (sample[:, None] - y) ** 2 + (sample - x) ** 2
        volume += np.where(r2 < radius**2, np.float32(value), 0)
    return volume.reshape(size, fine, size, fine, size, fine).mean((1, 3, 5))


@dataclasses.dataclass(frozen=True)
class Series:
    """Complex projections with every nuisance, and the truth.

    path (view, v, u): line integrals at the true shifts; in air the transmission is scale exp(i slope.(r - middle)) of its view.
    """

    transmission: np.ndarray
    weight: np.ndarray
    angle: np.ndarray
    shift: np.ndarray
    path: np.ndarray
    objects: np.ndarray
    phase_per_density: float
    scale: np.ndarray
    slope: np.ndarray


def series(
    size: int = 64,
    views: int = 60,
    *,
    shift_px: float = 3.0,
    axis_px: float = 0.0,
    noise: float = 0.0,
    ramp: float = 0.05,
    phase: float = 8.0,
    margin: int = 2,
    seed: int = 0,
    objects: np.ndarray | None = None,
) -> Series:
    """Projections over 180 degrees; `phase` rad through the large ball, absorbing as NMC at 7 keV (delta / beta = 18.3).

    `shift_px` rms of the shifts, besides `axis_px` that all views share along u.
    """
    rng = np.random.default_rng([seed, views])
    objects = balls(size, seed) if objects is None else objects
    angle = np.arange(views) * np.pi / views
    shift = shift_px * rng.standard_normal((views, 2)) + [0, axis_px]
    path = line_integrals(objects, angle, size, shift)
    rate = phase / (2 * objects[0, 3])
    slope = ramp * rng.standard_normal((views, 2))
    scale = rng.uniform(0.5, 2, views) * np.exp(1j * rng.uniform(-np.pi, np.pi, views))
    wave, lit = measured(np.exp((-1j - 1 / 18.3) * rate * path), scale, slope, noise, margin, rng)
    return Series(wave, lit.astype(float), angle, shift, path, objects, rate, scale, slope)


def measured(true: np.ndarray, scale, slope, noise: float, margin: int, rng) -> tuple[np.ndarray, np.ndarray]:
    """What ptychography makes of true transmissions (view, v, u), with garbage where nothing shone; and what was lit (v, u)."""
    v, u = (np.arange(n) - (n - 1) / 2 for n in true.shape[1:])
    dirt = rng.standard_normal((2, *true.shape))
    plane = scale[:, None, None] * np.exp(1j * (slope[:, :1, None] * v[:, None] + slope[:, 1:, None] * u))
    wave = plane * (true + noise * (dirt[0] + 1j * dirt[1]))
    half = [len(at) / 2 - margin for at in (v, u)]
    lit = (np.abs(v)[:, None] / half[0]) ** 8 + (np.abs(u) / half[1]) ** 8 < 1
    return np.where(lit, wave, dirt[0] - 1j * dirt[1]), lit
