"""Sum spectra of energy-dispersive detectors with their fit, and maps of what was fitted in every point."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from .canvas import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    VERMILION,
    colour_bar,
    image_axes,
    new_figure,
    scale_bar,
    styled,
)

LEAST = 0.5  # counts at the bottom of the logarithmic axis
LABELLED = 0.004  # of all counts: what gets its name
COLUMNS = 4


@styled
def element_spectra(
    energy_keV: Sequence[Float[np.ndarray, " channel"]],
    counts: Sequence[Float[np.ndarray, " channel"]],
    parts: Sequence[Mapping[str, Float[np.ndarray, " channel"]]],
    titles: Sequence[str],
    scatter: Sequence[str] = (),
    smooth: Sequence[str] = (),
) -> Figure:
    """A panel for each detector: counts, the sum of `parts`, and the parts; `scatter`, `smooth`: what is no
    element, and what is background."""
    figure = new_figure(10.5, 2.5 * len(counts) + 0.8)
    panels = figure.subplots(len(counts), 1, squeeze=False)[:, 0]
    for number, (axes, energy, measured, several, title) in enumerate(
        zip(panels, energy_keV, counts, parts, titles, strict=True)
    ):
        label = (lambda text: None) if number else (lambda text: text)
        axes.plot(
            energy, np.maximum(measured, LEAST), ".", color=BLACK, markersize=2.5, label=label("measured")
        )
        background = sum((several[name] for name in smooth), np.zeros_like(measured))
        axes.plot(energy, np.maximum(background, LEAST), "--", color=GREEN, lw=1.2, label=label("background"))
        for name, values in several.items():
            if name in smooth or values.sum() < LABELLED * measured.sum():
                continue
            colour = ORANGE if name in scatter else BLUE
            axes.fill_between(energy, LEAST, np.maximum(values, LEAST), color=colour, alpha=0.25, linewidth=0)
            top = int(np.argmax(values))
            if name not in scatter:
                axes.annotate(name, (energy[top], values[top] + background[top]), (0, 7), textcoords="offset points",
                              ha="center", fontsize=9, color=BLUE)  # fmt: skip
        fitted = np.sum(list(several.values()), axis=0)
        axes.plot(energy, np.maximum(fitted, LEAST), color=VERMILION, lw=1.1, label=label("fit"))
        axes.set(
            yscale="log", ylabel="counts", title=title, ylim=(LEAST, 4 * measured.max()), xlim=(energy[0], energy[-1])
        )  # fmt: skip
    panels[-1].set_xlabel("energy / keV")
    figure.legend(loc="outside upper center", ncols=3)
    return figure


@styled
def map_grid(maps: Mapping[str, Float[np.ndarray, "y x"]], step_m: float | None, units: str) -> Figure:
    """One map beside the other, each with colours of its own from zero on."""
    shape = next(iter(maps.values())).shape
    columns = min(COLUMNS, len(maps))
    rows = -(-len(maps) // columns)
    figure = new_figure(3.3 * columns, 2.5 * rows * min(max(shape[0] / shape[1], 0.6), 1.6) + 0.5)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (name, values) in zip(panels, maps.items()):
        drawn = axes.imshow(values, cmap="viridis", vmin=0)
        image_axes(axes, name)
        colour_bar(figure, drawn, units, ax=axes)
    for axes in panels[len(maps) :]:
        axes.set_visible(False)
    if step_m is not None:
        scale_bar(panels[0], step_m, (shape[0], shape[1]))
    return figure
