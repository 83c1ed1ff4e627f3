"""Measured frames beside the predicted ones, and the difference in units of the counting noise."""

import matplotlib
import numpy as np
from jaxtyping import Bool, Float
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from .canvas import NOT_MEASURED, colour_bar, new_figure, styled

SIGMAS = 5.0


def deviation(
    measured: Float[np.ndarray, "*frame v u"], predicted: Float[np.ndarray, "*frame v u"]
) -> Float[np.ndarray, "*frame v u"]:
    """(measured - predicted) / sqrt(max(predicted, 1)): in standard deviations where there are counts."""
    return (measured - predicted) / np.sqrt(np.maximum(predicted, 1.0))


def shared_norm(measured: np.ndarray, predicted: np.ndarray) -> LogNorm:
    """One logarithmic scale for both, from the faintest of one count or of a millionth of the brightest."""
    finite = np.concatenate([x[np.isfinite(x)] for x in (measured, predicted)])
    positive = finite[finite > 0]
    if positive.size == 0:
        return LogNorm(0.1, 1.0)
    top = float(np.percentile(positive, 99.99))
    floor = max(min(0.5, top / 10), top * 1e-6, float(np.min(positive)))
    return LogNorm(min(floor, top / 2), top)


@styled
def patterns(
    measured: Float[np.ndarray, "frame v u"],
    predicted: Float[np.ndarray, "frame v u"],
    mask: Bool[np.ndarray, "v u"],
    numbers: list[int],
) -> Figure:
    """One row per frame: measured, predicted, difference. Pixels that were not measured or not used are grey.

    Frames have the beam at the array's centre; `numbers` are the frames' numbers in the scan.
    """
    count, height, width = measured.shape
    figure = new_figure(11.4, 3.5 * count * min(max(height / width, 0.4), 1.6) + 0.3)
    grid = figure.subplots(count, 3, squeeze=False, sharex=True, sharey=True)
    extent = (-(width // 2) - 0.5, width - width // 2 - 0.5, height - height // 2 - 0.5, -(height // 2) - 0.5)
    for row, number, counts, model in zip(grid, numbers, measured, predicted, strict=True):
        seen = np.where(mask & (counts >= 0), counts, np.nan)
        norm = shared_norm(seen, model)
        intensity = matplotlib.colormaps["viridis"].with_extremes(
            bad=NOT_MEASURED, under=matplotlib.colormaps["viridis"](0.0)
        )
        signed = matplotlib.colormaps["RdBu_r"].with_extremes(bad=NOT_MEASURED)
        # A count of zero has no logarithm: draw it as the darkest colour, not as a pixel without a measurement.
        zeroless = np.where(seen <= 0, norm.vmin * 0.5, seen)  # pyright: ignore[reportOptionalOperand]
        row[0].imshow(zeroless, cmap=intensity, norm=norm, extent=extent, interpolation="auto")
        drawn = row[1].imshow(
            np.where(model <= 0, norm.vmin * 0.5, model),  # pyright: ignore[reportOptionalOperand]
            cmap=intensity, norm=norm, extent=extent, interpolation="auto",
        )  # fmt: skip
        colour_bar(figure, drawn, "counts", ax=list(row[:2]))
        residual = deviation(seen, model)
        drawn = row[2].imshow(
            residual, cmap=signed, vmin=-SIGMAS, vmax=SIGMAS, extent=extent, interpolation="auto"
        )
        colour_bar(figure, drawn, "difference / σ", ax=row[2], extend="both")
        rms = np.sqrt(np.nanmean(residual**2)) if np.isfinite(residual).any() else np.nan
        row[0].set(title=f"frame {number}, measured", ylabel="detector pixel")
        row[1].set(title="predicted")
        row[2].set(title=f"(measured − predicted) / σ, rms {rms:.3g}")
    for axes in grid[-1]:
        axes.set_xlabel("detector pixel")
    return figure
