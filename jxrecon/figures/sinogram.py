"""One row of all projections against the rotation angle, and where it lies in a projection."""

import numpy as np
from jaxtyping import Float, Real
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .canvas import colour_bar, image_axes, new_figure, robust_limits, scale_bar, styled


def edges(angle: Float[np.ndarray, " view"]) -> Float[np.ndarray, " edge"]:
    """Borders half-way between ascending angles; the outermost as far out as their neighbours are in."""
    if len(angle) == 1:
        return np.array([angle[0] - 0.5, angle[0] + 0.5])
    middle = (angle[1:] + angle[:-1]) / 2
    return np.concatenate([[2 * angle[0] - middle[0]], middle, [2 * angle[-1] - middle[-1]]])


@styled
def sinogram(
    projections: Real[np.ndarray, "view v u"],
    angle_deg: Real[np.ndarray, " view"],
    pixel_m: float,
    row: int | None = None,
    label: str = "phase / rad",
) -> Figure:
    """Left a projection (the one nearest to half-way through the angles), right the sinogram of its dotted row.

    row: v of the sinogram, by default the middle. label: what the projections are, with their unit. Views may be in any order.
    """
    order = np.argsort(angle_deg, kind="stable")
    angle = np.asarray(angle_deg, np.float64)[order]
    count, height, width = projections.shape
    row = height // 2 if row is None else row
    shown = order[count // 2]
    limits = robust_limits(projections, 0.2)
    figure = new_figure(10.4, 4.6)
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.25])
    drawn = left.imshow(projections[shown], cmap="gray", vmin=limits[0], vmax=limits[1], interpolation="auto")
    left.axhline(row, color="#E69F00", linewidth=1.2, linestyle=(0, (1, 2)))
    image_axes(left, f"projection at {angle_deg[shown]:.1f}°")
    scale_bar(left, pixel_m, (height, width))
    u = (np.arange(width + 1) - width / 2) * pixel_m * 1e6
    right.pcolormesh(
        u, edges(angle), projections[order, row], cmap="gray", vmin=limits[0], vmax=limits[1], rasterized=True
    )
    right.set(xlabel="u / µm", ylabel="rotation angle / °", title=f"row {row} of {count} projections")
    right.invert_yaxis()
    right.yaxis.set_major_locator(MaxNLocator(7, steps=[1, 1.5, 2, 3, 4.5, 6, 9, 10]))
    colour_bar(figure, drawn, label, ax=[left, right])
    return figure
