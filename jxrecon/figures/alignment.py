"""Where the specimen lay in each view: shifts of the projections against the rotation angle, and what is wrong with them."""

from typing import Any

import numpy as np
from jaxtyping import Real
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..analysis.volume_truth import alignment_residue
from .canvas import BLACK, BLUE, VERMILION, new_figure, styled

NAMES = (("v", "vertical", VERMILION), ("u", "horizontal", BLUE))
FOUND: dict[str, Any] = {"marker": "o", "markersize": 3.5, "linestyle": "none", "markeredgewidth": 0}

LEAST_PX = 0.1  # height of a panel: less is the rounding of shifts that nothing moved


def _finish(axes: Axes, name: str, label: str) -> None:
    axes.set_ylabel(f"{name} / px")
    axes.grid(alpha=0.25)
    low, high = axes.get_ylim()
    short = max(LEAST_PX - (high - low), 0) / 2
    axes.set_ylim(low - short, high + short)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.05), title=label, alignment="left")


@styled
def alignment(
    found: Real[np.ndarray, "view 2"],
    angle_deg: Real[np.ndarray, " view"],
    true: Real[np.ndarray, "view 2"] | None = None,
) -> Figure:
    """Shifts v and u in pixels; the truth as a line where it is known, and below what the found ones differ by.

    What the data cannot tell is taken out of the found shifts before they are compared: a constant from v, and from u a constant
    and the motion of a specimen that lies elsewhere (cos and sin of the angle).
    """
    order = np.argsort(angle_deg, kind="stable")
    angle = np.asarray(angle_deg, np.float64)[order]
    shifts = np.asarray(found, np.float64)[order]
    residue = None if true is None else alignment_residue(shifts, np.asarray(true)[order], np.radians(angle))
    rows = 2 if residue is None else 3
    figure = new_figure(8.6, 2.2 * rows + 0.5)
    panels = figure.subplots(rows, 1, sharex=True)
    for k, (axes, (name, label, colour)) in enumerate(zip(panels, NAMES)):
        points = shifts[:, k]
        if residue is not None:
            truth = np.asarray(true, np.float64)[order, k]
            axes.plot(angle, truth, color=BLACK, linewidth=1.0, label="true")
            points = truth + residue.residue[:, k]
        axes.plot(
            angle, points, color=colour, label="found" if residue is None else "found, gauge removed", **FOUND
        )
        _finish(axes, f"shift {name}", label)
    if residue is not None:
        rms = (residue.rms_v_px, residue.rms_u_px)
        for k, (name, _, colour) in enumerate(NAMES):
            panels[2].plot(
                angle, residue.residue[:, k], color=colour, label=f"{name}: {rms[k]:.2g} px rms", **FOUND
            )
        panels[2].axhline(0, color=BLACK, linewidth=0.6)
        _finish(panels[2], "found − true", "residue")
    panels[-1].set_xlabel("rotation angle / °")
    panels[-1].xaxis.set_major_locator(MaxNLocator(9, steps=[1, 1.5, 2, 3, 4.5, 6, 9, 10]))
    panels[-1].margins(x=0.02)
    return figure
