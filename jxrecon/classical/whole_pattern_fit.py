"""Fits a whole measured pattern: `whole_pattern` by `variable_projection`, with errors and figures of merit.

    R_wp = sqrt( sum w (y - y_c)^2 / sum w y^2 ),   R_exp = sqrt( (N - P) / sum w y^2 ),   chi^2_r = (R_wp / R_exp)^2

w = 1 / sigma^2; sigma is that of the file, else the root of the counts. Standard errors are multiplied with chi_r where that is
above 1: the model's faults are then counted as noise. Where a fit begins: peaks are looked for within `search_deg` of where the
cells have them, all moved by the same displacement; the slopes of widths with angle are let free in the end.

Young, The Rietveld Method (1993), chapter 1.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from ..forward.background import chebyshev
from .variable_projection import Projected, solve_linear, variable_projection
from .whole_pattern import WholePattern

POSITIVE = ("axial", "second_line", "size", "strain", "mixing")
LATER = ("u", "v", "strain", "second_line", "mixing_slope")
TRIALS = 41


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A fitted pattern; errors are standard errors, zero for what was not free, lies on a bound or has no influence."""

    model: WholePattern
    parameters: dict[str, float]
    errors: dict[str, float]
    area: Float[np.ndarray, " peak"]
    area_error: Float[np.ndarray, " peak"]
    measured: Float[np.ndarray, " channel"]
    sigma: Float[np.ndarray, " channel"]
    calculated: Float[np.ndarray, " channel"]
    background: Float[np.ndarray, " channel"]
    free: tuple[str, ...]
    correlation: Float[np.ndarray, "free free"]
    r_wp: float
    r_exp: float
    chi2_reduced: float
    unknowns: int
    steps: int
    converged: bool

    def cell(self, phase: int) -> tuple[dict[str, float], dict[str, float]]:
        """Free parameters of a cell (angstrom, degrees) and their errors."""
        p = self.model.phases[phase]
        scale = [v if f in "abc" else float(np.degrees(1)) for f, v in zip(p.cell.free, p.cell.parameters)]
        names = [f"{p.name}.{f}" for f in p.cell.free]
        values = p.cell.strained(np.array([self.parameters[n] for n in names])).parameters
        return dict(zip(p.cell.free, values)), {
            f: self.errors[n] * s for f, n, s in zip(p.cell.free, names, scale)
        }


def count_errors(
    counts: Float[np.ndarray, " channel"], variance: Float[np.ndarray, " channel"] | None
) -> Float[np.ndarray, " channel"]:
    """sigma of every channel."""
    return np.sqrt(np.maximum(counts, 1) if variance is None else variance).astype(np.float64)


