"""Fourier ring correlation of two independent halves, with what counts as resolved."""

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from ..analysis.resolution import RingCorrelation
from .canvas import BLUE, ORANGE, VERMILION, length_text, new_figure, styled


def nice_periods(pixel_size_m: float, lowest: float) -> Float[np.ndarray, " tick"]:
    """Round half periods (m) between Nyquist and `lowest` times its frequency, for the upper axis."""
    rounds = np.sort(np.outer(10.0 ** np.arange(-12, 0), (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)).ravel())
    kept, last = [], 2.0
    for period in rounds[(rounds >= pixel_size_m * 0.999) & (rounds <= pixel_size_m / lowest)]:
        if last - pixel_size_m / period >= 0.07:  # labels must not touch
            kept.append(period)
            last = pixel_size_m / period
    return np.array(kept)


@styled
def ring_correlation_curve(curve: RingCorrelation, pixel_size_m: float) -> Figure:
    """Curve, half-bit and one-bit thresholds, and where it crosses them; half periods on the upper axis."""
    figure = new_figure(7.2, 5.6)
    axes = figure.add_subplot()
    axes.plot(curve.frequency, curve.correlation, color=BLUE, linewidth=1.8, label="ring correlation")
    for bits, name, colour, dashes in ((0.5, "half bit", VERMILION, "--"), (1.0, "1 bit", ORANGE, "-.")):
        threshold, crossing = curve.threshold(bits), curve.crossing(bits)
        size = length_text(pixel_size_m / crossing)
        never = crossing >= 1.0
        text = f"{name}: {'not crossed, ' if never else ''}{size} half period ({1 / crossing:.3g} px)"
        axes.plot(
            curve.frequency[1:], threshold[1:], color=colour, linestyle=dashes, linewidth=1.4, label=text
        )
        if not never:
            level = float(np.interp(crossing, curve.frequency, threshold))
            axes.plot([crossing], [level], "o", color=colour, markersize=7, markeredgecolor="black", zorder=4)
            axes.vlines(crossing, -0.1, level, color=colour, linewidth=1, linestyle=":")
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set(xlim=(0, 1), ylim=(min(-0.1, float(np.min(curve.correlation))), 1.03))
    axes.set(xlabel="spatial frequency / Nyquist frequency", ylabel="Fourier ring correlation")
    axes.grid(alpha=0.25)
    upper = axes.twiny()
    periods = nice_periods(pixel_size_m, lowest=0.08)
    upper.set(xlim=(0, 1), xticks=pixel_size_m / periods, xlabel="half period / nm")
    upper.set_xticklabels([f"{p * 1e9:.4g}" for p in periods])
    upper.spines["top"].set_visible(True)
    figure.legend(loc="outside lower center")
    return figure
