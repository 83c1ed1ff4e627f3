"""Projections of a volume by exact area footprints: the shadow of a square voxel is a trapezoid, integrated over detector bins.

The shadow of a unit square at the angle theta falls linearly from the inner half-width i = ||c| - |s||/2 to the outer half-width
o = (|c| + |s|)/2, with c = cos theta, s = sin theta. Its integral up to t is

    F(t) = 1/2 + sign(t) (h - max(h - i, 0)^2 / (2 (o - i))) / (o + i),     h = min(|t|, o)

and a voxel's weight in the bin b is F(b + 1/2) - F(b - 1/2), the area that they share. The voxel (y, x) lies at
u = x cos theta + y sin theta + shift about the middles (n - 1)/2 of the volume and (width - 1)/2 of the detector. The axis of
rotation z stays as it is, so that one sparse matrix (bin, voxel) projects all columns at once. It is another operator than the
interpolating one of the reconstruction, on purpose.

Long, De Man & Fessler, IEEE Trans. Med. Imaging 29, 1839 (2010), doi 10.1109/TMI.2010.2050898 (trapezoid footprints).
"""

import numpy as np
import scipy.sparse
from jaxtyping import Float

BINS = 3  # a shadow is at most sqrt 2 wide
LEAST_SLOPE = 1e-6  # radians off an axis; below it the trapezoid is a box


def shadow_integral(t: Float[np.ndarray, "*n"], angle_rad: float) -> Float[np.ndarray, "*n"]:
    """F(t): the part of a unit square's shadow that lies below t; from 0 to 1."""
    c, s = abs(np.cos(angle_rad)), abs(np.sin(angle_rad))
    outer, inner = (c + s) / 2, abs(c - s) / 2
    if outer - inner < LEAST_SLOPE:
        return np.clip(t / (2 * outer) + 0.5, 0, 1)

    half = np.minimum(np.abs(t), outer)
    slope = np.maximum(half - inner, 0) ** 2 / (2 * (outer - inner))
    return 0.5 + np.sign(t) * (half - slope) / (outer + inner)


def footprints(
    shape: tuple[int, int], angle_rad: float, shift_u: float, width: int
) -> scipy.sparse.csr_array:
    """The matrix (bin, voxel) of one view, voxels (y, x) in C order; what falls beside the detector is left out."""
    y, x = (np.arange(n) - (n - 1) / 2 for n in shape)
    centre = x * np.cos(angle_rad) + y[:, None] * np.sin(angle_rad) + shift_u + (width - 1) / 2
    centre = centre.ravel()
    first = np.floor(centre + 0.5).astype(np.int32) - 1
    edges = first[:, None] + np.arange(BINS + 1) - 0.5
    weight = np.diff(shadow_integral(edges - centre[:, None], angle_rad), axis=1)
    bins = first[:, None] + np.arange(BINS, dtype=np.int32)
    voxel = np.broadcast_to(np.arange(len(centre), dtype=np.int32)[:, None], bins.shape)
    inside = (bins >= 0) & (bins < width) & (weight > 0)
    place = (bins[inside], voxel[inside])
    return scipy.sparse.csr_array((weight[inside], place), shape=(width, len(centre)))


def columns(volume: Float[np.ndarray, "*several z y x"]) -> Float[np.ndarray, "yx columns"]:
    """Volumes as (y x, several z): what `footprints` multiplies. A copy, made once for all views."""
    *several, z, y, x = volume.shape
    return np.ascontiguousarray(volume.reshape(-1, y * x).T)


def project_columns(
    flat: Float[np.ndarray, "yx columns"], matrix: scipy.sparse.csr_array, height: int
) -> Float[np.ndarray, "several v u"]:
    """What `columns` made of volumes with `height` rows, projected."""
    found = matrix.astype(flat.dtype) @ flat
    return found.T.reshape(-1, height, found.shape[0])


def project(
    volume: Float[np.ndarray, "*several z y x"], angle_rad: float, shift_u: float, width: int
) -> Float[np.ndarray, "*several v u"]:
    """Line integrals, in the volume's unit times voxels, averaged over each bin. `shift_u` moves the image to larger u."""
    *several, z, y, x = volume.shape
    matrix = footprints((y, x), angle_rad, shift_u, width)
    return project_columns(columns(volume), matrix, z).reshape(*several, z, width)
