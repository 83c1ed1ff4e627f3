"""The object's transmission: phase in radians and modulus, where the scan lit it."""

import matplotlib
import numpy as np
from jaxtyping import Bool, Complex, Float
from matplotlib.figure import Figure

from ..analysis.region import bounding_box
from ..analysis.registration import phase_slope, without_slope
from .canvas import UNLIT, colour_bar, image_axes, new_figure, robust_limits, scale_bar, styled

WRAPPED = 0.9 * np.pi  # a phase that comes this near to +-pi is taken for wrapped and drawn in a cyclic map


def level_phase(
    transmission: Complex[np.ndarray, "y x"], lit: Bool[np.ndarray, "y x"]
) -> Float[np.ndarray, "y x"]:
    """Phase (rad) without the offset and the linear ramp that ptychography cannot determine."""
    flat = without_slope(transmission, phase_slope(transmission, lit))
    return np.angle(flat * np.exp(-1j * np.angle(np.sum(flat[lit]))))


def lit_part(image: np.ndarray, lit: np.ndarray) -> np.ndarray:
    """The box around the lit pixels, the others NaN."""
    box = bounding_box(lit)
    return np.where(lit, image, np.nan)[box]


def picture(
    image: np.ndarray,
    pixel_size_m: tuple[float, float],
    map_name: str,
    limits: tuple[float, float],
    label: str,
) -> Figure:
    """One image with scale bar and colour bar."""
    height, width = image.shape
    aspect = pixel_size_m[0] / pixel_size_m[1]
    size = 5.2
    figure = new_figure(size + 1.1, min(max(size * height * aspect / width, 2.0), 9.0) + 0.2)
    axes = figure.add_subplot()
    colours = matplotlib.colormaps[map_name].with_extremes(bad=UNLIT)
    drawn = axes.imshow(
        image, cmap=colours, vmin=limits[0], vmax=limits[1], aspect=aspect, interpolation="auto"
    )
    image_axes(axes)
    scale_bar(axes, pixel_size_m[1], (height, width))
    colour_bar(figure, drawn, label)
    return figure


def all_lit(transmission: np.ndarray, lit: np.ndarray | None) -> np.ndarray:
    return np.ones(transmission.shape, bool) if lit is None or not lit.any() else lit


@styled
def object_phase(
    transmission: Complex[np.ndarray, "y x"],
    pixel_size_m: tuple[float, float],
    lit: Bool[np.ndarray, "y x"] | None = None,
) -> Figure:
    """Phase; matter is dark. Grey when it fits within +-pi, else a cyclic map."""
    lit = all_lit(transmission, lit)
    phase = lit_part(level_phase(transmission, lit), lit)
    limits = robust_limits(phase)
    if max(-limits[0], limits[1]) > WRAPPED:
        return picture(phase, pixel_size_m, "twilight", (-np.pi, np.pi), "phase / rad")
    return picture(phase, pixel_size_m, "gray", limits, "phase / rad")


@styled
def object_amplitude(
    transmission: Complex[np.ndarray, "y x"],
    pixel_size_m: tuple[float, float],
    lit: Bool[np.ndarray, "y x"] | None = None,
) -> Figure:
    """Modulus of the transmission."""
    lit = all_lit(transmission, lit)
    amplitude = lit_part(np.abs(transmission).astype(np.float64), lit)
    return picture(
        amplitude, pixel_size_m, "cividis", robust_limits(amplitude), "amplitude of the transmission"
    )
