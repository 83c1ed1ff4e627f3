"""How much of the particle lies in pores of which diameter, in several states (figure 3A of Tsai et al.)."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from ..analysis.pores import PoreSizes
from .canvas import BLUE, GREEN, ORANGE, VERMILION, new_figure, styled
from .state_grid import state_name
from .state_peaks import COLOURS

STATE_COLOURS = {"pristine": BLUE, "delithiated": GREEN, "cycled_large": ORANGE, "cycled_small": VERMILION}


def state_colour(name: str, number: int) -> str:
    """The same in all figures for a state of the twin; others take what comes."""
    return STATE_COLOURS.get(name, COLOURS[number % len(COLOURS)])


def volume_share(sizes: PoreSizes) -> Float[np.ndarray, " bin"]:
    """Per cent of the particle's volume in pores of each bin."""
    return 100 * sizes.porosity * (1 - sizes.unresolved) * sizes.share


@styled
def pore_histogram(
    states: Mapping[str, Sequence[PoreSizes]],
    truth: Mapping[str, Sequence[PoreSizes]] | None = None,
    resolution_nm: float = 0.0,
) -> Figure:
    """Means over the particles of a state, with half the standard deviation between them; the truth as thin broken lines.

    All have the same bins. resolution_nm: below it nothing was counted.
    """
    figure = new_figure(7.4, 4.6)
    axes = figure.add_subplot()
    for k, (name, several) in enumerate(states.items()):
        colour = state_colour(name, k)
        edges, shares = several[0].edges * 1e9, np.stack([volume_share(s) for s in several])
        porosity = 100 * float(np.mean([s.porosity for s in several]))
        mean = 1e9 * float(np.nanmean([s.mean for s in several]))
        label = f"{state_name(name)}: {porosity:.1f} % pores, {mean:.0f} nm"
        axes.stairs(shares.mean(axis=0), edges, color=colour, linewidth=1.8, label=label)
        if len(several) > 1:
            offset = (k - (len(states) - 1) / 2) * 0.12 * (edges[1] - edges[0])
            middle, half = (edges[1:] + edges[:-1]) / 2 + offset, shares.std(axis=0) / 2
            axes.errorbar(middle, shares.mean(axis=0), half, fmt="none", ecolor=colour, elinewidth=1.2)
        if truth and name in truth:
            exact = np.mean([volume_share(s) for s in truth[name]], axis=0)
            axes.stairs(exact, truth[name][0].edges * 1e9, color=colour, linewidth=1.0, linestyle="--")
    if truth:
        axes.plot([], [], color="0.4", linewidth=1.0, linestyle="--", label="truth")
    if resolution_nm > 0:
        axes.axvspan(0, resolution_nm, color="0.9", zorder=0)
        words = {"rotation": 90, "va": "top", "ha": "center", "color": "0.4"}
        axes.text(resolution_nm / 2, 0.98, "not resolved", transform=axes.get_xaxis_transform(), **words)
    axes.set(xlabel="pore diameter / nm", ylabel="share of the particle's volume / %", xlim=(0, None))
    axes.set_ylim(0, None)
    axes.legend()
    return figure
