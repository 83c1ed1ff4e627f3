"""A powder pattern with its fit: counts, model and background, ticks at the reflections, residuals in standard deviations."""

import dataclasses

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..classical.whole_pattern_fit import Fitted
from .canvas import BLACK, BLUE, GREEN, ORANGE, PURPLE, VERMILION, new_figure, styled

TICKS = (BLUE, GREEN, ORANGE, PURPLE)


def cropped(fitted: Fitted, low: float, high: float) -> Fitted:
    """The fit between two angles; the model is the whole one."""
    x = fitted.model.two_theta_deg
    keep = (x >= low) & (x <= high)
    names = ("measured", "sigma", "calculated", "background")
    model = dataclasses.replace(fitted.model, two_theta_deg=x[keep])
    return dataclasses.replace(fitted, model=model, **{n: getattr(fitted, n)[keep] for n in names})


def broken(x: np.ndarray, *curves: np.ndarray) -> list[np.ndarray]:
    """x and curves with a NaN where channels are missing, so that no line is drawn across."""
    steps = np.diff(x)
    gaps = np.flatnonzero(steps > 5 * np.median(steps)) + 1
    return [np.insert(curve.astype(float), gaps, np.nan) for curve in (x, *curves)]


def _ticks(axes: Axes, fitted: Fitted) -> None:
    """Rows of ticks below the pattern, one for each phase; those of the first emission line."""
    low, high = fitted.model.two_theta_deg[[0, -1]]
    centres = np.asarray(fitted.model.centres_deg(fitted.parameters))
    which = np.array([k for k, _ in fitted.model.owner])
    for k in range(len(fitted.model.phases)):
        here = centres[(which == k) & (centres >= low) & (centres <= high)]
        axes.plot(
            here, np.full(len(here), -k), "|", color=TICKS[k % len(TICKS)], markersize=9, markeredgewidth=1.4
        )
    names = [phase.name for phase in fitted.model.phases]
    axes.set(yticks=-np.arange(len(names)), yticklabels=names, ylim=(-len(names) + 0.4, 0.6))
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelbottom=False)
    axes.spines["left"].set_visible(False)


@styled
def whole_pattern_fit(fitted: Fitted, root: bool = True) -> Figure:
    """Measured, fitted, residual. root: counts on a scale of square roots, where Poisson noise is alike everywhere."""
    figure = new_figure(10, 6.4)
    count = len(fitted.model.phases)
    heights = (6, 0.35 + 0.3 * count, 1.6)
    top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=heights)
    curves = broken(
        fitted.model.two_theta_deg, fitted.measured, fitted.calculated, fitted.background, fitted.sigma
    )
    x, measured, calculated, background, sigma = curves
    top.plot(x, measured, ".", color=BLACK, markersize=2.5, label="measured")
    top.plot(
        x, calculated, color=VERMILION, linewidth=1.1, label=f"fit, $R_{{wp}}$ = {100 * fitted.r_wp:.2f} %"
    )
    top.plot(x, background, color=BLUE, linewidth=1, label="background")
    if root:
        top.set_yscale("function", functions=(lambda v: np.sqrt(np.maximum(v, 0)), np.square))
    top.set(ylabel="intensity (counts)", ylim=(0, 1.05 * float(np.nanmax(fitted.measured))))
    top.legend(loc="upper right", markerscale=3)
    _ticks(middle, fitted)
    residual = (measured - calculated) / sigma
    bottom.plot(x, residual, color=BLACK, linewidth=0.6)
    bottom.axhline(0, color=VERMILION, linewidth=0.8)
    bottom.set(xlabel="2θ (degrees)", ylabel="residual / σ")
    largest = float(np.nanmax(np.abs(residual)))
    bottom.set_ylim(-1.1 * largest, 1.1 * largest)
    bottom.set_xlim(float(fitted.model.two_theta_deg[0]), float(fitted.model.two_theta_deg[-1]))
    return figure
