"""Simulated powder patterns for the comparison of peak fits, and what can be known from them at all. Needs NumPy alone.

Three reflections (003, 101, 104) of a layered oxide, space group R-3m, at 17.3 keV, on a linear background, in 560 channels:
pseudo-Voigt peaks of random area, width and mixing, places from a random hexagonal cell, Poisson noise.

    columns: area, centre, width (FWHM, degrees) and eta of each peak, then b0 and b1 of b0 + b1 (x - x0)

`least_errors` is the Cramér-Rao bound of a and c: the inverse of J^T diag(1/f) J at the truth, of all parameters together, for
centres that follow from the cell.
"""

from pathlib import Path

import numpy as np

WAVELENGTH_ANGSTROM = 12.398419843320026 / 17.3
HKL = np.array([(0, 0, 3), (1, 0, 1), (1, 0, 4)])
CELL = (2.85, 14.3)  # angstrom; the middle of what is drawn
WINDOWS_DEG = ((7.9, 9.4), (16.2, 17.7), (19.6, 21.1))  # where to look for each peak
LN2 = np.log(2)


def inverse_squares() -> np.ndarray:
    """(peak, 2): factors of 1/a^2 and 1/c^2 in 1/d^2."""
    h, k, l = HKL.T
    return np.stack([4 / 3 * (h * h + h * k + k * k), l * l], axis=1).astype(float)


def centres(a: np.ndarray, c: np.ndarray) -> np.ndarray:
    """2 theta (degrees) of the reflections, last axis."""
    spacing = np.stack([a, c], axis=-1) ** -2.0 @ inverse_squares().T
    return np.degrees(2 * np.arcsin(WAVELENGTH_ANGSTROM / 2 * np.sqrt(spacing)))


def cell_slopes(a: np.ndarray, c: np.ndarray) -> np.ndarray:
    """(..., peak, 2): d(2 theta) / d(a, c)."""
    half = np.radians(centres(a, c)) / 2
    lengths = np.stack([a, c], axis=-1)
    of_square = -2 * inverse_squares() / lengths[..., None, :] ** 3
    return np.degrees(WAVELENGTH_ANGSTROM**2 / (4 * np.sin(half) * np.cos(half)))[..., None] * of_square


def cells(places: np.ndarray) -> np.ndarray:
    """(..., 2): a and c from centres that were fitted one by one, by linear least squares in 1/d^2."""
    squares = (2 * np.sin(np.radians(places / 2)) / WAVELENGTH_ANGSTROM) ** 2
    return 1 / np.sqrt(squares @ np.linalg.pinv(inverse_squares()).T)


def profiles(x: np.ndarray, peaks: np.ndarray) -> tuple[np.ndarray, ...]:
    """Of peaks (..., 4): unit area, and derivatives with respect to centre, width, eta; channels last."""
    _, centre, width, eta = np.moveaxis(peaks, -1, 0)[..., None]
    t = (x - centre) / width
    shape = 1 / (1 + 4 * t * t)
    lorentz = 2 / np.pi / width * shape
    gauss = 2 * np.sqrt(LN2 / np.pi) / width * np.exp(-4 * LN2 * t * t)
    value = eta * lorentz + (1 - eta) * gauss
    fall = 8 * t * (eta * lorentz * shape + (1 - eta) * LN2 * gauss)
    return value, fall / width, (t * fall - value) / width, lorentz - gauss


def pattern(x: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Expected counts of parameters (..., 14)."""
    peaks = columns[..., :12].reshape(*columns.shape[:-1], 3, 4)
    value = np.sum(peaks[..., :1] * profiles(x, peaks)[0], axis=-2)
    return value + columns[..., 12:13] + columns[..., 13:14] * (x - x[0])


def jacobian(x: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(..., channel, 14)."""
    peaks = columns[..., :12].reshape(*columns.shape[:-1], 3, 4)
    value, *slopes = profiles(x, peaks)
    of_peaks = np.stack([value, *(peaks[..., :1] * slope for slope in slopes)], axis=-2)
    of_peaks = of_peaks.reshape(*columns.shape[:-1], 12, len(x))
    line = np.broadcast_to(np.stack([np.ones_like(x), x - x[0]]), (*columns.shape[:-1], 2, len(x)))
    return np.swapaxes(np.concatenate([of_peaks, line], axis=-2), -1, -2)


def coupled(slopes: np.ndarray, of_all: np.ndarray) -> np.ndarray:
    """Columns of a Jacobian for centres that follow from the cell: a, c, then the eleven that are not centres."""
    of_cell = of_all[..., [1, 5, 9]] @ slopes
    rest = [k for k in range(14) if k not in (1, 5, 9)]
    return np.concatenate([of_cell, of_all[..., rest]], axis=-1)


def draw(count: int, seed: int = 1) -> dict[str, np.ndarray]:
    """x (channel), y (pattern, channel), columns (pattern, 14), cell (pattern, 2)."""
    random = np.random.default_rng(seed)
    x = np.arange(7.5, 21.5, 0.025)
    a, c = random.uniform(2.83, 2.87, count), random.uniform(14.15, 14.45, count)
    width = random.uniform(0.12, 0.30, (count, 3))
    eta = random.uniform(0.2, 0.9, (count, 3))
    brightness = random.lognormal(0, 0.5, (count, 1))
    area = np.array([60, 25, 45.0]) * brightness * random.uniform(0.6, 1.4, (count, 3))
    line = np.stack([random.uniform(20, 50, count), random.uniform(-0.8, 0.0, count)], axis=1)
    peaks = np.stack([area, centres(a, c), width, eta], axis=-1)
    columns = np.concatenate([peaks.reshape(count, 12), line], axis=1)
    blocks = [columns[i : i + 1000] for i in range(0, count, 1000)]
    y = np.concatenate([random.poisson(pattern(x, block)).astype(np.float32) for block in blocks])
    return {"x": x, "y": y, "columns": columns, "cell": np.stack([a, c], axis=1)}


def write(path: Path, count: int) -> None:
    np.savez(path, **draw(count))  # pyright: ignore[reportArgumentType]


def least_errors(x: np.ndarray, columns: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """(pattern, 2): Cramér-Rao bound of the standard errors of a and c (angstrom)."""
    found = []
    for i in range(0, len(columns), 500):
        here = slice(i, i + 500)
        slopes = cell_slopes(*cell[here].T)
        j = coupled(slopes, jacobian(x, columns[here])) / np.sqrt(pattern(x, columns[here]))[..., None]
        information = np.swapaxes(j, -1, -2) @ j
        found.append(np.diagonal(np.linalg.inv(information), axis1=-2, axis2=-1)[:, :2])
    return np.sqrt(np.concatenate(found))


def chi_squares(x: np.ndarray, y: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(pattern,) sum of (y - f)^2 / max(y, 1)."""
    blocks = [slice(i, i + 1000) for i in range(0, len(y), 1000)]
    return np.concatenate(
        [np.sum((y[b] - pattern(x, columns[b])) ** 2 / np.maximum(y[b], 1), axis=1) for b in blocks]
    )
