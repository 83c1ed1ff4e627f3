"""One reflection through a series of patterns: where it is, and whether it has split in two, as at a transition of first order.

Every pattern is fitted between two angles with one peak and with two, each a Thompson-Cox-Hastings pseudo-Voigt for all lines of
the tube with the tail of axial divergence, over a straight or curved background. The tail and the Gaussian width are those of the
first pattern, taken to be a single peak: they belong to the instrument, and a tail is not to be mistaken for a second peak. The
second peak, as wide as the first is alone, begins in the best of many places beside it. Two peaks are believed where they are
CLOSEST_DEG apart and

    (chi^2_1 - chi^2_2) / max(chi^2_2 / (N - P), 1)  >  `threshold`

for the two unknowns (place, area) that the second one brings. Chance gives no more than 25; the faults of the profile give more.
"""

import dataclasses

import jax
import numpy as np
from jaxtyping import Bool, Float

from ..forward.background import chebyshev
from ..forward.cell import Cell
from .whole_pattern import Phase, WholePattern
from .whole_pattern_fit import Columns, Fitted, count_errors, fitted_pattern

PLACES = 24
CLOSEST_DEG = 0.2
NAMES = ("first", "second")


@dataclasses.dataclass(frozen=True)
class SplitReflection:
    """Per pattern. Places in degrees of 2 theta of the first line, areas in counts x degree; the strongest peak first, the
    other NaN where there is but one; standard errors beside both."""

    place_deg: Float[np.ndarray, "pattern 2"]
    place_error_deg: Float[np.ndarray, "pattern 2"]
    area: Float[np.ndarray, "pattern 2"]
    area_error: Float[np.ndarray, "pattern 2"]
    gain: Float[np.ndarray, " pattern"]
    two: Bool[np.ndarray, " pattern"]
    fits: tuple[Fitted, ...]


def reflection_as_phase(name: str, two_theta_deg: float, wavelength_m: float) -> Phase:
    """A lattice of planes whose only reflection lies there: the strain of its `a` is that of the distance."""
    spacing = 1e10 * wavelength_m / 2 / np.sin(np.radians(two_theta_deg) / 2)
    return Phase(name, Cell("cubic", (float(spacing),)), np.array([[1, 0, 0]]), (name,))


def _model(x: np.ndarray, centre_deg: float, lines, count: int) -> WholePattern:
    phases = tuple(reflection_as_phase(name, centre_deg, lines[0][0]) for name in NAMES[:count])
    return WholePattern(x, phases, lines, axial=True, reach_deg=float(x[-1] - x[0]))


def _free(count: int) -> tuple[str, ...]:
    return ("first.a", "first.size", "second.a")[: count + 1]


def _slope(centre_deg: float) -> float:
    """Degrees of 2 theta by which a strain of one would move a reflection, at the beginning."""
    return float(-2 * np.degrees(np.tan(np.radians(centre_deg) / 2)))


def follow(
    counts: Float[np.ndarray, "pattern channel"],
    x: Float[np.ndarray, " channel"],
    lines: tuple[tuple[float, float, float], ...],
    centre_deg: float,
    *,
    fwhm_deg: float = 0.15,
    background_terms: int = 3,
    threshold: float = 100.0,
) -> SplitReflection:
    """Fits all patterns; `centre_deg` is about where the reflection is."""
    with jax.enable_x64(True):
        basis = chebyshev(x, background_terms).T
        models = [_model(x, centre_deg, lines, count) for count in (1, 2)]
        instrument = _instrument(models[0], counts[0].astype(np.float64), basis, fwhm_deg)
        starts = [
            model.start(fwhm_deg) | instrument | {f"{n}.strain": 0.0 for n in NAMES[:k]}
            for k, model in enumerate(models, 1)
        ]
        columns = [
            Columns(model, _free(k), start, basis) for k, (model, start) in enumerate(zip(models, starts), 1)
        ]
        found = [
            _one_pattern(pattern.astype(np.float64), models, columns, starts, centre_deg)
            for pattern in counts
        ]
    gain = np.array([one.chi2_gain for one in found])
    two = gain > threshold
    fits = tuple(one.double if split else one.single for one, split in zip(found, two))
    return _collected(fits, two, gain)


def _instrument(
    model: WholePattern, counts: np.ndarray, basis: np.ndarray, fwhm_deg: float
) -> dict[str, float]:
    """Gaussian width and axial divergence of a single peak, and its Lorentzian width to begin with."""
    begin = model.start(fwhm_deg) | {"first.strain": 0.0}
    columns = Columns(model, ("w", "axial", *_free(1)), begin, basis)
    fit = columns.fit(begin, counts, count_errors(counts, None), 100)
    return {n: float(v) for n, v in zip(columns.free, fit.parameters) if n in ("w", "axial")}


@dataclasses.dataclass(frozen=True)
class _Pair:
    single: Fitted
    double: Fitted
    chi2_gain: float


def _one_pattern(counts: np.ndarray, models, columns, starts, centre_deg: float) -> _Pair:
    sigma = count_errors(counts, None)
    single = fitted_pattern(
        models[0], columns[0], columns[0].fit(starts[0], counts, sigma, 100), counts, sigma
    )
    x, place = models[0].two_theta_deg, float(single.model.centres_deg(single.parameters)[0])
    begin = starts[1] | {n: single.parameters[n] for n in _free(1)}
    begin["second.size"] = single.parameters["first.size"]
    best = None
    room = np.linspace(x[0] + 0.3, x[-1] - 0.3, PLACES)
    for other in room[np.abs(room - place) > CLOSEST_DEG]:
        trial = begin | {"second.a": (other - centre_deg) / _slope(centre_deg)}
        fit = columns[1].fit(trial, counts, sigma, 4)
        if best is None or fit.cost < best.cost:
            best = fit
    assert best is not None  # the range is wider than `CLOSEST_DEG`
    last = columns[1].fit(columns[1].named(best.parameters.tolist()), counts, sigma, 100)
    double = fitted_pattern(models[1], columns[1], last, counts, sigma)
    costs = [float(np.sum(((f.measured - f.calculated) / f.sigma) ** 2)) for f in (single, double)]
    apart = np.ptp(np.asarray(double.model.centres_deg(double.parameters)))
    gain = (costs[0] - costs[1]) / max(double.chi2_reduced, 1.0)
    return _Pair(single, double, gain if apart >= CLOSEST_DEG and np.all(double.area > 0) else 0.0)


def _collected(fits: tuple[Fitted, ...], two: np.ndarray, gain: np.ndarray) -> SplitReflection:
    arrays = np.full((4, len(fits), 2), np.nan)
    for k, fit in enumerate(fits):
        place = np.asarray(fit.model.centres_deg(fit.parameters))
        strains = np.array([fit.errors[f"{name}.a"] for name in NAMES[: len(place)]])
        errors = strains * 2 * np.degrees(np.tan(np.radians(place) / 2))
        order = np.argsort(-fit.area)
        for row, values in zip(arrays, (place, errors, fit.area, fit.area_error)):
            row[k, : len(place)] = values[order]
    place_deg, place_error_deg, area, area_error = arrays
    return SplitReflection(place_deg, place_error_deg, area, area_error, gain, two, fits)
