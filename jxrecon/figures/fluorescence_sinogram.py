"""Sinograms of one element in two detectors on opposite sides of the beam, and their difference, which absorption alone makes."""

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from .canvas import colour_bar, new_figure, styled
from .sinogram import edges


@styled
def fluorescence_sinogram(
    counts: Float[np.ndarray, "view detector u"],
    angle_deg: Float[np.ndarray, " view"],
    step_m: float,
    detector_deg: Float[np.ndarray, " detector"],
    name: str,
) -> Figure:
    """Counts of the window `name`; two detectors are compared where there are two."""
    order = np.argsort(angle_deg)
    counts, angles = counts[order], edges(angle_deg[order])
    images = [(f"{name}, detector at {d:+.0f}°", counts[:, k]) for k, d in enumerate(detector_deg)]
    two = len(images) == 2
    figure = new_figure(4.0 * (len(images) + two) + 0.8, 4.4)
    panels = figure.subplots(1, len(images) + two, squeeze=False)[0]
    u = (np.arange(counts.shape[2] + 1) - counts.shape[2] / 2) * step_m * 1e6
    for axes, (title, image) in zip(panels, images):
        drawn = axes.pcolormesh(u, angles, image, cmap="viridis", vmin=0, vmax=counts.max(), rasterized=True)
        axes.set(title=title, xlabel="u / µm")
    colour_bar(figure, drawn, "counts", ax=list(panels[: len(images)]))
    if two:
        difference = counts[:, 0] - counts[:, 1]
        most = float(np.abs(difference).max()) or 1.0
        drawn = panels[-1].pcolormesh(
            u, angles, difference, cmap="RdBu_r", vmin=-most, vmax=most, rasterized=True
        )
        panels[-1].set(title="difference", xlabel="u / µm")
        colour_bar(figure, drawn, "counts", ax=panels[-1])
    panels[0].set_ylabel("rotation angle / °")
    for axes in panels:
        axes.invert_yaxis()
    return figure
