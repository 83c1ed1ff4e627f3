"""Where the probe stood: nominal positions, and what the reconstruction found different."""

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from .canvas import BLUE, VERMILION, length_text, new_figure, round_length, styled


def spacing(points: Float[np.ndarray, "scan 2"]) -> float:
    """Side of the square that belongs to one position, in the unit of the positions."""
    height, width = np.ptp(points, axis=0)
    side = np.sqrt(height * width / max(len(points), 1))
    return float(side or max(height, width) / max(len(points), 1) or 1.0)


@styled
def scan_positions(
    nominal_px: Float[np.ndarray, "scan 2"],
    found_px: Float[np.ndarray, "scan 2"],
    pixel_size_m: tuple[float, float],
) -> Figure:
    """Nominal positions (dots) and corrections (arrows, enlarged by the factor in the title); the common shift is taken out.

    Axes run as in the pictures of the object: y downwards. Both in micrometres from the object's centre.
    """
    scale = np.asarray(pixel_size_m) * 1e6
    nominal, change = nominal_px * scale, (found_px - nominal_px) * scale
    change = change - change.mean(0)
    length = np.hypot(*change.T)
    rms = float(np.sqrt(np.mean(length**2)))
    figure = new_figure(6.4, 6.2)
    axes = figure.add_subplot()
    dot = float(np.clip(70 / np.sqrt(len(nominal)), 1.2, 4.0))
    handles = axes.plot(
        nominal[:, 1], nominal[:, 0], "o", color=BLUE, markersize=dot, markeredgewidth=0, label="nominal"
    )
    title = f"{len(nominal)} positions"
    if rms > 1e-4 * scale.min():
        factor = round_length(max(1.3 * spacing(nominal) / max(np.percentile(length, 95), 1e-12), 1.0))
        axes.quiver(
            *nominal.T[::-1], *(factor * change).T[::-1], color=VERMILION, angles="xy", scale_units="xy", scale=1,
            width=0.0025, headwidth=4, headlength=4, headaxislength=3.5, minlength=0.5, zorder=3,
        )  # fmt: skip
        axes.update_datalim((nominal + factor * change)[:, ::-1])
        handles.append(Line2D([], [], color=VERMILION, marker=">", label=f"correction × {factor:g}"))
        title += (
            f"; corrections {length_text(rms * 1e-6)} rms ({rms / np.mean(scale):.2g} px), drawn × {factor:g}"
        )
    axes.set(xlabel="x / µm", ylabel="y / µm", title=title, aspect="equal")
    axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    axes.invert_yaxis()
    axes.margins(0.06)
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure
