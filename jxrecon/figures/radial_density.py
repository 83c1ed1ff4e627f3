"""Electron density from core to surface in several states, with parabolas (figure 3B of Tsai et al.)."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from ..analysis.radial import MeanProfile
from .canvas import new_figure, styled
from .orthoslices import DENSITY
from .pore_histogram import state_colour
from .state_grid import state_name


@styled
def radial_density(
    states: Mapping[str, MeanProfile], truth: Mapping[str, MeanProfile] | None = None
) -> Figure:
    """Points: means over shells and particles, as large as the shells' volumes; bars: half the standard deviation between
    particles. Lines: parabolas weighted by volume; dotted: unweighted. Crosses: the truth."""
    figure = new_figure(7.4, 4.9)
    axes = figure.add_subplot()
    rho = np.linspace(0, 1, 200)
    for k, (name, profile) in enumerate(states.items()):
        colour, fits = state_colour(name, k), profile.fits()
        count = f" ({profile.count} particles)" if profile.count > 1 else ""
        axes.scatter(
            profile.rho, profile.mean, 8 + 400 * profile.share, color=colour, label=state_name(name) + count
        )
        if profile.count > 1:
            axes.errorbar(
                profile.rho, profile.mean, profile.half_std, fmt="none", ecolor=colour, elinewidth=1
            )
        axes.plot(rho, fits["weighted"](rho), color=colour, linewidth=1.8)
        axes.plot(rho, fits["unweighted"](rho), color=colour, linewidth=1.0, linestyle=":")
        if truth and name in truth:
            axes.plot(truth[name].rho, truth[name].mean, "x", color=colour, markersize=5, alpha=0.7)
    points = np.concatenate([p.mean for some in (states, truth or {}) for p in some.values()])
    if np.isfinite(points).any():  # not where a parabola of few shells runs off to
        axes.set_ylim(float(np.nanmin(points)) - 0.05, float(np.nanmax(points)) + 0.08)
    axes.plot([], [], color="0.4", linewidth=1.8, label="parabola, weighted by volume")
    axes.plot([], [], color="0.4", linewidth=1.0, linestyle=":", label="parabola, every shell alike")
    if truth:
        axes.plot([], [], "x", color="0.4", label="truth")
    axes.set(xlabel="normalised radius (0: core, 1: surface)", ylabel=DENSITY, xlim=(0, 1))
    figure.legend(loc="outside lower center", ncols=2)
    return figure
