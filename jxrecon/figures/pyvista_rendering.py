"""The rendering of `figures.rendering` by PyVista (`pip install 'jxrecon[render]'`), for large volumes and to turn by hand.

The same surface, at half of the smoothed density's typical value, in the same grey; an octant is cut away, whose faces show the
densities in the colours of the orthoslices. PyVista draws with the graphics card, or without a screen by software.
"""

import os
from typing import Any

import numpy as np
from jaxtyping import Real
from scipy import ndimage

from ..analysis.density import typical_density
from ..errors import InputError
from .orthoslices import DENSITY_MAP, LIMITS
from .rendering import OUTWARD, SURFACE, eye

PIXELS, SMOOTHING = (1200, 1000), 1.0  # of the picture; voxels
UNDER, FILLED = 1.1, 1.3  # of the surface's level: the cut body ends just under it; closed pores


def _pyvista() -> Any:
    try:
        import pyvista  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise InputError("this rendering needs PyVista: pip install 'jxrecon[render]'.") from None
    return pyvista


def _body(density: Real[np.ndarray, "z y x"]) -> tuple[np.ndarray, float]:
    """The smoothed density, closed pores filled, and the level of the surface."""
    level = typical_density(density) / 2
    smooth = np.asarray(ndimage.gaussian_filter(np.asarray(density, np.float32), SMOOTHING))
    filled = np.asarray(ndimage.binary_fill_holes(smooth > level))
    return np.where(filled, np.maximum(smooth, FILLED * level), smooth), level


def _without_octant(mesh: Any, middle: np.ndarray) -> list[Any]:
    """What is left of a mesh, in three pieces: cuts by planes are clean, those by a box are ragged."""
    pieces = []
    for axis, sign in enumerate(OUTWARD[::-1]):
        normal = [float(sign) if k == axis else 0.0 for k in range(3)]
        pieces.append(mesh.clip(normal=normal, origin=middle, invert=True))
        mesh = mesh.clip(normal=normal, origin=middle, invert=False)
    return [piece for piece in pieces if piece.n_cells]


def scene(density: Real[np.ndarray, "z y x"], voxel_um: float) -> Any:
    """A `pyvista.Plotter` without a window, ready for `show` or `screenshot`; density in e/A^3, lengths in micrometres."""
    pyvista = _pyvista()
    grid, (body, level) = (
        pyvista.ImageData(dimensions=density.shape[::-1], spacing=(voxel_um,) * 3),
        _body(density),
    )
    grid["density"], grid["body"] = np.asarray(density, np.float32).ravel(), body.ravel()
    size = np.array(density.shape) * voxel_um
    middle, towards = size[::-1] / 2, eye()[2][::-1]
    plotter = pyvista.Plotter(off_screen=True, window_size=PIXELS)
    for piece in _without_octant(grid.contour([level], scalars="body").compute_normals(), middle):
        plotter.add_mesh(piece, color=SURFACE, smooth_shading=True, specular=0.2)
    cut = grid.clip_scalar(scalars="body", value=UNDER * level, invert=False)
    bar = {
        "title": "electron density (e/Å³)",
        "vertical": True,
        "title_font_size": 14,
        "position_x": 0.87,
        "position_y": 0.4,
    }
    look = {"cmap": DENSITY_MAP, "clim": LIMITS, "scalar_bar_args": bar, "lighting": False}
    for piece in _without_octant(cut, middle):
        plotter.add_mesh(piece.extract_surface(algorithm=None), scalars="density", **look)
    plotter.show_bounds(xtitle="x / um", ytitle="y / um", ztitle="z / um", location="outer", font_size=10)
    plotter.camera_position = [tuple(middle + 4 * size.max() * towards), tuple(middle), (0, 0, 1)]
    plotter.enable_parallel_projection()
    plotter.camera.parallel_scale = 0.85 * size.max()
    return plotter


def write_rendering(path: str | os.PathLike, density: Real[np.ndarray, "z y x"], voxel_um: float) -> None:
    """The scene as a PNG."""
    plotter = scene(density, voxel_um)
    plotter.screenshot(os.fspath(path))
    plotter.close()
