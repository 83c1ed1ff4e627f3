"""Fourier shell correlation of two independent halves of a volume, and of the volume with the known truth."""

import numpy as np
from matplotlib.figure import Figure

from ..analysis.resolution import RingCorrelation
from ..analysis.shell_correlation import TRUTH, fixed_crossing
from .canvas import GREEN, new_figure, styled
from .ring_correlation import draw_correlation, half_period_text, mark_crossing


@styled
def shell_correlation_curve(
    curve: RingCorrelation, voxel_m: float, truth: RingCorrelation | None = None
) -> Figure:
    """Curve of the halves with half-bit and one-bit thresholds and their crossings; half periods on the upper axis.

    truth: correlation of the whole reconstruction with what is true, which resolves down to one half.
    """
    figure = new_figure(7.2, 5.8)
    axes = figure.add_subplot()
    draw_correlation(axes, curve, voxel_m, "shell", "voxels")
    axes.lines[0].set_label("two halves")
    if truth is not None:
        crossing = fixed_crossing(truth, TRUTH)
        label = f"with the truth, {TRUTH:g}: {half_period_text(crossing, voxel_m, 'voxels')}"
        axes.plot(truth.frequency, truth.correlation, color=GREEN, linewidth=1.8, label=label)
        mark_crossing(axes, crossing, truth.frequency, np.full_like(truth.frequency, TRUTH), GREEN)
    figure.legend(loc="outside lower center")
    return figure
