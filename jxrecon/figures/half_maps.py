"""Half a slice shows how wide the pores are, the other half how dense the particle is (figures 2I to 2M of Tsai et al.)."""

import dataclasses
from collections.abc import Mapping

import matplotlib
import numpy as np
from jaxtyping import Bool, Float, Real
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .canvas import BLACK, colour_bar, image_axes, new_figure, scale_bar, styled
from .orthoslices import DENSITY, DENSITY_MAP, LIMITS, extend
from .state_grid import PANEL, state_name

DIAMETERS_NM = (1.0, 150.0)
PORES = "viridis"
DASHED = (0, (4, 3))


@dataclasses.dataclass(frozen=True)
class Slice:
    """One plane: diameters in nanometres, 0 where there is no pore; density in e/A^3; the particle."""

    diameter_nm: Real[np.ndarray, "y x"]
    density: Real[np.ndarray, "y x"]
    particle: Bool[np.ndarray, "y x"]


def middle_slice(
    diameter_nm: Real[np.ndarray, "z y x"],
    density: Real[np.ndarray, "z y x"],
    particle: Bool[np.ndarray, "z y x"],
) -> Slice:
    """Through the particle's centre, moved so that this is the middle of the plane."""
    centre = [
        int(np.rint(np.mean(w))) if len(w) else n // 2 for w, n in zip(np.nonzero(particle), particle.shape)
    ]
    shift = tuple(n // 2 - c for n, c in zip(particle.shape[1:], centre[1:]))
    planes = [np.roll(v[centre[0]], shift, (0, 1)) for v in (diameter_nm, density, particle)]
    return Slice(*planes)


def _halves(axes: Axes, here: Slice, limits: tuple[float, float]) -> tuple:
    """The two images; left of the middle pores, right of it densities; the particle's edge and the middle are dashed."""
    height, width = here.density.shape
    left = np.arange(width) < width // 2
    pores = np.where(left & here.particle & (here.diameter_nm > 0), here.diameter_nm, np.nan)
    colours = matplotlib.colormaps[DENSITY_MAP]
    density = axes.imshow(np.where(left, np.nan, here.density), cmap=colours, vmin=limits[0], vmax=limits[1])
    drawn = axes.imshow(pores, cmap=PORES, vmin=DIAMETERS_NM[0], vmax=DIAMETERS_NM[1])
    if here.particle.any() and not here.particle.all():
        inside = np.where(left, here.particle, 0).astype(float)
        inside[:, width // 2 :] = inside[:, [width // 2 - 1]]
        edge = axes.contour(inside[:, : width // 2], [0.5], colors=BLACK, linewidths=1.1)
        edge.set_linestyle([DASHED])
    axes.plot([width // 2 - 0.5] * 2, [-0.5, height - 0.5], color="0.45", linewidth=0.8, linestyle=DASHED)
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    return drawn, density


@styled
def half_maps(
    rows: Mapping[str, Mapping[str, Slice]], voxel_m: float, limits: tuple[float, float] = LIMITS
) -> Figure:
    """A row of states for each source (`truth`, `found`); one scale for all."""
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    figure = new_figure(PANEL * len(columns) + 1.9, PANEL * len(rows) + 0.5)
    panels = figure.subplots(len(rows), len(columns), squeeze=False)
    drawn: tuple = ()
    for r, (source, row) in enumerate(rows.items()):
        for k, name in enumerate(columns):
            axes = panels[r, k]
            image_axes(axes, state_name(name) if r == 0 else "")
            if k == 0 and len(rows) > 1:
                axes.text(0.02, 0.98, source, transform=axes.transAxes, va="top")
            if name not in row:
                continue
            drawn = _halves(axes, row[name], limits)
            if k == 0:
                height, width = row[name].density.shape
                scale_bar(axes, voxel_m, (height, width))
    every = panels.ravel().tolist()
    seen = [s for row in rows.values() for s in row.values()]
    densities: Float[np.ndarray, " n"] = np.concatenate([s.density.ravel() for s in seen]).astype(float)
    colour_bar(figure, drawn[1], DENSITY, ax=every, extend=extend(densities, limits))
    wide = any(float(s.diameter_nm.max()) > DIAMETERS_NM[1] for s in seen)
    colour_bar(figure, drawn[0], "pore diameter / nm", ax=every, extend="max" if wide else "neither")
    return figure
