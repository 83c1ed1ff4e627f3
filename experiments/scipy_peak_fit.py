"""Fits of powder patterns one by one with SciPy's Levenberg-Marquardt (MINPACK) and the analytic Jacobian; prints JSON.

Free centres (14 parameters), or centres that follow from a and c (13 parameters). Weights 1 / max(counts, 1).
"""

import numpy as np
import scipy
from powder_patterns import CELL, WINDOWS_DEG, cell_slopes, cells, centres, coupled, jacobian, pattern
from scipy.optimize import curve_fit
from timed_fit import arguments, report

REST = [k for k in range(14) if k not in (1, 5, 9)]


def guess(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Columns to start from: each peak where its window is fullest, its area above the ends of the window."""
    start = []
    for low, high in WINDOWS_DEG:
        inside = (x >= low) & (x <= high)
        here = y[inside]
        level = np.median(np.concatenate([here[:5], here[-5:]]))
        fullest = np.argmax(np.convolve(here, np.full(5, 0.2), "same"))
        start += [max(np.sum(here - level) * (x[1] - x[0]), 1.0), x[inside][fullest], 0.2, 0.5]
    return np.array([*start, np.median(y[:20]), 0.0])


def all_columns(p: np.ndarray) -> np.ndarray:
    """Fourteen columns of (a, c, eleven others)."""
    columns = np.empty(14)
    columns[REST] = p[2:]
    columns[[1, 5, 9]] = centres(p[0], p[1])
    return columns


def fit_one(x: np.ndarray, y: np.ndarray, lattice: bool) -> np.ndarray:
    """Columns of one pattern; not a number where SciPy gave up."""
    start, sigma = guess(x, y), np.sqrt(np.maximum(y, 1))
    if lattice:
        cell = np.clip(cells(start[[1, 5, 9]]), 0.95 * np.array(CELL), 1.05 * np.array(CELL))
        start = np.concatenate([cell, start[REST]])

    def value(_, *p):
        return pattern(x, all_columns(np.array(p)) if lattice else np.array(p))

    def slope(_, *p):
        p = np.array(p)
        return coupled(cell_slopes(p[0], p[1]), jacobian(x, all_columns(p))) if lattice else jacobian(x, p)

    try:
        found = curve_fit(value, x, y, start, sigma=sigma, jac=slope, method="lm", maxfev=400)[0]
    except RuntimeError:
        return np.full(14, np.nan)
    return all_columns(found) if lattice else found


def main() -> None:
    a = arguments()

    def fit(x, y):
        columns = np.array([fit_one(x, one.astype(float), a.mode == "lattice") for one in y])
        return columns, cells(columns[:, [1, 5, 9]])

    report(a, fit, program="SciPy", version=scipy.__version__)


if __name__ == "__main__":
    with np.errstate(all="ignore"):
        main()
