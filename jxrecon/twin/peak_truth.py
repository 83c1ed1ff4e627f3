"""Width, area and centre of noiseless peaks that are sums of many: the single pseudo-Voigt that comes closest to each.

    minimise  sum_x ( y(x) - A [ eta L(x - x0; w) + (1 - eta) G(x - x0; w) ] )^2

by Levenberg and Marquardt, all patterns at once, with derivatives by differences: an independent check of the package's own fits.
Every pattern is fitted over REACH times its width, where a measurement would see it.
"""

import dataclasses

import numpy as np
from jaxtyping import Float

REACH = 6.0
ITERATIONS, SMALLEST = 40, 1e-9
STEPS = np.array([1e-5, 1e-5, 1e-4])  # of centre and width in widths, and of eta
Unknowns = Float[np.ndarray, "pattern 3"]


@dataclasses.dataclass(frozen=True)
class PeakTruth:
    """area: in the patterns' unit times degrees; NaN where there is no peak."""

    area: Float[np.ndarray, " pattern"]
    centre_deg: Float[np.ndarray, " pattern"]
    fwhm_deg: Float[np.ndarray, " pattern"]
    eta: Float[np.ndarray, " pattern"]


def _unit(x: np.ndarray, unknown: Unknowns) -> np.ndarray:
    """Profiles of unit area."""
    centre, width, eta = (u[:, None] for u in unknown.T)
    t = ((x - centre) / width) ** 2
    lorentzian = 2 / np.pi / (1 + 4 * t)
    gaussian = 2 * np.sqrt(np.log(2) / np.pi) * np.exp(-4 * np.log(2) * t)
    return (eta * lorentzian + (1 - eta) * gaussian) / width


def _projected(x: np.ndarray, y: np.ndarray, weight: np.ndarray, unknown: Unknowns):
    """Profiles times their best areas, the areas, and the sums of squares that are left."""
    profile = _unit(x, unknown)
    area = np.sum(weight * profile * y, axis=1) / np.sum(weight * profile**2, axis=1)
    model = area[:, None] * profile
    return model, area, np.sum(weight * (y - model) ** 2, axis=1)


def _start(x: np.ndarray, y: np.ndarray) -> Unknowns:
    """Mean and width of the square, which does not jump from channel to channel as the highest does."""
    square = np.sum(y**2, axis=1)
    width = 0.45 * y.sum(axis=1) ** 2 * (x[1] - x[0]) / square
    return np.stack([y**2 @ x / square, width, np.full(len(y), 0.7)], axis=1)


def fitted_peaks(
    patterns: Float[np.ndarray, "pattern channel"], two_theta_deg: Float[np.ndarray, " channel"]
) -> PeakTruth:
    """One peak in each pattern, on nothing."""
    found = np.full((len(patterns), 4), np.nan)
    there = patterns.max(axis=1, initial=0) > 1e-6 * patterns.max(initial=1e-30)
    if there.any():
        y = patterns[there].astype(np.float64)
        scale = y.max(axis=1, keepdims=True)
        start = _start(two_theta_deg, y / scale)
        reach = REACH * start[:, 1].max()
        near = np.abs(two_theta_deg - start[:, 0].mean()) < np.ptp(start[:, 0]) + reach
        found[there] = _fitted(two_theta_deg[near], y[:, near] / scale, start) * np.concatenate(
            [scale, np.ones((len(y), 3))], axis=1
        )
    return PeakTruth(*found.T)


def _fitted(x: np.ndarray, y: np.ndarray, unknown: Unknowns) -> np.ndarray:
    damping = np.full(len(y), 1e-2)
    weight = (np.abs(x - unknown[:, :1]) < REACH * unknown[:, 1:2]).astype(float)
    model, area, cost = _projected(x, y, weight, unknown)
    for _ in range(ITERATIONS):
        trial = unknown + _step(x, y, weight, unknown, model, damping)
        trial[:, 1] = np.clip(trial[:, 1], 0.3 * unknown[:, 1], 3 * unknown[:, 1])
        trial[:, 2] = np.clip(trial[:, 2], -0.5, 1.5)
        new_model, new_area, new_cost = _projected(x, y, weight, trial)
        better = new_cost < cost
        damping = np.where(better, damping / 5, damping * 4)
        moved = np.abs(trial - unknown).max()
        unknown[better], model[better] = trial[better], new_model[better]
        area[better], cost[better] = new_area[better], new_cost[better]
        if moved < SMALLEST:
            break
    return np.column_stack([area, unknown])


def _step(x, y, weight, unknown: Unknowns, model, damping) -> Unknowns:
    """Of the unknowns; the area follows by itself (Kaufman's form of variable projection)."""
    slopes = []
    for k in range(3):
        change = np.zeros(unknown.shape)
        change[:, k] = STEPS[k] * (unknown[:, 1] if k < 2 else 1.0)
        slopes.append((_projected(x, y, weight, unknown + change)[0] - model) / change[:, k : k + 1])
    jacobian = np.stack(slopes, axis=-1) * np.sqrt(weight)[..., None]
    normal = np.einsum("pci,pcj->pij", jacobian, jacobian)
    normal += np.eye(3) * (damping[:, None] * np.einsum("pii->pi", normal) + 1e-12)[:, None]
    right = np.einsum("pci,pc->pi", jacobian, np.sqrt(weight) * (y - model))
    return np.linalg.solve(normal, right[..., None])[..., 0]
