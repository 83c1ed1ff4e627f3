"""Stated standard errors beside the spread of repeated measurements: maps, and one against the other."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.figure import Figure

from .canvas import (
    BLACK,
    BLUE,
    NOT_MEASURED,
    VERMILION,
    colour_bar,
    image_axes,
    new_figure,
    scale_bar,
    styled,
)

TITLES = {"noise": "stated: noise", "spread": "spread over the draws", "total": "stated: total"}


@styled
def stated_and_found(
    maps: Mapping[str, Float[np.ndarray, "y x"]], mask: Bool[np.ndarray, "y x"], unit: str, voxel_m: float
) -> Figure:
    """`maps`: noise and total as stated, and the spread that was found; voxels of the mask count."""
    figure = new_figure(15, 4.2)
    panels = figure.subplots(1, 4, width_ratios=[1, 1, 1, 1.15])
    high = float(np.percentile(np.concatenate([values[mask] for values in maps.values()]), 98))
    for axes, name in zip(panels, TITLES):
        axes.set_facecolor(NOT_MEASURED)
        image = axes.imshow(np.where(mask, maps[name], np.nan), cmap="magma", vmin=0, vmax=high)
        image_axes(axes, TITLES[name])
    scale_bar(panels[0], voxel_m, (mask.shape[0], mask.shape[1]))
    colour_bar(figure, image, unit, ax=list(panels[:3]), shrink=0.75, extend="max")
    last = panels[3]
    for name, colour, marker in (("noise", BLUE, "o"), ("total", VERMILION, "^")):
        last.plot(
            maps[name][mask], maps["spread"][mask], marker, color=colour, markersize=3, alpha=0.5, label=name
        )
    both = np.concatenate([values[mask] for values in maps.values()])
    ends = np.array([0.0, 1.05 * both.max()])
    last.plot(ends, ends, color=BLACK, linewidth=1)
    last.fill_between(ends, 0.8 * ends, 1.2 * ends, color=BLACK, alpha=0.12, linewidth=0, label="± 20 %")
    last.set(xlabel=f"stated standard error ({unit})", ylabel=f"spread over the draws ({unit})")
    last.set(xlim=ends, ylim=ends)
    last.legend(loc="upper left")
    return figure
