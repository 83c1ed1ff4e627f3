"""How the electron densities inside a particle are distributed."""

import numpy as np
from matplotlib import patheffects
from matplotlib.figure import Figure

from ..analysis.density import DensityHistogram
from .canvas import BLACK, BLUE, ORANGE, VERMILION, new_figure, styled
from .orthoslices import DENSITY


def _per_density(histogram: DensityHistogram) -> np.ndarray:
    """Share of the voxels per e/A^3: bins of any width can be compared."""
    return histogram.share / np.diff(histogram.edges)


@styled
def density_histogram_curve(histogram: DensityHistogram, truth: DensityHistogram | None = None) -> Figure:
    """Distribution with its peaks, its mean, and the range from the 5th to the 95th percentile; the truth as an outline."""
    figure = new_figure(7.2, 4.6)
    axes = figure.add_subplot()
    height = _per_density(histogram)
    axes.stairs(
        height, histogram.edges, fill=True, color=BLUE, alpha=0.55, label="reconstruction" if truth else None
    )
    if truth is not None:
        axes.stairs(_per_density(truth), truth.edges, color=BLACK, linewidth=1.3, label="truth")
    top = float(height.max())
    low, high = histogram.quantiles[0], histogram.quantiles[-1]
    axes.hlines(
        -0.03 * top, low, high, color=ORANGE, linewidth=4, label=f"5 to 95 %: {low:.3f} to {high:.3f}"
    )
    axes.axvline(
        histogram.mean, color=VERMILION, linewidth=1.4, linestyle="--", label=f"mean {histogram.mean:.3f}"
    )
    for number, peak in enumerate(histogram.peaks):
        level = float(np.interp(peak, histogram.centres, height))
        axes.plot(
            [peak], [level], "v", color=BLACK, markersize=7, label=None if number else "peaks", zorder=4
        )  # fmt: skip
        text = axes.annotate(f"{peak:.3f}", (peak, level), (0, 8), textcoords="offset points", ha="center")
        text.set_path_effects([patheffects.withStroke(linewidth=3, foreground="white")])
    axes.set(xlabel=DENSITY, ylabel="share of voxels per e Å⁻³", ylim=(-0.06 * top, 1.12 * top))
    axes.set_xlim(float(histogram.edges[0]), float(histogram.edges[-1]))
    figure.legend(loc="outside lower center", ncols=2)
    return figure
