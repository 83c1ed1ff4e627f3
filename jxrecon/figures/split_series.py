"""A reflection through a series of patterns: patterns with their fits, places and shares against the number."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..classical.split_reflection import SplitReflection
from .canvas import BLACK, BLUE, VERMILION, new_figure, styled


@styled
def series_figure(found: SplitReflection, name: str) -> Figure:
    """Counts as square roots, each pattern moved up; the strongest peak in blue, the other in red."""
    figure = new_figure(11, 6.2)
    grid = figure.add_gridspec(2, 2, width_ratios=(1.15, 1))
    left = figure.add_subplot(grid[:, 0])
    upper, lower = figure.add_subplot(grid[0, 1]), figure.add_subplot(grid[1, 1])
    roots = [np.sqrt(np.maximum(fit.measured, 0)) for fit in found.fits]
    step = 0.22 * max(float(np.ptp(root)) for root in roots)
    for k, (fit, root) in enumerate(zip(found.fits, roots)):
        x, base = fit.model.two_theta_deg, k * step - float(roots[0].min())
        left.plot(x, root + base, ".", color=BLACK, markersize=2, label="" if k else "measured")
        fitted = np.sqrt(np.maximum(fit.calculated, 0)) + base
        left.plot(x, fitted, color=VERMILION, linewidth=1, label="" if k else "fit")
        left.annotate(f"{k + 1}", (x[-1], fitted[-1]), (4, 0), textcoords="offset points", va="center")
    left.set(xlabel="2θ (degrees)", ylabel="square root of counts, moved up from scan to scan", yticks=[])
    left.legend(loc="upper left", markerscale=4)
    number = np.arange(1, len(found.fits) + 1)
    for k, (colour, label) in enumerate(((BLUE, "stronger peak"), (VERMILION, "second peak"))):
        some = np.isfinite(found.place_deg[:, k])
        upper.errorbar(
            number[some], found.place_deg[some, k], found.place_error_deg[some, k],
            fmt="o", color=colour, markersize=5, capsize=3, label=label,
        )  # fmt: skip
    upper.set(ylabel=f"place of ({name}), 2θ (degrees)", xlim=(0.5, len(number) + 0.5))
    upper.legend(loc="center left")
    total = np.nansum(found.area, axis=1)
    share = np.where(found.two, found.area[:, 1] / total, 0)
    error = np.where(found.two, found.area_error[:, 1] / total, 0)
    lower.errorbar(number, 100 * share, 100 * error, fmt="o", color=VERMILION, markersize=5, capsize=3)
    lower.set(xlabel="scan", ylabel="share of the second peak (%)", xlim=(0.5, len(number) + 0.5))
    for axes in (upper, lower):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure
