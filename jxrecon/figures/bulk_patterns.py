"""Bulk patterns: the sum of all voxels of a specimen beside that of another (figure S5 of Tsai et al.)."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from .canvas import BLACK, new_figure, styled
from .state_grid import state_name
from .state_peaks import COLOURS, PALE, q_axis, truth_handle

Spectrum = Float[np.ndarray, " channel"]


@styled
def bulk_patterns(
    patterns: Mapping[str, Spectrum],
    two_theta_deg: Spectrum,
    wavelength_m: float,
    reflections: Mapping[str, float],
    truth: Mapping[str, Spectrum] | None = None,
) -> Figure:
    """Each relative to its highest channel and put above the one before, the truth as pale broad lines; marks where
    `reflections` (2 theta) are expected."""
    figure = new_figure(8.6, 4.6)
    axes = figure.add_subplot()
    for number, (colour, (state, pattern)) in enumerate(zip(COLOURS, patterns.items())):
        axes.plot(
            two_theta_deg,
            pattern / pattern.max() + 0.55 * number,
            color=colour,
            linewidth=1.2,
            label=state_name(state),
        )
        if truth is not None and state in truth:
            exact = truth[state] / truth[state].max() + 0.55 * number
            axes.plot(two_theta_deg, exact, color=colour, **PALE)
    for name, angle in reflections.items():
        axes.plot([angle, angle], [-0.09, -0.03], color=BLACK, linewidth=1)
        axes.annotate(f"({name})", (angle, -0.1), ha="center", va="top", fontsize=9)
    axes.set(xlabel="2θ / degrees", ylabel="intensity / maximum, shifted", yticks=[])
    axes.set(ylim=(-0.25, None), xlim=(two_theta_deg[0], two_theta_deg[-1]))
    q_axis(axes, wavelength_m)
    handles, labels = axes.get_legend_handles_labels()
    if truth:
        handles, labels = [truth_handle(), *handles], ["truth", *labels]
    axes.legend(handles[::-1], labels[::-1], loc="upper center")
    return figure
