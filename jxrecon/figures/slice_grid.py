"""All tomograms of a study side by side, a slice of each with its resolution (figure S2 of Tsai et al.)."""

import dataclasses
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from jaxtyping import Real
from matplotlib import patheffects
from matplotlib.figure import Figure

from .canvas import colour_bar, image_axes, new_figure, scale_bar, styled
from .orthoslices import DENSITY, DENSITY_MAP, LIMITS, extend
from .state_grid import state_name

SIDE = 1.75  # inches


@dataclasses.dataclass(frozen=True)
class Tomogram:
    """A slice in e/A^3; resolution: half period in nanometres, or None where nobody knows; name: `seed 3`."""

    image: Real[np.ndarray, "y x"]
    resolution_nm: float | None = None
    name: str = ""


@styled
def slice_grid(
    rows: Mapping[str, Sequence[Tomogram]], voxel_m: float, limits: tuple[float, float] = LIMITS
) -> Figure:
    """A row for each state; in every slice its name and its resolution."""
    columns = max(len(row) for row in rows.values())
    figure = new_figure(SIDE * columns + 1.6, SIDE * len(rows) + 0.2)
    panels = figure.subplots(len(rows), columns, squeeze=False)
    look = {"cmap": matplotlib.colormaps[DENSITY_MAP], "vmin": limits[0], "vmax": limits[1]}
    outline: list[patheffects.AbstractPathEffect] = [patheffects.withStroke(linewidth=2, foreground="black")]
    drawn = None
    for r, (state, row) in enumerate(rows.items()):
        for k in range(columns):
            axes = panels[r, k]
            image_axes(axes)
            if k == 0:
                axes.set_ylabel(state_name(state))
            if k >= len(row):
                axes.set_visible(False)
                continue
            drawn = axes.imshow(row[k].image, **look)
            words = {"transform": axes.transAxes, "color": "white", "size": 8, "path_effects": outline}
            axes.text(0.03, 0.97, row[k].name, va="top", **words)
            known = row[k].resolution_nm
            if known is not None:
                axes.text(0.97, 0.03, f"{known:.0f} nm", ha="right", **words)
    first = next(iter(rows.values()))[0].image
    scale_bar(panels[0, 0], voxel_m, (first.shape[0], first.shape[1]))
    assert drawn is not None
    values = np.concatenate([t.image.ravel() for row in rows.values() for t in row])
    colour_bar(figure, drawn, DENSITY, ax=panels.ravel().tolist(), extend=extend(values, limits))
    return figure
