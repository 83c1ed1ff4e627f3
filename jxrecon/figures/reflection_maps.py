"""Where which reflection stands out: areas of (101), (104), (003) as red, green, blue (figure 4A of Tsai et al.)."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..analysis.lattice import COLOURS, Areas, maxima, reflection_colours
from .canvas import styled
from .state_grid import grid

PURE = ("#ff0000", "#00ff00", "#0000ff")
INSET = 0.3  # of a panel's width


@styled
def reflection_maps(
    rows: Mapping[str, Mapping[str, Areas]], step_m: float, reference: str | None = "pristine"
) -> Figure:
    """Maps (y x) of several specimens, every reflection relative to its own maximum there.

    The insets, at the lower right, are relative to the maxima of the specimen `reference` in the same row: darker is weaker.
    """

    def draw(axes: Axes, row: str, column: str) -> tuple[int, int]:
        areas = rows[row][column]
        colours = reflection_colours(areas)
        axes.imshow(colours)
        if reference is not None and reference in rows[row] and column != reference:
            inset = axes.inset_axes((1 - INSET, 0, INSET, INSET))
            inset.imshow(reflection_colours(areas, maxima(rows[row][reference])))
            inset.set(xticks=[], yticks=[])
            inset.spines[:].set(visible=True, color="white", linewidth=1)
        height, width = np.shape(colours)[:2]
        return height, width

    figure, _ = grid(rows, step_m, draw)
    patches = [
        Line2D([], [], color=c, marker="s", linestyle="", label=f"({name})") for c, name in zip(PURE, COLOURS)
    ]
    title = f"each relative to its maximum; insets: to that of {reference}" if reference else None
    figure.legend(handles=patches, loc="outside lower center", ncols=3, title=title)
    return figure
