"""A particle in three dimensions: its surface in daylight, and one octant cut away to show the densities inside.

The surface is where the smoothed density is half of its typical value (marching cubes; Lewiner et al., J. Graphics Tools 8, 1,
2003, doi 10.1080/10867651.2003.10487582). Pores that are not open to the outside are left out of it, and seen where the octant is
cut; there every voxel has exactly the colour of its density. The eye sees without perspective, so that the scale bar holds for
all lengths across the line of sight; what is nearer is painted over what is farther.
"""

import dataclasses

import matplotlib
import numpy as np
from jaxtyping import Float, Real
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colorizer import Colorizer, ColorizingArtist
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from scipy import ndimage
from skimage.measure import marching_cubes

from ..analysis.density import typical_density
from ..analysis.volume_truth import averaged
from .canvas import colour_bar, image_axes, new_figure, scale_bar, styled
from .orthoslices import DENSITY, DENSITY_MAP, LIMITS, extend

ELEVATION, AZIMUTH = 28.0, -55.0  # degrees: where the eye is
LIGHT = (-0.35, 0.45, 0.82)  # from the eye's point of view: right, up, towards the eye
AMBIENT, SURFACE = 0.38, np.array([0.86, 0.86, 0.84])
SURFACE_VOXELS, CUT_VOXELS = 80, 160  # at most, along an edge of the volume; more are averaged
NEARER = 2.0  # voxels
OUTWARD = np.array([1, -1, 1])  # z, y, x: towards the octant that is gone, the one nearest to the eye


@dataclasses.dataclass(frozen=True)
class Faces:
    """Flat pieces of a surface: corners (z, y, x) in voxels of the whole volume, counted from its first corner; RGB."""

    corners: Float[np.ndarray, "face corner 3"]
    colour: Float[np.ndarray, "face 3"]


def eye() -> Float[np.ndarray, "3 3"]:
    """Directions (z, y, x), as rows: to the right of the picture, upwards in it, towards the eye."""
    elevation, azimuth = np.radians([ELEVATION, AZIMUTH])
    flat = np.array([np.cos(azimuth), np.sin(azimuth)]) * np.cos(elevation)
    towards = np.array([np.sin(elevation), flat[1], flat[0]])
    right = np.array([0.0, np.cos(azimuth), -np.sin(azimuth)])
    up = np.array(
        [np.cos(elevation), -np.sin(elevation) * np.sin(azimuth), -np.sin(elevation) * np.cos(azimuth)]
    )
    return np.stack([right, up, towards])


