"""The illumination's modes: hue is phase, brightness is amplitude, and each mode's share of the power."""

import numpy as np
from jaxtyping import Complex, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from skimage.color import lab2rgb

from .canvas import image_axes, new_figure, scale_bar, styled

LIGHTNESS, CHROMA = (
    72.0,
    42.0,
)  # CIE L and C: all hues of this chroma exist in sRGB, and none looks brighter than another


def phase_colours(phase: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape 3"]:
    """RGB of a phase: equal steps of phase are equal steps of hue in CIELAB, at one lightness."""
    turn = np.linspace(-np.pi, np.pi, 513)
    wheel = np.stack([np.full(513, LIGHTNESS), CHROMA * np.cos(turn), CHROMA * np.sin(turn)], axis=-1)
    table = lab2rgb(wheel[None])[0]
    return table[np.rint((phase + np.pi) / (2 * np.pi) * 512).astype(int) % 512]


def field_colours(field: Complex[np.ndarray, "v u"]) -> Float[np.ndarray, "v u 3"]:
    """RGB of a complex field: hue of its phase, brightness of its amplitude (full at the 99.9th percentile)."""
    field = np.nan_to_num(field)
    amplitude = np.abs(field)
    full = np.percentile(amplitude, 99.9) or 1.0
    return phase_colours(np.angle(field)) * np.clip(amplitude / full, 0, 1)[..., None]


def colour_wheel(axes: Axes) -> None:
    """Legend: phase around, amplitude outwards."""
    y, x = np.mgrid[1:-1:201j, -1:1:201j]
    radius = np.hypot(y, x)
    colours = phase_colours(np.arctan2(y, x)) * np.minimum(radius, 1)[..., None]
    axes.imshow(np.dstack([colours, radius <= 1]), extent=(-1, 1, -1, 1))
    for angle, text in ((0, "0"), (np.pi / 2, "π/2"), (np.pi, "π"), (-np.pi / 2, "−π/2")):
        axes.text(1.3 * np.cos(angle), 1.3 * np.sin(angle), text, ha="center", va="center", fontsize=9)
    axes.set(xlim=(-1.65, 1.65), ylim=(-1.65, 1.65), title="phase")
    axes.set_axis_off()


def percent(share: float) -> str:
    """`58.9 %`; two digits where a tenth of a per cent would round to nothing."""
    if share > 0.9995:
        return "100 %"
    return f"{100 * share:.1f} %" if share >= 0.0005 else f"{100 * share:.2g} %"


@styled
def probe_modes(
    modes: Complex[np.ndarray, "mode v u"],
    pixel_size_m: tuple[float, float],
    shares: Float[np.ndarray, " mode"] | None = None,
) -> Figure:
    """All modes, each at its own brightness, titled with its share of the power (per cent).

    shares: powers to quote instead of those of `modes`. Orthogonalise modes first (`numerics.modes.orthogonalise`): only then
    do their shares mean something.
    """
    power = np.asarray(np.sum(np.abs(modes) ** 2, axis=(1, 2), dtype=np.float64))
    power = power if shares is None else np.asarray(shares, np.float64)
    parts = (power / max(float(np.sum(power)), 1e-300)).tolist()
    count = len(modes)
    columns = min(count, 4)
    rows = -(-count // columns)
    height, width = modes.shape[1:]
    figure = new_figure(2.7 * columns + 1.1, 3.0 * rows * min(max(height / width, 0.4), 2.0) + 0.1)
    panels = figure.add_gridspec(rows, columns + 1, width_ratios=[2.7] * columns + [1.0])
    for number, (mode, part) in enumerate(zip(modes, parts, strict=True)):
        axes = figure.add_subplot(panels[number // columns, number % columns])
        axes.imshow(field_colours(mode), aspect=pixel_size_m[0] / pixel_size_m[1], interpolation="auto")
        image_axes(axes, f"mode {number + 1}: {percent(part)}")
        scale_bar(axes, pixel_size_m[1], (height, width))
    colour_wheel(figure.add_subplot(panels[0, columns]))
    return figure
