"""Maps of several specimens side by side, one below the other in rows: truth and reconstruction, projection and tomogram."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .canvas import NOT_MEASURED, colour_bar, image_axes, new_figure, robust_limits, scale_bar
from .orthoslices import extend

PANEL = 2.5  # inches


def state_name(state: str) -> str:
    """`cycled_small` as a person writes it."""
    return state.replace("_", ", ")


def grid(
    rows: Mapping[str, Mapping[str, Any]],
    step_m: float,
    draw: Callable[[Axes, str, str], tuple[int, int]],
    extra: float = 0.4,
) -> tuple[Figure, np.ndarray]:
    """A panel for each row and specimen. `draw(axes, row, specimen)` fills it and says the shape of its image."""
    columns = list(next(iter(rows.values())))
    figure = new_figure(PANEL * len(columns) + extra, PANEL * len(rows) + 0.5)
    panels = figure.subplots(len(rows), len(columns), squeeze=False)
    for r, row in enumerate(rows):
        for k, column in enumerate(columns):
            axes = panels[r, k]
            if column not in rows[row]:
                axes.set_visible(False)
                continue
            shape = draw(axes, row, column)
            image_axes(axes, state_name(column) if r == 0 else "")
            if k == 0:
                axes.set_ylabel(row)
                scale_bar(axes, step_m, shape)
    return figure, panels


def values_of(rows: Mapping[str, Mapping[str, np.ndarray]]) -> np.ndarray:
    """Of all maps together."""
    return np.concatenate([m.ravel() for maps in rows.values() for m in maps.values()])


def scalar_maps(
    rows: Mapping[str, Mapping[str, np.ndarray]],
    step_m: float,
    label: str,
    limits: tuple[float, float] | None = None,
    colours: str = "viridis",
) -> Figure:
    """One scale for all panels; what is not a number is grey."""
    every = values_of(rows)
    low, high = limits or robust_limits(every, 1.0)
    drawn = []

    def draw(axes: Axes, row: str, column: str) -> tuple[int, int]:
        image = rows[row][column]
        axes.set_facecolor(NOT_MEASURED)
        drawn.append(axes.imshow(image, cmap=colours, vmin=low, vmax=high))
        height, width = image.shape
        return height, width

    figure, panels = grid(rows, step_m, draw, extra=1.7)
    colour_bar(figure, drawn[0], label, ax=panels.ravel().tolist(), extend=extend(every, (low, high)))
    return figure