class Columns:
    """The design matrix of a model and its slopes, for a vector of free parameters; `basis` (channel, term) of the background."""

    def __init__(
        self, model: WholePattern, free: tuple[str, ...], fixed: dict[str, float], basis: np.ndarray
    ):
        self.free, self.fixed = free, fixed
        self.first, self.counts = model.windows()
        self.shape = len(model.two_theta_deg), len(self.first)
        self.basis, self.scales, self.tie = basis, model.scales, model.tie
        self._peaks = jax.jit(lambda v: model.peaks(self.named(v)))
        self._slopes = jax.jit(jax.jacfwd(lambda v, c: model.peaks(self.named(v)) * model.areas(c)[:, None]))

    def named(self, vector):
        return {**self.fixed, **dict(zip(self.free, vector))}

    def design(self, vector: np.ndarray) -> np.ndarray:
        peaks = np.asarray(self._peaks(jnp.asarray(vector)))
        matrix = np.zeros(self.shape)
        for k, (first, count) in enumerate(zip(self.first, self.counts)):
            matrix[first : first + count, k] = peaks[k, :count]
        matrix = matrix if self.tie is None else matrix @ self.tie
        return np.concatenate([matrix, self.basis], axis=1)

    def slopes(self, vector: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        scales = jnp.asarray(coefficients[: self.scales])
        each = np.asarray(self._slopes(jnp.asarray(vector), scales))
        total = np.zeros((self.shape[0], len(vector)))
        for k, (first, count) in enumerate(zip(self.first, self.counts)):
            total[first : first + count] += each[k, :count]
        return total

    def fit(self, start: dict[str, float], measured, sigma, steps: int, tolerance: float = 1e-9) -> Projected:
        """Of one pattern; in double precision."""
        low = [0.0 if name.split(".")[-1] in POSITIVE else -np.inf for name in self.free]
        high = np.array([1.0 if name == "mixing" else np.inf for name in self.free])
        begin = np.array([start[name] for name in self.free])
        functions, more = (self.design, self.slopes), {"lower": np.array(low), "upper": high, "steps": steps}
        return variable_projection(
            *functions, begin, measured, sigma, self.positive, **more, tolerance=tolerance
        )

    @property
    def positive(self) -> Bool[np.ndarray, " column"]:
        return np.arange(self.scales + self.basis.shape[1]) < self.scales


def fit_pattern(
    model: WholePattern,
    measured: Float[np.ndarray, " channel"],
    sigma: Float[np.ndarray, " channel"],
    free: tuple[str, ...],
    start: dict[str, float],
    *,
    background_terms: int = 6,
    search_deg: float | int = 0.0,
    steps: int = 100,
) -> Fitted:
    """The fit; `free` names parameters of the model, all others keep their start."""
    if unknown := sorted({*free, *start} - set(model.names)):
        raise ValueError(f"`{unknown[0]}` is no parameter; there are {', '.join(model.names)}.")
    with jax.enable_x64(True):
        begin, basis = dict(start), chebyshev(model.two_theta_deg, background_terms).T
        if search_deg:
            begin["displacement"] += found_displacement(model, measured, sigma, begin, basis, search_deg)
        first = tuple(n for n in free if n.split(".")[-1] not in LATER)
        for now in (first, free) if 0 < len(first) < len(free) else (free,):
            columns = Columns(model, now, begin, basis)
            fit = columns.fit(begin, measured, sigma, steps, 1e-9 if now == free else 1e-3)
            begin |= dict(zip(now, fit.parameters.tolist()))
    return fitted_pattern(model, columns, fit, measured, sigma)


def found_displacement(model, measured, sigma, begin, basis, search_deg) -> float:
    """In radii: the best of many, with profiles as wide as their distance."""
    furthest = np.radians(search_deg) / 2
    wide = begin | {"w": (2 * search_deg / TRIALS) ** 2 + begin["w"]}
    columns = Columns(model, ("displacement",), wide, basis)

    def cost(trial: float) -> float:
        design = columns.design(np.array([begin["displacement"] + trial])) / sigma[:, None]
        return solve_linear(design, measured / sigma, columns.positive).cost

    trials = np.linspace(-furthest, furthest, TRIALS)
    return float(trials[np.argmin([cost(trial) for trial in trials])])


def fitted_pattern(model, columns: Columns, fit: Projected, measured, sigma) -> Fitted:
    """What a fit means."""
    values = columns.named([float(v) for v in fit.parameters])
    weight = float(np.sum((measured / sigma) ** 2))
    degrees = max(len(measured) - fit.unknowns, 1)
    chi2 = fit.cost / degrees
    scale, scales = np.sqrt(max(chi2, 1.0)), columns.scales
    size = np.where(fit.errors > 0, fit.errors, 1)
    return Fitted(
        model=model,
        parameters={n: float(values[n]) for n in model.names},
        errors=dict.fromkeys(model.names, 0.0) | dict(zip(columns.free, (fit.errors * scale).tolist())),
        area=model.areas(fit.coefficients[:scales]),
        area_error=model.areas(fit.coefficient_errors[:scales]) * scale,
        measured=measured,
        sigma=sigma,
        calculated=measured - fit.residual * sigma,
        background=columns.basis @ fit.coefficients[scales:],
        free=columns.free,
        correlation=fit.covariance / np.outer(size, size),
        r_wp=float(np.sqrt(fit.cost / weight)),
        r_exp=float(np.sqrt(degrees / weight)),
        chi2_reduced=float(chi2),
        unknowns=fit.unknowns,
        steps=fit.steps,
        converged=fit.converged,
    )
