"""Volumes of the unit cell and their change against a reference (figure 4C of Tsai et al.)."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from .canvas import robust_limits, styled
from .state_grid import scalar_maps, values_of


@styled
def cell_volume_maps(
    rows: Mapping[str, Mapping[str, np.ndarray]],
    step_m: float,
    reference: float,
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Maps (y x) of volumes in cubic angstrom; a second scale has the change against `reference` in per cent."""
    limits = limits or robust_limits(values_of(rows), 0.0)
    figure = scalar_maps(rows, step_m, "cell volume / Å³", limits)
    bar = figure.axes[-1]

    def per_cent(volume):
        return 100 * (volume / reference - 1)

    def volume(change):
        return reference * (1 + change / 100)

    change = bar.secondary_yaxis("left", functions=(per_cent, volume))
    change.set_ylabel("change / %")
    change.spines[:].set_visible(False)
    return figure
