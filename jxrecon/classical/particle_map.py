"""The lattice in every point of a diffraction map: cell, zero, widths and areas of each pattern, in windows at the reflections.

The model is that of `whole_pattern` (pseudo-Voigts at the places that the cell gives them) with a polynomial background in every
window. A fit of the mean pattern comes first; every point begins there.

Noise. Integrated patterns without deviations are means over pixels, often interpolated: their channels are correlated and their
scatter follows no counting statistics. The variance of a channel is taken to be

    s^2 + f^2 (peaks)^2

s the scatter of the point in channels without reflections, about a polynomial; f one number for the map, from the residuals of a
first fit with s alone: coarse grains make peaks that are no smooth profiles, the more so the stronger they are. With the
autocorrelation rho_k of the residuals, standard errors are multiplied with

    sqrt(1 + 2 sum_k rho_k),      up to the first k where rho_k < 0.05,

as if only one in so many channels had been measured (Berar & Lelann, J. Appl. Cryst. 24, 1 (1991), doi 10.1107/S0021889890008391,
for the same in powder refinement), and with chi where that is above 1.
"""

import dataclasses

import jax
import numpy as np
from jaxtyping import Bool, Float

from .whole_pattern import Phase, WholePattern
from .whole_pattern_fit import Columns, Fitted, fitted_pattern

MOST_LAGS = 40


@dataclasses.dataclass(frozen=True)
class LatticeMap:
    """Per point (flat, NaN where nothing was measured); errors are standard errors."""

    mean: Fitted
    points: tuple[Fitted | None, ...]
    values: dict[str, Float[np.ndarray, " point"]]
    errors: dict[str, Float[np.ndarray, " point"]]
    area: Float[np.ndarray, "point peak"]
    area_error: Float[np.ndarray, "point peak"]
    chi2_reduced: Float[np.ndarray, " point"]
    relative_noise: float
    correlated: Float[np.ndarray, " point"]


def windows_of(
    centres_deg: Float[np.ndarray, " peak"], half_width_deg: float, range_deg: tuple[float, float]
) -> list[tuple[float, float]]:
    """Ranges of 2 theta around the reflections; those that overlap become one."""
    merged: list[tuple[float, float]] = []
    for centre in np.sort(centres_deg):
        low, high = max(centre - half_width_deg, range_deg[0]), min(centre + half_width_deg, range_deg[1])
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], float(high))
        else:
            merged.append((float(low), float(high)))
    return merged


def polynomials(
    x: Float[np.ndarray, " channel"], windows: list[tuple[float, float]], terms: int
) -> Float[np.ndarray, "channel term"]:
    """Powers of the distance from the middle of each window, zero outside of it; a wide window has more."""
    columns = []
    widths = [high - low for low, high in windows]
    for (low, high), width in zip(windows, widths):
        inside = (x >= low) & (x <= high)
        scaled = (2 * x - low - high) / width
        count = terms + int(round(width / min(widths))) - 1
        columns += [np.where(inside, scaled**k, 0) for k in range(count)]
    return np.stack(columns, axis=1)


