"""Patterns of single voxels in the core and in the shell of particles, with their fits (figure 5B of Tsai et al.)."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .canvas import BLACK, BLUE, VERMILION, new_figure, styled
from .state_grid import state_name
from .state_peaks import REGIONS

COLOURS = {"core": VERMILION, "shell": BLUE}


class VoxelPattern(NamedTuple):
    """Counts of one voxel, the fit to them, and the width of (003), degrees, that it found; the truth where it is known."""

    counts: Float[np.ndarray, " channel"]
    fit: Float[np.ndarray, " channel"]
    fwhm_deg: float
    truth: Float[np.ndarray, " channel"] | None = None
    true_fwhm_deg: float | None = None


@styled
def core_and_shell(
    particles: Mapping[str, Mapping[str, VoxelPattern]],
    two_theta_deg: Float[np.ndarray, " channel"],
    regions: Mapping[str, tuple[float, float]] = REGIONS,
) -> Figure:
    """A row for each particle, all on one scale of counts: dots are the voxel, lines the fit, broken ones the truth."""
    figure = new_figure(4.0 * len(regions), 2.9 * len(particles) + 0.6)
    panels = figure.subplots(len(particles), len(regions), sharey=True, squeeze=False)
    for number, (particle, voxels) in enumerate(particles.items()):
        row = panels[number]
        for axes, (name, (low, high)) in zip(row, regions.items()):
            here = (two_theta_deg >= low) & (two_theta_deg <= high)
            for place, voxel in voxels.items():
                colour, x = COLOURS[place], two_theta_deg[here]
                true = "" if voxel.true_fwhm_deg is None else f" (true {voxel.true_fwhm_deg:.3f}°)"
                label = f"{place}, FWHM(003) {voxel.fwhm_deg:.3f}°{true}"
                axes.plot(x, voxel.counts[here], ".", color=colour, markersize=3.5, alpha=0.6)
                axes.plot(x, voxel.fit[here], color=colour, linewidth=1.4, label=label)
                if voxel.truth is not None:
                    last = place == list(voxels)[-1]
                    look = {"color": BLACK, "linewidth": 0.9, "linestyle": (0, (4, 2))}
                    axes.plot(x, voxel.truth[here], label="truth" if last else None, **look)
            axes.set(xlim=(low, high))
            axes.xaxis.set_major_locator(MaxNLocator(6, prune="both"))
            axes.set_title(f"({name})" if number == 0 else "")
            axes.set_xlabel("2θ / degrees" if number == len(panels) - 1 else "")
        row[0].set_ylabel(f"{state_name(particle)}\ncounts per channel")
        row[-1].legend(loc="upper right", fontsize=9)
    return figure
