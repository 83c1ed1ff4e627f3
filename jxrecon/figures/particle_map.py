"""Maps of a particle's lattice: parameters with their errors, intensities of three reflections as colours, patterns of points."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..classical.particle_map import LatticeMap
from .canvas import BLACK, BLUE, NOT_MEASURED, VERMILION, colour_bar, new_figure, robust_limits, styled

LABELS = {
    "a": ("a", "Å"),
    "c": ("c", "Å"),
    "volume": ("cell volume", "Å³"),
    "zero": ("zero shift", "degrees of 2θ"),
}


def _pixels(axes: Axes, shape: tuple[int, ...], title: str) -> None:
    """Columns and rows of the scan."""
    rows, columns = shape[:2]
    axes.set(title=title, xticks=range(0, columns, 5), yticks=range(0, rows, 4))
    axes.tick_params(length=2)


def _map(
    figure: Figure, axes: Axes, values: np.ndarray, title: str, unit: str, colours: str = "viridis"
) -> None:
    """Points that are not trusted are grey."""
    low, high = robust_limits(values, 1.0)
    axes.set_facecolor(NOT_MEASURED)
    image = axes.imshow(values, cmap=colours, vmin=low, vmax=high)
    _pixels(axes, values.shape, title)
    colour_bar(figure, image, unit, shrink=0.62, aspect=16)


def intensities_as_colours(area: np.ndarray) -> np.ndarray:
    """(y, x, 3) between 0 and 1: areas over their 98th percentile, as roots, so that weak points are seen; grey: not measured."""
    measured = np.isfinite(area).all(axis=-1, keepdims=True)
    largest = np.nanpercentile(area, 98, axis=(0, 1))
    scaled = np.sqrt(np.clip(np.nan_to_num(area) / np.maximum(largest, 1e-300), 0, 1))
    grey = np.array([int(NOT_MEASURED[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(measured, scaled, grey)


@styled
def lattice_maps(
    maps: Mapping[str, tuple[np.ndarray, str]],
    errors: Mapping[str, np.ndarray],
    good: np.ndarray,
    area: np.ndarray,
    colours: tuple[str, ...],
) -> Figure:
    """a, c, V with their standard errors below, widths, a ratio of intensities, and three intensities as red, green, blue."""
    figure = new_figure(15, 6)
    axes = figure.subplots(2, 5)
    for k, name in enumerate(("a", "c", "volume")):
        title, unit = LABELS[name]
        _map(figure, axes[0, k], np.where(good, maps[name][0], np.nan), title, unit)
        error = np.where(good, errors[name], np.nan)
        _map(figure, axes[1, k], error, f"error of {title}", unit, "magma")
    width = next(name for name in maps if name.startswith("fwhm_"))
    ratio = next(name for name in maps if name.startswith("ratio_"))
    _, one, other = ratio.split("_")
    wide = np.where(good, maps[width][0], np.nan)
    _map(figure, axes[0, 3], wide, f"width of ({width[5:]})", "FWHM, degrees of 2θ")
    ratios = np.where(good, np.log10(np.maximum(maps[ratio][0], 1e-3)), np.nan)
    _map(figure, axes[1, 3], ratios, f"({one}) over ({other})", "log$_{10}$ of the ratio of areas", "cividis")
    _map(figure, axes[0, 4], np.log10(maps["chi2_reduced"][0]), "reduced χ²", "log$_{10}$ χ²", "magma")
    last = axes[1, 4]
    last.imshow(intensities_as_colours(area))
    _pixels(last, area.shape, "areas (square root)")
    handles = [
        Line2D([], [], marker="s", linestyle="", color=c, markersize=9, label=f"({name})")
        for c, name in zip(("#ff0000", "#00c000", "#0000ff"), colours)
    ]
    last.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.02, 1), handletextpad=0.1, borderpad=0)
    below = "column of the scan (points; the step is not recorded). Grey: not measured, or not trusted"
    figure.supxlabel(below, fontsize=11)
    figure.supylabel("row of the scan (points)", fontsize=11)
    return figure


def _shown(found: LatticeMap, good: np.ndarray, tell: str) -> list[int]:
    """Trusted points with the strongest, a middling and the weakest of a reflection."""
    k = found.mean.model.phases[0].names.index(tell)
    order = np.flatnonzero(good)[np.argsort(found.area[good, k])]
    return [int(order[i]) for i in dict.fromkeys((len(order) - 1, len(order) // 2, 0))] if len(order) else []


@styled
def single_points(found: LatticeMap, shape: tuple[int, int], good: np.ndarray, tell: str) -> Figure:
    """Patterns of three points over their background, with fit, residual and the places of the reflections."""
    chosen = _shown(found, good, tell)
    figure = new_figure(11, 2.9 * max(len(chosen), 1) + 0.6)
    rows = figure.subplots(max(len(chosen), 1), 1, sharex=True, squeeze=False)[:, 0]
    for axes, point in zip(rows, chosen):
        fit = found.points[point]
        if fit is not None:
            _point(axes, fit, found, point, shape)
    rows[-1].set_xlabel("2θ (degrees)")
    figure.legend(*rows[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _point(axes: Axes, fit, found: LatticeMap, point: int, shape: tuple[int, int]) -> None:
    x = fit.model.two_theta_deg
    parts = np.split(np.arange(len(x)), np.flatnonzero(np.diff(x) > 5 * np.median(np.diff(x))) + 1)
    measured, calculated = fit.measured - fit.background, fit.calculated - fit.background
    top, residual = float(np.max(measured)), measured - calculated
    low = -0.22 * top
    for k, part in enumerate(parts):
        label = (lambda text: text) if k == 0 else (lambda _: None)
        axes.plot(
            x[part], measured[part], ".", color=BLACK, markersize=3, label=label("measured − background")
        )
        axes.plot(x[part], calculated[part], color=VERMILION, linewidth=1.2, label=label("fit"))
        axes.plot(
            x[part], residual[part] + low, color=BLUE, linewidth=0.8, label=label("residual (moved down)")
        )
    centres = np.asarray(fit.model.centres_deg(fit.parameters))
    axes.plot(
        centres, np.full(len(centres), -0.07 * top), "|", color=BLACK, markersize=8, label="reflections"
    )
    edge = -np.inf
    for centre, name in sorted(zip(centres.tolist(), fit.model.phases[0].names)):
        edge = max(centre, edge + 0.42)  # names must not touch
        axes.annotate(name, (edge, 1.03 * top), fontsize=8.5, ha="center", va="bottom", annotation_clip=False)
    a, c = (f"{found.values[n][point]:.4f} ± {found.errors[n][point]:.4f} Å" for n in "ac")
    row, column = divmod(point, shape[1])
    text = f"row {row}, column {column}\na = {a}\nc = {c}\nχ² = {found.chi2_reduced[point]:.1f}"
    axes.text(0.12, 0.95, text, transform=axes.transAxes, fontsize=9.5, va="top")
    axes.set(ylabel="intensity", ylim=(low - max(0.1 * top, -1.2 * float(residual.min())), 1.02 * top))
