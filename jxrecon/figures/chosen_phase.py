"""Which of several alternatives describes the pattern of every point of a map, and how surely."""

import matplotlib
import numpy as np
from jaxtyping import Float, Int
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure

from .canvas import BLUE, GREEN, NOT_MEASURED, ORANGE, PURPLE, SKY, VERMILION, colour_bar, new_figure, styled

COLOURS = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY)


@styled
def chosen_phase(
    chosen: Int[np.ndarray, "y x"],
    held_out: Float[np.ndarray, "y x"],
    ahead: Float[np.ndarray, "y x"],
    names: tuple[str, ...],
) -> Figure:
    """chosen: number of the alternative, negative where nothing was measured; held_out: its chi^2 per channel kept back."""
    figure = new_figure(13.5, 4.2)
    panels = figure.subplots(1, 3)
    palette = ListedColormap([COLOURS[k % len(COLOURS)] for k in range(len(names))]).with_extremes(
        bad=NOT_MEASURED
    )
    masked = np.ma.masked_less(chosen, 0)
    drawn = panels[0].imshow(
        masked, cmap=palette, norm=BoundaryNorm(np.arange(len(names) + 1) - 0.5, len(names))
    )
    bar = figure.colorbar(drawn, ax=panels[0], ticks=range(len(names)), shrink=0.8, aspect=16)
    bar.ax.set_yticklabels(names)
    panels[0].set_title("chosen")
    grey = matplotlib.colormaps["viridis"].with_extremes(bad=NOT_MEASURED)
    for axes, values, title, label in (
        (panels[1], held_out, "data kept back", r"$\chi^2$ per channel"),
        (
            panels[2],
            np.minimum(ahead, 10),
            "simpler ones refuted by",
            "standard errors (10: more, or none simpler)",
        ),
    ):
        image = axes.imshow(np.where(chosen < 0, np.nan, values), cmap=grey)
        axes.set_title(title)
        colour_bar(figure, image, label, ax=axes)
    for axes in panels:
        axes.set(xlabel="column")
    panels[0].set(ylabel="row")
    return figure
