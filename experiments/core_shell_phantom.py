"""A slice of three core-shell particles in a capillary, and its sinogram of powder patterns: truth and data of a comparison.

17.3 keV, rays 0.5 um apart, channels of 0.05 degrees. Radial maps of a, c, widths and areas of (003), (101), (104), a crack
through the largest particle, air around them, and a smooth background of particles and of a glass ring. Pseudo-Voigts of
mixing 1/2.

Everything is made on voxels three times finer, and their projections are exact areas: a square voxel meets a pixel with the
integral of its trapezoid. No reconstruction here uses such a projector. The truth of a voxel is the mean of its nine, of cell
and widths weighted with intensity.
"""

import dataclasses

import numpy as np
import scipy.sparse
from jaxtyping import Bool, Float

FINER = 3
ENERGY_KEV, STEP_DEG = 17.3, 0.05
WAVELENGTH_M = 12.398419843320026e-10 / ENERGY_KEV
HKL = np.array([(0, 0, 3), (1, 0, 1), (1, 0, 4)])
BRIGHTEST = 250.0  # counts, at dose 1
# centre x, y and radius in voxels of a grid of 64; what a and c are larger by, angstrom
PARTICLES = ((-7, 3, 15, 0.0, 0.0), (15, -11, 7.5, 0.006, 0.06), (10, 14, 5.5, -0.004, 0.12))
SOLID = 0.3  # of the largest total area: voxels that are scored


@dataclasses.dataclass(frozen=True)
class Phantom:
    """Maps y x (peaks first), areas in counts x degree; counts view u channel."""

    counts: Float[np.ndarray, "view u channel"]
    angle: Float[np.ndarray, " view"]
    two_theta_deg: Float[np.ndarray, " channel"]
    a: Float[np.ndarray, "y x"]
    c: Float[np.ndarray, "y x"]
    area: Float[np.ndarray, "peak y x"]
    fwhm_deg: Float[np.ndarray, "peak y x"]
    mask: Bool[np.ndarray, "y x"]


def _maps(size: int):
    fine = (np.arange(size * FINER) - (size * FINER - 1) / 2) / FINER
    x, y = np.meshgrid(fine, fine)
    scale = size / 64
    a, c, inside = np.zeros_like(x), np.zeros_like(x), np.zeros(x.shape, bool)
    area, width = np.zeros((3, *x.shape)), np.full((3, *x.shape), 0.2)
    for x0, y0, radius, more_a, more_c in PARTICLES:
        dx, dy = x - x0 * scale, y - y0 * scale
        r, turn = np.hypot(dx, dy) / (radius * scale), np.arctan2(dy, dx)
        here = r < 1
        core = 1 - r**2
        shells = (
            0.35 + 0.65 / (1 + np.exp(20 * (0.8 - r))),
            0.6 * (0.4 + 0.6 * np.exp(-((r / 0.35) ** 2))),
            0.8 * (0.4 + 0.6 * np.exp(-(((r - 0.6) / 0.2) ** 2))),
        )
        widths = (0.16 + 0.14 * (1 - r), 0.15 + 0.04 * (1 - r), 0.17 + 0.07 * (1 - r))
        a[here] = (2.850 + more_a + 0.012 * core + 0.002 * np.cos(3 * turn))[here]
        c[here] = (14.24 + more_c + 0.15 * core + 0.02 * np.sin(2 * turn))[here]
        for k in range(3):
            area[k][here], width[k][here] = shells[k][here], widths[k][here]
        inside |= here
    along = x + 7 * scale
    crack = (np.abs(y - 3 * scale - 0.25 * along) < 0.8) & (along > -9 * scale) & (along < 11 * scale)
    area[:, crack & inside] *= 0.05
    ring = np.abs(np.hypot(x, y) - 29 * scale) < 1.2
    return x, y, a, c, area, width, inside, 0.012 * inside + 0.05 * ring


