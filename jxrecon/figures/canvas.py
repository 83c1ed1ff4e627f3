"""What all figures share: fonts, colours, scale bars, limits; no state of pyplot, so that figures can be drawn in any thread.

Colours are those of Okabe & Ito (Color Universal Design, 2008), which people with any colour vision can tell apart; images use
perceptually uniform maps.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colorizer import ColorizingArtist
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
NOT_MEASURED = "#b8b8b8"
UNLIT = "#c8d8e8"  # a tint, which no grey of an image can be taken for
DPI = 160
STYLE: dict[Any, Any] = {
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.labelsize": 11,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "legend.fontsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "legend.frameon": False,
    "image.interpolation": "nearest",
    "mathtext.default": "regular",
}


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """The function, drawing in the style of the package whatever the user's matplotlibrc says."""

    @functools.wraps(draw)
    def inside(*args, **kwargs):
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(STYLE)
            return draw(*args, **kwargs)

    return inside


def new_figure(width: float | int, height: float | int) -> Figure:
    """An empty figure of this size in inches."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> Path:
    """Write a PNG and drop what the figure holds."""
    figure.savefig(path, dpi=DPI, facecolor="white", metadata={"Software": "jxrecon"})
    figure.clear()
    return path


def round_length(length: float) -> float:
    """The largest of 1, 2, 5 times a power of ten that is not above `length`."""
    power = 10.0 ** np.floor(np.log10(length))
    return float(max(step * power for step in (1, 2, 5) if step * power <= length * (1 + 1e-9)))


def length_text(length_m: float) -> str:
    """A length in the unit of its size: `200 nm`, `5 µm`, `1 mm`; three significant digits."""
    for unit, size in (("m", 1.0), ("mm", 1e-3), ("µm", 1e-6), ("nm", 1e-9)):
        if length_m >= size * 0.9995:
            return f"{length_m / size:.3g} {unit}"
    return f"{length_m * 1e12:.3g} pm"


def scale_bar(axes: Axes, pixel_size_m: float, shape: tuple[int, int]) -> None:
    """A bar of a round length, about a fifth of the image wide, readable on dark and on light."""
    height, width = shape
    length_m = round_length(0.28 * width * pixel_size_m)
    length = length_m / pixel_size_m
    left, bottom = 0.04 * width, 0.955 * height
    bar = Rectangle((left - 0.5, bottom - 0.013 * height), length, 0.013 * height, color="white")
    outline: list[patheffects.AbstractPathEffect] = [patheffects.withStroke(linewidth=2, foreground="black")]
    bar.set_path_effects([*outline, patheffects.Normal()])
    axes.add_patch(bar)
    text = axes.text(
        left - 0.5 + length / 2, bottom - 0.028 * height, length_text(length_m), color="white", ha="center", va="bottom"
    )  # fmt: skip
    text.set_path_effects(outline)


def image_axes(axes: Axes, title: str = "") -> None:
    """No ticks and no frame: the scale bar tells the size."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.set_title(title)


def colour_bar(figure: Figure, image: ColorizingArtist, label: str, **place) -> None:
    """A slim colour bar with its unit."""
    bar = figure.colorbar(image, label=label, **{"shrink": 0.9, "pad": 0.02, "aspect": 25, **place})
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]


def robust_limits(values: np.ndarray, outside: float = 0.5) -> tuple[float, float]:
    """Limits that leave `outside` per cent of the finite values beyond either end."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(finite, [outside, 100 - outside])
    if high - low < 1e-9 * max(abs(low), abs(high), 1e-9):
        return float(low) - 0.5, float(high) + 0.5
    return float(low), float(high)
