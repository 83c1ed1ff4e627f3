"""Fourier ring correlation of two independent halves, with what counts as resolved."""

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
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


def draw_correlation(
    axes: Axes, curve: RingCorrelation, pixel_size_m: float, name: str = "ring", unit: str = "px"
) -> None:
    """Curve and both thresholds with their crossings, and half periods on an upper axis. name: `ring` or `shell`."""
    axes.plot(curve.frequency, curve.correlation, color=BLUE, linewidth=1.8, label=f"{name} correlation")
    for bits, text, colour, dashes in ((0.5, "half bit", VERMILION, "--"), (1.0, "1 bit", ORANGE, "-.")):
        threshold = curve.threshold(bits)
        label = f"{text}: {half_period_text(curve.crossing(bits), pixel_size_m, unit)}"
        axes.plot(
            curve.frequency[1:], threshold[1:], color=colour, linestyle=dashes, linewidth=1.4, label=label
        )
        mark_crossing(axes, curve.crossing(bits), curve.frequency, threshold, colour)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set(xlim=(0, 1), ylim=(min(-0.1, float(np.min(curve.correlation))), 1.03))
    axes.set(xlabel="spatial frequency / Nyquist frequency", ylabel=f"Fourier {name} correlation")
    axes.grid(alpha=0.25)
    upper = axes.twiny()
    periods = nice_periods(pixel_size_m, lowest=0.08)
    upper.set(xlim=(0, 1), xticks=pixel_size_m / periods, xlabel="half period / nm")
    upper.set_xticklabels([f"{p * 1e9:.4g}" for p in periods])
    upper.spines["top"].set_visible(True)


def half_period_text(crossing: float, pixel_size_m: float, unit: str = "px") -> str:
    """`35 nm half period (1.75 px)`, of a crossing as fraction of Nyquist."""
    never = "not crossed, " if crossing >= 1.0 else ""
    return f"{never}{length_text(pixel_size_m / crossing)} half period ({1 / crossing:.3g} {unit})"


def mark_crossing(
    axes: Axes,
    crossing: float,
    frequency: Float[np.ndarray, " ring"],
    threshold: Float[np.ndarray, " ring"],
    colour: str,
) -> None:
    """A dot on the threshold and a line down from it; nothing where the curve never crosses."""
    if crossing >= 1.0:
        return
    level = float(np.interp(crossing, frequency, threshold))
    axes.plot([crossing], [level], "o", color=colour, markersize=7, markeredgecolor="black", zorder=4)
    axes.vlines(crossing, -0.1, level, color=colour, linewidth=1, linestyle=":")


@styled
def ring_correlation_curve(curve: RingCorrelation, pixel_size_m: float) -> Figure:
    """Curve, half-bit and one-bit thresholds, and where it crosses them; half periods on the upper axis."""
    figure = new_figure(7.2, 5.6)
    draw_correlation(figure.add_subplot(), curve, pixel_size_m)
    figure.legend(loc="outside lower center")
    return figure