def local_scatter(
    x: Float[np.ndarray, " channel"],
    counts: Float[np.ndarray, " channel"],
    windows: list[tuple[float, float]],
) -> float:
    """Standard deviation in channels outside of the windows, about quadratics of a fifth of a degree's pieces."""
    outside = ~np.any([(x >= low) & (x <= high) for low, high in windows], axis=0)
    outside &= (x > windows[0][0]) & (x < windows[-1][1])
    runs = np.split(np.flatnonzero(outside), np.flatnonzero(np.diff(np.flatnonzero(outside)) > 1) + 1)
    squares, count = 0.0, 0
    for run in (part for r in runs for part in np.array_split(r, max(len(r) // 60, 1)) if len(part) > 20):
        fit = np.polynomial.Polynomial.fit(x[run], counts[run], 2)
        squares, count = squares + float(np.sum((counts[run] - fit(x[run])) ** 2)), count + len(run) - 3
    if count < 20:
        raise ValueError("the windows leave no channels without reflections to tell the noise from.")
    return float(np.sqrt(squares / count))


def correlated_channels(residual: Float[np.ndarray, " channel"]) -> float:
    """1 + 2 sum of the autocorrelations: how many channels count as one."""
    total, centred = 1.0, residual - residual.mean()
    for lag in range(1, MOST_LAGS):
        rho = float(centred[:-lag] @ centred[lag:] / (centred @ centred))
        if rho < 0.05:
            break
        total += 2 * rho
    return total


def fit_map(
    patterns: Float[np.ndarray, "point channel"],
    x: Float[np.ndarray, " channel"],
    phase: Phase,
    wavelength_m: float,
    *,
    half_width_deg: float,
    background_terms: int,
    fwhm_deg: float,
) -> LatticeMap:
    """Every point; channels that are negative or NaN were not measured, and a point without all of them is left out."""
    some = np.all(patterns >= 0, axis=1)
    reference = WholePattern(x, (phase,), ((wavelength_m, 1.0, 0.0),), "pseudo_voigt").reference_deg()
    windows = windows_of(reference, half_width_deg, (float(x[0]), float(x[-1])))
    inside = np.any([(x >= low) & (x <= high) for low, high in windows], axis=0)
    model = WholePattern(x[inside], (phase,), ((wavelength_m, 1.0, 0.0),), "pseudo_voigt", reach_deg=2.0)
    free = ("zero", "w", "u", "mixing", *phase.own("pseudo_voigt"))
    with jax.enable_x64(True):
        start = model.start(fwhm_deg)
        columns = Columns(model, free, start, polynomials(x[inside], windows, background_terms))

        def fitted(counts: np.ndarray, begin: dict[str, float], variance: np.ndarray | float = 0.0) -> Fitted:
            sigma = np.sqrt(local_scatter(x, counts, windows) ** 2 + variance + np.zeros(int(inside.sum())))
            fit = columns.fit(begin, counts[inside], sigma, 60, 1e-7)
            return fitted_pattern(model, columns, fit, counts[inside], sigma)

        mean = fitted(patterns[some].mean(axis=0), start)
        first = [fitted(p, mean.parameters) if ok else None for p, ok in zip(patterns, some)]
        noise = relative_noise([fit for fit in first if fit is not None])
        again = [
            None if fit is None else fitted(p, fit.parameters, (noise * peaks_alone(fit)) ** 2)
            for p, fit in zip(patterns, first)
        ]
        mean = fitted(patterns[some].mean(axis=0), mean.parameters, (noise * peaks_alone(mean)) ** 2)
        return _collected(mean, tuple(again), noise)


def peaks_alone(fit: Fitted) -> Float[np.ndarray, " channel"]:
    """Without the background."""
    return fit.calculated - fit.background


def relative_noise(fits: list[Fitted]) -> float:
    """f of the file's head: the median over points of sum (residual^2 - s^2) over sum peaks^2, where that is above zero."""
    excess = [np.sum((fit.measured - fit.calculated) ** 2 - fit.sigma**2) for fit in fits]
    squares = [np.sum(peaks_alone(fit) ** 2) for fit in fits]
    return float(np.sqrt(max(np.median(np.array(excess) / np.maximum(squares, 1e-300)), 0.0)))


def _widths(fit: Fitted) -> Float[np.ndarray, " peak"]:
    return np.asarray(fit.model.widths_deg(fit.parameters)[0])


def _width_errors(fit: Fitted, scale: float) -> Float[np.ndarray, " peak"]:
    """Of FWHM^2 = u tan^2 + w, by their covariance."""
    half = np.radians(fit.model.reference_deg()) / 2
    slope = np.stack([np.tan(half) ** 2, np.ones_like(half)], axis=1) / (2 * _widths(fit)[:, None])
    names = [fit.free.index(n) for n in ("u", "w")]
    error = np.array([fit.errors["u"], fit.errors["w"]])
    covariance = fit.correlation[np.ix_(names, names)] * np.outer(error, error)
    return scale * np.sqrt(np.maximum(np.einsum("pi,ij,pj->p", slope, covariance, slope), 0))


def _volume(fit: Fitted) -> tuple[float, float]:
    """V and its error from those of the lengths and their correlation; hexagonal axes: dV/V = 2 da/a + dc/c."""
    phase = fit.model.phases[0]
    cell = phase.cell.strained(np.array([fit.parameters[f"{phase.name}.{f}"] for f in phase.cell.free]))
    names = [f"{phase.name}.{f}" for f in phase.cell.free]
    index = [fit.free.index(n) for n in names]
    error = np.array([fit.errors[n] for n in names])
    covariance = fit.correlation[np.ix_(index, index)] * np.outer(error, error)
    slope = np.array([2.0, 1.0])
    relative = float(np.sqrt(max(slope @ covariance @ slope, 0)))
    return cell.volume_cubic_angstrom, cell.volume_cubic_angstrom * relative


def _collected(mean: Fitted, points: tuple[Fitted | None, ...], noise: float) -> LatticeMap:
    names, peaks = (
        ("a", "c", "volume", "zero", *(f"fwhm_{n}" for n in mean.model.phases[0].names)),
        len(mean.area),
    )
    values = {n: np.full(len(points), np.nan) for n in names}
    errors = {n: np.full(len(points), np.nan) for n in names}
    area, area_error = np.full((2, len(points), peaks), np.nan)
    chi2, correlated = np.full((2, len(points)), np.nan)
    for k, fit in enumerate(points):
        if fit is None:
            continue
        chi2[k], correlated[k] = (
            fit.chi2_reduced,
            correlated_channels((fit.measured - fit.calculated) / fit.sigma),
        )
        scale = float(np.sqrt(correlated[k]))
        cell, cell_error = fit.cell(0)
        volume, volume_error = _volume(fit)
        found = [cell["a"], cell["c"], volume, fit.parameters["zero"], *_widths(fit)]
        spread = [cell_error["a"], cell_error["c"], volume_error, fit.errors["zero"]]
        for name, value, error in zip(
            names, found, [*(scale * np.array(spread)), *_width_errors(fit, scale)]
        ):
            values[name][k], errors[name][k] = value, error
        area[k], area_error[k] = fit.area, scale * fit.area_error
    return LatticeMap(mean, points, values, errors, area, area_error, chi2, noise, correlated)


def trusted(
    lattice: LatticeMap, first: str, more: int = 3, sigmas: float = 5.0
) -> Bool[np.ndarray, " point"]:
    """Points where the reflection `first` and `more` others stand out of their errors by `sigmas`."""
    names = lattice.mean.model.phases[0].names
    seen = (lattice.area > sigmas * lattice.area_error) & (lattice.area_error > 0)
    k = names.index(first)
    return seen[:, k] & (np.delete(seen, k, axis=1).sum(axis=1) >= more)
