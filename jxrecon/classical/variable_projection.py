"""Least squares where part of the unknowns enter linearly: they are solved for at every step, the rest moves by Gauss-Newton.

    minimise |r|^2,    r = (y - A(p) c) / sigma,    c = argmin |r|  for given p,   some c_k >= 0

With W A = Q R, the Jacobian of what is left once c follows p is, in Kaufman's approximation, (1 - Q Q^T) d(A c)/dp / sigma. Its
normal matrix is also the Schur complement of that of all unknowns together, so that its inverse holds the covariances of p, the
linear unknowns being free. Float64, one problem, a few hundred unknowns; NumPy's linear algebra.

Golub & Pereyra, SIAM J. Numer. Anal. 10, 413 (1973), doi 10.1137/0710036; Kaufman, BIT 15, 49 (1975), doi 10.1007/BF01932995.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
import scipy.optimize
from jaxtyping import Bool, Float

Vector = Float[np.ndarray, " free"]
FIRST_DAMPING, MOST_DAMPING, LEAST_DAMPING = 1e-2, 1e10, 1e-9


@dataclasses.dataclass(frozen=True)
class Linear:
    """The linear unknowns at one point: values, residuals over sigma, an orthonormal basis of what they can describe."""

    coefficients: Float[np.ndarray, " column"]
    residual: Float[np.ndarray, " channel"]
    basis: Float[np.ndarray, "channel rank"]
    inverse: Float[np.ndarray, "rank rank"]
    kept: Bool[np.ndarray, " column"]

    @property
    def cost(self) -> float:
        return float(self.residual @ self.residual)


@dataclasses.dataclass(frozen=True)
class Projected:
    """A fit. Covariances are for sigma as given: chi^2 does not enter."""

    parameters: Vector
    covariance: Float[np.ndarray, "free free"]
    coefficients: Float[np.ndarray, " column"]
    coefficient_errors: Float[np.ndarray, " column"]
    residual: Float[np.ndarray, " channel"]
    unknowns: int
    steps: int
    converged: bool

    @property
    def cost(self) -> float:
        return float(self.residual @ self.residual)

    @property
    def errors(self) -> Vector:
        return np.sqrt(np.diag(self.covariance))


def solve_linear(
    design: Float[np.ndarray, "channel column"],
    measured: Float[np.ndarray, " channel"],
    positive: Bool[np.ndarray, " column"],
) -> Linear:
    """c for a design and a measurement that are both over sigma already; columns that have nothing to say get zero."""
    norm = np.linalg.norm(design, axis=0)
    kept = norm > 0
    scaled = design / np.where(kept, norm, 1)
    values = np.zeros(design.shape[1])
    while True:
        factors: Any = scipy.linalg.qr(scaled[:, kept], mode="economic", pivoting=True)
        q, r, order = factors
        sizes = np.abs(np.diag(r))
        alive = np.flatnonzero(kept)[order]
        rank = int(np.count_nonzero(sizes > 1e-10 * sizes[0]))
        if rank < len(alive):  # columns that others explain
            kept[alive[rank:]] = False
            continue
        solution = scipy.linalg.solve_triangular(r, q.T @ measured)
        if np.all((solution >= 0) | ~positive[alive]):
            break
        lower = np.where(positive[alive], 0, -np.inf)
        bounded = scipy.optimize.lsq_linear(r, q.T @ measured, (lower, np.inf), method="bvls")
        held = positive[alive] & (bounded.x <= 1e-12 * np.abs(bounded.x).max())
        if not held.any():
            solution = bounded.x
            break
        kept[alive[held]] = False
    values[alive] = solution
    residual = measured - scaled @ values
    return Linear(
        values / np.where(norm > 0, norm, 1), residual, q, _unscaled(r, norm[alive], np.argsort(alive)), kept
    )


def _unscaled(r: np.ndarray, norm: np.ndarray, order: np.ndarray) -> np.ndarray:
    """R^-1 with rows of the columns' own scale, in ascending order of the columns."""
    return (scipy.linalg.solve_triangular(r, np.eye(len(r))) / norm[:, None])[order]