def peaks(two_theta, a, c, area, width, hkl=HKL) -> Float[np.ndarray, "voxel channel"]:
    """Counts per degree; `area` and `width` (peak, voxel)."""
    h, k, l = hkl.T
    pattern = np.zeros((a.size, two_theta.size), a.dtype)
    for i in range(len(hkl)):
        inverse = np.sqrt(4 / 3 * (h[i] ** 2 + h[i] * k[i] + k[i] ** 2) / a**2 + l[i] ** 2 / c**2)
        centre = np.degrees(2 * np.arcsin(1e10 * WAVELENGTH_M * inverse / 2))
        u = ((two_theta - centre[:, None]) / width[i][:, None]).astype(a.dtype)
        lorentz = 2 / np.pi / (1 + 4 * u**2)
        gauss = 2 * np.sqrt(np.log(2) / np.pi) * np.exp(-4 * np.log(2) * u**2)
        pattern += (area[i] / width[i])[:, None] * (lorentz + gauss) / 2
    return pattern


def _below(u, long: float, short: float):
    """Integral up to u of a trapezoid of area 1, the convolution of boxes of two widths."""
    outer, inner = (long + short) / 2, (long - short) / 2
    v = np.minimum(np.abs(u), outer)
    slope = np.maximum(v - inner, 0)
    half = (v - slope**2 / (2 * max(short, 1e-12))) / long
    return 0.5 + np.sign(u) * half


def projected(place, values, width: int, angle: float, finer: int = FINER) -> Float[np.ndarray, "u channel"]:
    """Strip integrals; `place`: (x, y) of voxels of edge 1/finer, in pixels."""
    sides = sorted((abs(np.cos(angle)) / finer, abs(np.sin(angle)) / finer))
    u = place[0] * np.cos(angle) + place[1] * np.sin(angle) + (width - 1) / 2
    first = np.floor(u).astype(int) - 1
    rows, columns, shares = [], [], []
    for pixel in (first, first + 1, first + 2, first + 3):
        low, high = pixel - 0.5 - u, pixel + 0.5 - u
        share = (_below(high, sides[1], sides[0]) - _below(low, sides[1], sides[0])) / finer**2
        good = (pixel >= 0) & (pixel < width)
        rows.append(pixel[good])
        columns.append(np.flatnonzero(good))
        shares.append(share[good])
    where = np.concatenate(rows), np.concatenate(columns)
    return scipy.sparse.csr_matrix((np.concatenate(shares), where), (width, u.size)) @ values


def phantom(size: int = 64, views: int = 180, dose: float = 1.0, seed: int = 0) -> Phantom:
    """Poisson counts of one seed, and the truth in the same unit."""
    two_theta = np.arange(7.8, 21.3, STEP_DEG)
    x, y, a, c, area, width, inside, background = _maps(size)
    solid, lit = area.sum(axis=0) > 0, background > 0
    patterns = peaks(two_theta, a[solid], c[solid], area[:, solid], width[:, solid]).astype(np.float32)
    hump = np.exp(-(((two_theta - 10.5) / 4.5) ** 2)) + 0.3
    angle = np.arange(views) * np.pi / views
    expected = np.stack(
        [
            projected((x[solid], y[solid]), patterns, size, t)
            + projected((x[lit], y[lit]), background[lit][:, None], size, t) * hump
            for t in angle
        ]
    )
    scale = dose * BRIGHTEST / expected.max()
    counts = np.random.default_rng(seed).poisson(expected * scale).astype(np.float32)

    def blocks(values):
        shape = (*values.shape[:-2], size, FINER, size, FINER)
        return np.moveaxis(values.reshape(shape), -3, -2).reshape(*shape[:-4], size, size, FINER**2)

    def weighted(values, weight):
        weight = blocks(weight)
        return (blocks(values) * weight).sum(axis=-1) / np.maximum(weight.sum(axis=-1), 1e-12)

    total = area.sum(axis=0)
    mean = blocks(area).mean(axis=-1) * scale
    mask = blocks(inside).all(axis=-1) & (mean.sum(axis=0) > SOLID * mean.sum(axis=0).max())
    cell = weighted(a, total), weighted(c, total)
    return Phantom(counts, angle, two_theta, *cell, mean, weighted(width, area), mask)
