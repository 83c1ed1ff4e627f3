"""Particles in several states from outside and cut open, with their cracks (figures 2A to 2H of Tsai et al.).

Views, lights and colours are those of `rendering`. A crack is blue, which no density is, where it comes to the
surface and on the cut.
"""

import dataclasses
from collections.abc import Mapping

import matplotlib
import numpy as np
from jaxtyping import Bool, Float, Real
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colorizer import Colorizer, ColorizingArtist
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from scipy import ndimage

from .canvas import SKY, colour_bar, image_axes, new_figure, scale_bar, styled
from .orthoslices import DENSITY, DENSITY_MAP, LIMITS, extend
from .rendering import NEARER, Faces, eye, faces_of
from .state_grid import PANEL, state_name

REACH = 1.5  # voxels around a crack in which the surface is coloured
CRACK = np.array(to_rgb(SKY))


@dataclasses.dataclass(frozen=True)
class View:
    """A particle: density in e/A^3, and its cracks where they are known."""

    density: Real[np.ndarray, "z y x"]
    crack: Bool[np.ndarray, "z y x"] | None = None


def on_surface(faces: Faces, crack: Bool[np.ndarray, "z y x"]) -> Faces:
    """Triangles near a crack in its colour, as bright as they are lit."""
    if not len(faces.corners) or not crack.any():
        return faces
    near = np.asarray(ndimage.distance_transform_edt(~crack)) <= REACH
    place = np.clip(np.floor(faces.corners.mean(axis=1)).astype(int), 0, np.array(crack.shape) - 1)
    light = faces.colour.max(axis=1, keepdims=True)
    return Faces(faces.corners, np.where(near[tuple(place.T)][:, None], CRACK * light, faces.colour))


def on_cut(faces: Faces, crack: Bool[np.ndarray, "z y x"]) -> Faces:
    """Squares of voxels in a crack, on either side of the cut, in its colour."""
    if not len(faces.corners) or not crack.any():
        return faces
    middle, most = faces.corners.mean(axis=1), np.array(crack.shape) - 1
    flat = np.ptp(faces.corners, axis=1) == 0
    hit = np.zeros(len(middle), bool)
    for side in (-0.5, 0.5):
        place = np.clip(np.floor(middle + side * flat).astype(int), 0, most)
        hit |= crack[tuple(place.T)]
    return Faces(faces.corners, np.where(hit[:, None], CRACK, faces.colour))


def painted(
    axes: Axes, parts: tuple[Faces, Faces], shape: tuple[int, ...], half: Float[np.ndarray, "2"]
) -> None:
    """From back to front, within `half` voxels to the right and upwards of the volume's middle."""
    seen = [(p.corners - np.array(shape) / 2) @ eye().T for p in parts]
    flat = [np.stack([half[0] + f[..., 0], half[1] - f[..., 1]], axis=-1) for f in seen if len(f)]
    outlines = [outline for part in flat for outline in part]
    depth = np.concatenate(
        [f[..., 2].mean(axis=1) + NEARER * k for k, f in enumerate(seen) if len(f)] or [[]]
    )
    colours = np.concatenate([p.colour for p in parts if len(p.corners)] or [np.zeros((0, 3))])
    order = np.argsort(depth, kind="stable")
    axes.add_collection(
        PolyCollection(
            [outlines[k] for k in order], facecolors=colours[order], edgecolors=colours[order], linewidths=0.3
        )
    )
    axes.set(xlim=(0, 2 * half[0]), ylim=(2 * half[1], 0), aspect="equal")


def extent(pictures: list[tuple[Faces, Faces]], shape: tuple[int, ...]) -> Float[np.ndarray, "2"]:
    """Half the width and height, in voxels, that all of them fit into."""
    corners = [p.corners for pair in pictures for p in pair if len(p.corners)]
    if not corners:
        return np.array(shape[:2]) / 2.0
    seen = [np.abs((c - np.array(shape) / 2) @ eye().T)[..., :2].max(axis=(0, 1)) for c in corners]
    return 1.04 * np.max(seen, axis=0)


@styled
def particle_views(views: Mapping[str, View], voxel_m: float, limits: tuple[float, float] = LIMITS) -> Figure:
    """Above: an octant cut away, which shows the densities. Below: the exterior. All on one scale."""
    names = list(views)
    shape = views[names[0]].density.shape
    rows: list[dict[str, tuple[Faces, Faces]]] = []
    for cut in (True, False):
        row = {}
        for name, view in views.items():
            surface, inner = faces_of(view.density, cut, limits)
            if view.crack is not None:
                surface, inner = on_surface(surface, view.crack), on_cut(inner, view.crack)
            row[name] = surface, inner
        rows.append(row)
    half = extent([pair for row in rows for pair in row.values()], shape)
    figure = new_figure((PANEL + 0.3) * len(names) + 1.0, 2 * (PANEL + 0.3) * half[1] / half[0] + 0.7)
    panels = figure.subplots(2, len(names), squeeze=False)
    for r, row in enumerate(rows):
        for k, name in enumerate(names):
            painted(panels[r, k], row[name], shape, half)
            image_axes(panels[r, k], state_name(name) if r == 0 else "")
    height, width = (int(np.ceil(2 * h)) for h in half[::-1])
    scale_bar(panels[0, 0], voxel_m, (height, width))
    bar = ColorizingArtist(Colorizer(matplotlib.colormaps[DENSITY_MAP], Normalize(*limits)))
    values = np.concatenate([v.density.ravel()[::97] for v in views.values()])
    colour_bar(figure, bar, DENSITY, ax=panels.ravel().tolist(), extend=extend(values, limits))
    if any(v.crack is not None and v.crack.any() for v in views.values()):
        figure.legend(handles=[Patch(color=SKY, label="cracks")], loc="outside lower center")
    return figure