def variable_projection(
    design: Callable[[Vector], Float[np.ndarray, "channel column"]],
    slopes: Callable[[Vector, Float[np.ndarray, " column"]], Float[np.ndarray, "channel free"]],
    start: Vector,
    measured: Float[np.ndarray, " channel"],
    sigma: Float[np.ndarray, " channel"],
    positive: Bool[np.ndarray, " column"],
    *,
    lower: Vector | None = None,
    upper: Vector | None = None,
    steps: int = 100,
    tolerance: float = 1e-9,
) -> Projected:
    """The fit. slopes(p, c): d(A c)/dp; tolerance: relative decrease of the cost at which it ends."""
    low = np.full(len(start), -np.inf) if lower is None else lower
    high = np.full(len(start), np.inf) if upper is None else upper
    p, damping, count, converged = np.clip(start, low, high), FIRST_DAMPING, 0, False
    scaled = measured / sigma

    def at(point: Vector) -> Linear:
        return solve_linear(design(point) / sigma[:, None], scaled, positive)

    here, size = at(p), np.zeros(len(start))
    while count < steps and not converged and damping < MOST_DAMPING:
        count += 1
        jacobian = _projected(slopes(p, here.coefficients) / sigma[:, None], here)
        gradient = jacobian.T @ here.residual
        # The largest yet, after Moré: what has lost its influence on the way does not run off.
        size = np.maximum(size, np.linalg.norm(jacobian, axis=0))
        free = ~(((p <= low) & (gradient <= 0)) | ((p >= high) & (gradient >= 0)))
        while damping < MOST_DAMPING:
            trial = np.clip(p + _step(jacobian, gradient, size, free, damping), low, high)
            new = at(trial)
            if np.isfinite(new.cost) and new.cost <= here.cost:
                break
            damping *= 4
        else:
            converged = count > 1  # no step lowers the cost any more
            break
        converged = here.cost - new.cost <= tolerance * here.cost
        p, here, damping = trial, new, max(damping / 5, LEAST_DAMPING)
    inside = (p > low) & (p < high)
    return _finished(p, here, slopes(p, here.coefficients) / sigma[:, None], inside, count, converged)


def _projected(jacobian: np.ndarray, here: Linear) -> np.ndarray:
    return jacobian - here.basis @ (here.basis.T @ jacobian)


def _step(jacobian, gradient, size, free, damping) -> np.ndarray:
    step = np.zeros(len(gradient))
    free = free & (size > 0)
    scaled = jacobian[:, free] / size[free]
    curvature = scaled.T @ scaled + damping * np.eye(scaled.shape[1])
    step[free] = np.linalg.lstsq(curvature, gradient[free] / size[free], rcond=1e-13)[0] / size[free]
    return step


def _finished(
    p, here: Linear, jacobian: np.ndarray, inside: np.ndarray, count: int, converged: bool
) -> Projected:
    """Covariances of p (zero on a bound or without influence) and of the linear unknowns, each with all others free."""
    left = _projected(jacobian, here)
    norm = np.linalg.norm(left, axis=0)
    # The others say nothing, or no more than the linear ones.
    free = inside & (norm > 1e-9 * np.linalg.norm(jacobian, axis=0))
    left, size = left[:, free] / norm[free], norm[free]
    inner = np.linalg.pinv(left.T @ left, rcond=1e-14, hermitian=True) / np.outer(size, size)
    covariance = np.zeros((len(p), len(p)))
    covariance[np.ix_(free, free)] = inner
    follow = here.inverse @ (here.basis.T @ jacobian[:, free])  # dc/dp
    errors = np.zeros(len(here.kept))
    errors[here.kept] = np.sqrt(np.sum(here.inverse**2, axis=1) + np.sum((follow @ inner) * follow, axis=1))
    unknowns = int(free.sum() + here.kept.sum())
    return Projected(p, covariance, here.coefficients, errors, here.residual, unknowns, count, converged)
