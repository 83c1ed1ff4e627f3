"""Three slices through a volume at right angles, in electrons per cubic angstrom."""

from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Real
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .canvas import colour_bar, image_axes, new_figure, scale_bar, styled

DENSITY = "electron density / e Å⁻³"
DENSITY_MAP = "inferno"  # equal steps of lightness from air (black) to the densest
LIMITS = (0.5, 1.1)  # e/A^3: from what is hardly solid to what is hardly porous
LINE: dict[str, Any] = {"color": "white", "linewidth": 0.8, "linestyle": (0, (1, 3)), "alpha": 0.9}


def extend(values: Real[np.ndarray, "..."], limits: tuple[float, float]) -> str:
    """Which ends of a colour bar get a point: `neither`, `min`, `max` or `both`."""
    below, above = bool(np.any(values < limits[0])), bool(np.any(values > limits[1]))
    return {(False, False): "neither", (True, False): "min", (False, True): "max"}.get((below, above), "both")


def _slice(axes: Axes, image: np.ndarray, names: tuple[str, str], lines: tuple[int, int], **look: Any) -> Any:
    """One image with its axes' names; lines where the other two slices lie."""
    drawn = axes.imshow(image, **look)
    axes.axhline(lines[0], **LINE)
    axes.axvline(lines[1], **LINE)
    axes.set(ylabel=names[0], xlabel=names[1])
    return drawn


@styled
def orthoslices(
    volume: Real[np.ndarray, "z y x"],
    voxel_m: float,
    at: tuple[int, int, int] | None = None,
    limits: tuple[float, float] = LIMITS,
) -> Figure:
    """Slices across z, y and x through the voxel `at` (z, y, x; by default the middle), where dotted lines cross.

    limits: of the colours, e/A^3. The rotation axis z runs downwards, as v does in projections, and so does y.
    """
    z, y, x = at or (volume.shape[0] // 2, volume.shape[1] // 2, volume.shape[2] // 2)
    depth, rows, columns = volume.shape
    unit = 3.6 / max(rows, columns, depth)
    figure = new_figure(unit * (2 * columns + rows) + 2.0, unit * max(rows, depth) + 0.7)
    panels = figure.subplots(1, 3, width_ratios=[columns, columns, rows])
    colours = matplotlib.colormaps[DENSITY_MAP]
    look = {"cmap": colours, "vmin": limits[0], "vmax": limits[1], "interpolation": "auto"}
    drawn = _slice(panels[0], volume[z], ("y", "x"), (y, x), **look)
    _slice(panels[1], volume[:, y], ("z", "x"), (z, x), **look)
    _slice(panels[2], volume[:, :, x], ("z", "y"), (z, y), **look)
    micrometres = [(i - (n - 1) / 2) * voxel_m * 1e6 for i, n in zip((z, y, x), volume.shape)]
    for axes, name, place in zip(panels, "zyx", micrometres):
        image_axes(axes, f"{name} = {abs(place) * np.sign(np.round(place, 2)) + 0.0:.2f} µm")
    scale_bar(panels[0], voxel_m, (rows, columns))
    colour_bar(figure, drawn, DENSITY, ax=list(panels), extend=extend(volume, limits))
    return figure
