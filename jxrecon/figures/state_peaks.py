"""Averaged reflections of several states: how they shift and broaden (figure 5A of Tsai et al.)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .canvas import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, new_figure, styled
from .state_grid import state_name

COLOURS = (BLACK, BLUE, ORANGE, VERMILION, GREEN, SKY, PURPLE)
REGIONS = {"003": (8.1, 9.0), "101": (16.2, 17.3), "104": (19.4, 20.8)}
PALE: dict[str, Any] = {
    "linewidth": 4.5,
    "alpha": 0.35,
    "zorder": 1,
    "solid_capstyle": "butt",
}  # truth, below what was found
Spectrum = Float[np.ndarray, " channel"]


def truth_handle() -> Line2D:
    """For a legend."""
    return Line2D([], [], color=BLACK, **PALE)


def q_axis(axes: Axes, wavelength_m: float) -> None:
    """q = 4 pi sin(theta) / lambda above 2 theta."""
    factor = 4 * np.pi / (wavelength_m * 1e10)

    def to_q(angle):
        return factor * np.sin(np.radians(angle) / 2)

    def to_angle(q):
        return 2 * np.degrees(np.arcsin(np.clip(q / factor, -1, 1)))

    top = axes.secondary_xaxis("top", functions=(to_q, to_angle))
    top.set_xlabel("q / Å⁻¹")


@styled
def state_peaks(
    patterns: Mapping[str, Spectrum],
    two_theta_deg: Spectrum,
    wavelength_m: float,
    truth: Mapping[str, Spectrum] | None = None,
    regions: Mapping[str, tuple[float, float]] = REGIONS,
) -> Figure:
    """Mean patterns, in every region on what lies lowest there and relative to the highest; the truth as pale broad lines."""
    figure = new_figure(4.3 * len(regions), 4.4)
    panels = figure.subplots(1, len(regions), squeeze=False)[0]
    for axes, (name, (low, high)) in zip(panels, regions.items()):
        here = (two_theta_deg >= low) & (two_theta_deg <= high)
        x = two_theta_deg[here]
        for colour, (state, pattern) in zip(COLOURS, patterns.items()):
            base, top = pattern[here].min(), pattern[here].max()
            axes.plot(x, (pattern[here] - base) / (top - base), color=colour, label=state_name(state))
            if truth is not None and state in truth:
                exact = truth[state][here]
                scaled = (exact - exact.min()) / np.ptp(exact)
                axes.plot(x, scaled, color=colour, **PALE)
        axes.set(xlabel="2θ / degrees", title=f"({name})", xlim=(low, high), ylim=(0, 1.08))
        q_axis(axes, wavelength_m)
    panels[0].set_ylabel("intensity / maximum")
    handles, labels = panels[0].get_legend_handles_labels()
    if truth:
        handles, labels = [*handles, truth_handle()], [*labels, "truth"]
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure
