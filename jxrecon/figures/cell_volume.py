"""Volumes of the unit cell and their change against a reference (figure 4C of Tsai et al.)."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from .canvas import styled
from .state_grid import scalar_maps


@styled
def cell_volume_maps(
    rows: Mapping[str, Mapping[str, np.ndarray]],
    step_m: float,
    reference: float,
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Maps (y x) of volumes in cubic angstrom; a second scale has the change against `reference` in per cent."""
    figure = scalar_maps(rows, step_m, "cell volume / Å³", limits)
    bar = figure.axes[-1]
    change = bar.secondary_yaxis(
        "left", functions=(lambda v: 100 * (v / reference - 1), lambda p: reference * (1 + p / 100))
    )
    change.set_ylabel("change / %")
    change.spines[:].set_visible(False)
    return figure
