"""Rings on a detector with where they should be, and the same unrolled: straight lines if the geometry is right."""

import matplotlib
import numpy as np
from jaxtyping import Real
from matplotlib.figure import Figure

from .canvas import NOT_MEASURED, SKY, colour_bar, new_figure, styled


@styled
def ring_image(
    image: Real[np.ndarray, "row column"],
    two_theta_deg: Real[np.ndarray, "row column"],
    cake: tuple[np.ndarray, np.ndarray, np.ndarray],
    rings_deg: Real[np.ndarray, " ring"],
) -> Figure:
    """image: counts, NaN where not measured; calculated rings are drawn over its right half, and dashed over the cake's top."""
    figure = new_figure(12, 5.4)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.25))
    low, high = np.nanpercentile(np.log10(np.maximum(image, 1)), (2, 99.7))
    colours = matplotlib.colormaps["inferno"].with_extremes(bad=NOT_MEASURED)
    look = {"vmin": low, "vmax": high, "cmap": colours}
    left.imshow(np.log10(np.maximum(image, 1)), interpolation="auto", **look)
    columns = np.arange(image.shape[1])
    half = np.where(columns > image.shape[1] / 2, two_theta_deg, np.nan)
    within = rings_deg[(rings_deg > np.nanmin(two_theta_deg)) & (rings_deg < np.nanmax(two_theta_deg))]
    left.contour(half, levels=np.unique(within), colors=SKY, linewidths=0.5)
    left.set(xlabel="column (pixels)", ylabel="row (pixels)", title="calculated rings on the right half")
    radial, azimuth, counts = cake
    with np.errstate(invalid="ignore"):
        logarithm = np.log10(np.maximum(counts, 1))
    drawn = right.pcolormesh(radial, azimuth, logarithm, rasterized=True, shading="auto", **look)
    right.vlines(within, 90, 180, color=SKY, linewidth=0.7, linestyle="dashed")
    right.set(xlabel="2θ (degrees)", ylabel="azimuth (degrees)", title="unrolled about the beam")
    right.set(xlim=(0, float(radial[-1])), ylim=(-180, 180), yticks=np.arange(-180, 181, 90))
    colour_bar(figure, drawn, "log$_{10}$ (counts)", ax=[left, right])
    return figure
