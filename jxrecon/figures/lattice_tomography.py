"""Maps of a slice of a diffraction tomogram: value, standard error, truth and difference below each other; its mean pattern."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from .canvas import (
    BLACK,
    BLUE,
    NOT_MEASURED,
    VERMILION,
    colour_bar,
    image_axes,
    new_figure,
    robust_limits,
    scale_bar,
    styled,
)

UNITS = {"angstrom": "Å", "angstrom^3": "Å³", "deg": "degrees of 2θ", "counts deg": "counts × degree"}
SIZE = 3.1  # inches of a panel
ANGLES = ("alpha", "beta", "gamma")


def title_of(name: str) -> str:
    """`fwhm_003` as a person writes it."""
    kind, _, index = name.partition("_")
    words = {"fwhm": f"FWHM of ({index})", "area": f"area of ({index})", "volume": "cell volume V"}
    return words.get(kind, name)


def _unit(name: str, unit: str) -> str:
    return "degrees" if name in ANGLES else UNITS.get(unit, unit)


def _draw(figure: Figure, axes, values, title: str, label: str, colours: str, limits) -> None:
    axes.set_facecolor(NOT_MEASURED)
    image = axes.imshow(values, cmap=colours, vmin=limits[0], vmax=limits[1])
    image_axes(axes, title)
    colour_bar(figure, image, label, ax=axes, shrink=0.8)


@styled
def lattice_rows(
    columns: Mapping[str, tuple[Float[np.ndarray, "y x"], str]],
    errors: Mapping[str, Float[np.ndarray, "y x"]],
    truth: Mapping[str, Float[np.ndarray, "y x"]],
    voxel_m: float | None,
    beside: str = "truth",
) -> Figure:
    """A column for each quantity; rows: what was found, its error by noise, for a simulation truth and difference.

    beside: what `truth` is, where it is something else.
    """
    rows = ["found", *["error"] * bool(errors), *[beside, "difference"] * bool(truth)]
    shape = next(iter(columns.values()))[0].shape
    figure = new_figure((SIZE + 0.7) * len(columns), SIZE * len(rows) * shape[0] / shape[1] + 0.2)
    panels = figure.subplots(len(rows), len(columns), squeeze=False)
    for k, (name, (values, unit)) in enumerate(columns.items()):
        seen = np.isfinite(values)
        limits = robust_limits(values, 1.0)
        label = _unit(name, unit)
        for axes, row in zip(panels[:, k], rows):
            title = f"{title_of(name)}, {row}" if row != "error" else f"standard error of {title_of(name)}"
            if row == "found":
                _draw(figure, axes, values, title, label, "viridis", limits)
            elif row == "error" and name in errors:
                top = robust_limits(np.where(seen, errors[name], np.nan), 2.0)[1]
                _draw(figure, axes, errors[name], title, label, "magma", (0.0, top))
            elif row == beside and name in truth:
                _draw(figure, axes, truth[name], title, label, "viridis", limits)
            elif row == "difference" and name in truth:
                off = values - truth[name]
                most = max(abs(v) for v in robust_limits(off, 2.0))
                _draw(
                    figure, axes, off, f"{title_of(name)}, found − {beside}", label, "RdBu_r", (-most, most)
                )
            else:
                axes.set_visible(False)
    if voxel_m is not None:
        for axes in panels[:, 0]:
            if axes.get_visible():
                scale_bar(axes, voxel_m, (shape[0], shape[1]))
    else:
        figure.supxlabel("voxels; the step is not recorded", fontsize=11)
    return figure


@styled
def mean_pattern_fit(
    two_theta_deg: Float[np.ndarray, " bin"],
    channels: Float[np.ndarray, " bin"],
    measured: Float[np.ndarray, " bin"],
    expected: Float[np.ndarray, " bin"],
    centres_deg: Float[np.ndarray, " peak"],
    names: tuple[str, ...],
) -> Figure:
    """Mean over all rays of a slice, counts per channel, with the sum of what its voxels give."""
    figure = new_figure(10, 5)
    top, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    y, m = measured / channels, expected / channels
    top.plot(two_theta_deg, y, ".", color=BLACK, markersize=3, label="measured, mean of all rays")
    top.plot(two_theta_deg, m, color=VERMILION, linewidth=1.2, label="from the maps")
    high = float(np.max(y))
    edge = -np.inf
    gap = np.ptp(two_theta_deg) / 25
    for centre, name in sorted(zip(centres_deg.tolist(), names)):
        top.plot([centre, centre], [-0.06 * high, -0.02 * high], color=BLACK, linewidth=1.2)
        edge = max(centre, edge + gap)
        top.annotate(name, (edge, 1.04 * high), fontsize=9, ha="center", va="bottom", annotation_clip=False)
    top.set(ylabel="counts per channel", ylim=(-0.09 * high, 1.03 * high))
    figure.legend(*top.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    below.plot(two_theta_deg, y - m, color=BLUE, linewidth=0.8)
    below.axhline(0, color=BLACK, linewidth=0.6)
    below.set(xlabel="2θ (degrees)", ylabel="residual")
    return figure