def binnings(shape: tuple[int, ...]) -> tuple[int, int]:
    """Voxels that become one along an edge: for the surface, and for the cut, of which the former is a multiple."""
    cut = -(-max(shape) // CUT_VOXELS)
    return cut * -(-max(shape) // (cut * SURFACE_VOXELS)), cut


def binned(volume: Real[np.ndarray, "z y x"], by: int) -> Float[np.ndarray, "_ _ _"]:
    """Means over cubes; what is left at the ends of the axes is dropped."""
    return averaged(volume[tuple(slice(0, n - n % by) for n in volume.shape)], by)


def closed(volume: Float[np.ndarray, "z y x"]) -> tuple[Float[np.ndarray, "z y x"], float]:
    """The smoothed body with its inner pores filled, and the density at its surface."""
    smooth = ndimage.gaussian_filter(volume, 0.7, mode="constant")
    level = typical_density(smooth) / 2
    whole = ndimage.binary_fill_holes(smooth > level)
    return np.where(np.asarray(whole) & (smooth <= level), 2 * level, smooth), level


def density_colours(density: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """RGB as on the colour bar."""
    return matplotlib.colormaps[DENSITY_MAP](Normalize(*limits)(density))[:, :3]


def outer_surface(
    volume: Float[np.ndarray, "z y x"], by: int, cut: bool, limits: tuple[float, float]
) -> Faces:
    """Triangles, lit, and on the cut in the colours of the density; `volume` has voxels of `by`. None where there is no body."""
    body, level = closed(volume)
    planes = np.array([n // 2 for n in volume.shape])
    if cut:
        z, y, x = planes
        body[z:, :y, x:] = 0
    body = np.pad(body, 1)
    if not (level > 0 and body.max() > level):
        return Faces(np.zeros((0, 3, 3)), np.zeros((0, 3)))
    vertices, triangles, *_ = marching_cubes(body, level)
    corners = vertices[triangles]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    centre = corners.mean(axis=1)
    outside, inside = (ndimage.map_coordinates(body, (centre + s * normal).T, order=1) for s in (1.0, -1.0))
    normal = np.where((outside > inside)[:, None], -normal, normal)
    seen = normal @ eye()[2] > 0
    corners, normal, centre = corners[seen], normal[seen], centre[seen]
    lamp = np.array(LIGHT) / np.linalg.norm(LIGHT) @ eye()
    colour = SURFACE * (AMBIENT + (1 - AMBIENT) * np.clip(normal @ lamp, 0, 1))[:, None]
    if cut:
        away = (centre - 0.5 - planes) * OUTWARD  # voxels from the planes into the octant
        flat = (np.abs(away) < 0.6) & (normal * OUTWARD > 0.5)
        inner = np.any(flat & np.all(away > -0.6, axis=1, keepdims=True), axis=1)
        density = ndimage.map_coordinates(volume, (centre - 1 - 0.5 * normal)[inner].T, order=1)
        colour[inner] = density_colours(density, limits)
    # marching cubes counts from the middle of the padding's first voxel
    return Faces((corners - 0.5) * by, colour)


def cut_faces(
    volume: Float[np.ndarray, "z y x"], by: int, planes: tuple[int, ...], limits: tuple[float, float]
) -> Faces:
    """A square for every voxel of the body that touches the octant which is gone; `planes` bound it (voxels of `by`)."""
    body, level = closed(volume)
    octant = [slice(p, None) if s > 0 else slice(0, p) for p, s in zip(planes, OUTWARD)]
    corners, colour = [], []
    for axis, (plane, side) in enumerate(zip(planes, OUTWARD)):
        behind = plane - 1 if side > 0 else plane
        where = tuple(slice(behind, behind + 1) if k == axis else octant[k] for k in range(3))
        solid = np.argwhere(body[where] > level) + [s.start or 0 for s in where]
        first = solid.astype(float)
        first[:, axis] = plane
        a, b = (np.eye(3)[k] for k in range(3) if k != axis)
        corners.append(first[:, None] + np.stack([0 * a, a, a + b, b]))
        colour.append(density_colours(volume[tuple(solid.T)], limits))
    return Faces(np.concatenate(corners) * by, np.concatenate(colour))


def faces_of(
    volume: Real[np.ndarray, "z y x"], cut: bool, limits: tuple[float, float]
) -> tuple[Faces, Faces]:
    """The outer surface and the cut."""
    coarse_by, fine_by = binnings(volume.shape)
    coarse = binned(volume, coarse_by)
    surface = outer_surface(coarse, coarse_by, cut, limits)
    if not cut or not len(surface.corners):
        return surface, Faces(np.zeros((0, 4, 3)), np.zeros((0, 3)))
    planes = tuple(n // 2 * (coarse_by // fine_by) for n in coarse.shape)
    return surface, cut_faces(binned(volume, fine_by), fine_by, planes, limits)


def _paint(axes: Axes, parts: tuple[Faces, Faces], middle: np.ndarray) -> tuple[int, int]:
    """Faces from back to front; height and width of the picture in voxels."""
    flat = [(p.corners - middle) @ eye().T for p in parts if len(p.corners)]
    if not flat:
        return 1, 1
    half = 1.06 * np.max([np.abs(f[..., :2]).max(axis=(0, 1)) for f in flat], axis=0)
    outlines = [part for f in flat for part in np.stack([half[0] + f[..., 0], half[1] - f[..., 1]], axis=-1)]
    # The cut lies on triangles of the coarser surface: a little nearer to the eye it covers them.
    depth = np.concatenate([f[..., 2].mean(axis=1) + NEARER * k for k, f in enumerate(flat)])
    colours = np.concatenate([p.colour for p in parts if len(p.corners)])
    order = np.argsort(depth, kind="stable")
    # Edges of the same colour close the seams between neighbours.
    axes.add_collection(
        PolyCollection(
            [outlines[k] for k in order], facecolors=colours[order], edgecolors=colours[order], linewidths=0.3
        )
    )
    return int(np.ceil(2 * half[1])), int(np.ceil(2 * half[0]))


def _directions(axes: Axes, size: float) -> None:
    """Where x, y and z point, in the lower right corner."""
    right, up, _ = eye()
    for k, name in enumerate("zyx"):
        x, y = float(right[k]) * size, float(up[k]) * size
        arrow = {"arrowstyle": "-|>", "color": "black"}
        axes.annotate("", (0.9 + x, 0.1 + y), (0.9, 0.1), xycoords="axes fraction", arrowprops=arrow)
        place = {"transform": axes.transAxes, "ha": "center", "va": "center"}
        axes.text(0.9 + 1.35 * x, 0.1 + 1.35 * y, name, **place)


@styled
def rendering(
    volume: Real[np.ndarray, "z y x"],
    voxel_m: float,
    cut: bool = True,
    limits: tuple[float, float] = LIMITS,
) -> Figure:
    """The particle from the side, its rotation axis z pointing up; `cut` takes the octant nearest to the eye away.

    limits: of the colours on the cut, e/A^3.
    """
    figure = new_figure(6.6, 5.8)
    axes = figure.add_subplot()
    middle = np.array(volume.shape) / 2
    height, width = _paint(axes, faces_of(volume, cut, limits), middle)
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
    image_axes(axes)
    scale_bar(axes, voxel_m, (height, width))
    _directions(axes, 0.08)
    if cut:
        bar = ColorizingArtist(Colorizer(matplotlib.colormaps[DENSITY_MAP], Normalize(*limits)))
        colour_bar(figure, bar, DENSITY, ax=axes, shrink=0.8, extend=extend(volume, limits))
    return figure
