"""Maps of elements beside each other: rows of quantities, columns of where they come from, and profiles through the middle."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from .canvas import BLACK, BLUE, VERMILION, colour_bar, image_axes, new_figure, scale_bar, styled

COLOURS = {0: BLACK, 1: BLUE, 2: VERMILION}
SHOWN = 99.5  # percentile that takes the brightest colour
ROWS = 3.0  # inches
NEAR = 0.25  # ratio maps: about the reference, to both sides


def _limits(values: Sequence[np.ndarray], about: float | None) -> tuple[float, float]:
    """From zero to the brightest of all, or to both sides of a reference."""
    if about is not None:
        return about * (1 - NEAR), about * (1 + NEAR)
    finite = np.concatenate([v[np.isfinite(v)] for v in values])
    return 0.0, float(np.percentile(finite, SHOWN)) if finite.size else 1.0


@styled
def element_maps(
    columns: Mapping[str, Float[np.ndarray, "y x element"]],
    elements: Sequence[str],
    voxel_m: float,
    label: str = "concentration / g cm⁻³",
    about: Float[np.ndarray, " element"] | None = None,
) -> Figure:
    """Every element a row with colours of its own, every source a column. `about`: colours to both sides of a share."""
    names = list(columns)
    shape = next(iter(columns.values())).shape[:2]
    figure = new_figure(ROWS * len(names) * shape[1] / shape[0] + 1.6, ROWS * len(elements) + 0.3)
    panels = figure.subplots(len(elements), len(names), squeeze=False)
    for k, element in enumerate(elements):
        maps = [columns[name][..., k] for name in names]
        low, high = _limits(maps, None if about is None else float(about[k]))
        look = {"cmap": "viridis" if about is None else "RdBu_r", "vmin": low, "vmax": high}
        for axes, name, values in zip(panels[k], names, maps, strict=True):
            axes.set_facecolor("#d8d8d8")
            drawn = axes.imshow(values, **look)
            image_axes(axes, f"{element}, {name}")
        colour_bar(
            figure, drawn, f"{element} {label}", ax=list(panels[k]), extend="neither" if about is None else "both"
        )  # fmt: skip
    scale_bar(panels[0, 0], voxel_m, shape)
    return figure


@styled
def element_profiles(
    columns: Mapping[str, Float[np.ndarray, "y x element"]],
    elements: Sequence[str],
    voxel_m: float,
    label: str = "share of the atoms",
) -> Figure:
    """Along x through the middle row."""
    figure = new_figure(8.4, 2.3 * len(elements) + 0.7)
    panels = figure.subplots(len(elements), 1, sharex=True, squeeze=False)[:, 0]
    for k, (axes, element) in enumerate(zip(panels, elements, strict=True)):
        for number, (name, maps) in enumerate(columns.items()):
            row = maps[maps.shape[0] // 2, :, k]
            place = (np.arange(len(row)) - (len(row) - 1) / 2) * voxel_m * 1e6
            axes.plot(place, row, color=COLOURS[number % 3], linewidth=1.6, label=None if k else name)
        axes.set(ylabel=f"{element}\n{label}")
        axes.margins(y=0.12)
    panels[-1].set_xlabel("x / µm")
    figure.legend(loc="outside upper center", ncols=len(columns))
    return figure
