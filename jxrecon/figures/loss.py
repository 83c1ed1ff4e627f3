"""The value of every term of the objective, epoch by epoch."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Real
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .canvas import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, new_figure, styled

COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY)
DASHES = ("-", "--", "-.", ":")


@styled
def loss_curves(
    epochs: Real[np.ndarray, " epoch"], terms: Mapping[str, Real[np.ndarray, " epoch"]]
) -> Figure:
    """Weighted value of every term (nats) against the epoch; logarithmic where all values are positive.

    terms: name -> one value per entry of `epochs`; the entry `total`, if there is one, is drawn black and last.
    """
    figure = new_figure(7.2, 4.4)
    axes = figure.add_subplot()
    names = [name for name in terms if name != "total"]
    # One term is its own total: the same line twice would say nothing.
    drawn = names if len(names) == 1 else [*names, *(["total"] if "total" in terms else [])]
    for number, name in enumerate(drawn):
        style: dict[str, Any] = {"color": COLOURS[number % 6], "linestyle": DASHES[number // 6 % 4]}
        if name == "total":
            style = {"color": BLACK, "linestyle": (0, (4, 4)), "linewidth": 1.2}
        axes.plot(
            epochs, terms[name], label=name, marker="o" if len(epochs) < 4 else None, markersize=4, **style
        )
    finite = np.concatenate([np.asarray(terms[name], float) for name in drawn])
    finite = finite[np.isfinite(finite)]
    if finite.size and finite.min() > 0 and finite.max() > 2 * finite.min():
        axes.set_yscale("log")
    axes.set(xlabel="epoch", ylabel="term × weight / nat")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
    axes.margins(x=0.02)
    axes.grid(alpha=0.25)
    axes.legend()
    return figure
