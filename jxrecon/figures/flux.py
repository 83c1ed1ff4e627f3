"""How bright each shot was."""

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .canvas import BLUE, colour_bar, new_figure, robust_limits, styled


@styled
def shot_flux(
    flux: Float[np.ndarray, " scan"],
    positions_px: Float[np.ndarray, "scan 2"],
    pixel_size_m: tuple[float, float],
) -> Figure:
    """Intensity of each shot relative to the mean, in the order of the scan and over the specimen."""
    figure = new_figure(10.4, 4.2)
    order, place = figure.subplots(1, 2, width_ratios=[1.25, 1])
    order.plot(np.arange(len(flux)), flux, ".", color=BLUE, markersize=4)
    order.axhline(1.0, color="black", linewidth=0.6)
    order.set(xlabel="shot", ylabel="flux / mean flux", title=f"spread {100 * np.std(flux):.2g} % rms")
    order.xaxis.set_major_locator(MaxNLocator(integer=True))
    order.grid(alpha=0.25)
    points = positions_px * np.asarray(pixel_size_m) * 1e6
    low, high = robust_limits(flux, 1.0)
    dots = place.scatter(points[:, 1], points[:, 0], c=flux, s=14, cmap="viridis", vmin=low, vmax=high)
    place.set(xlabel="x / µm", ylabel="y / µm", aspect="equal")
    place.invert_yaxis()
    colour_bar(figure, dots, "flux / mean flux")
    return figure
