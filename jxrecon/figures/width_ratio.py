"""How much broader (003) is than (104): disorder between the layers against that within (figure 4B of Tsai et al.)."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from .canvas import styled
from .state_grid import scalar_maps


@styled
def width_ratio_maps(
    rows: Mapping[str, Mapping[str, np.ndarray]], step_m: float, limits: tuple[float, float] | None = None
) -> Figure:
    """Maps (y x) of FWHM(003) / FWHM(104), not a number outside of the specimens."""
    return scalar_maps(rows, step_m, "FWHM(003) / FWHM(104)", limits, "plasma")
