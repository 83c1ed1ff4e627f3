"""Projections of a volume in parallel beam from any position of the rotation axis, and their exact transpose.

A voxel (z, y, x), counted from the middle of the volume, appears on the detector, counted from its middle, at

    u0 = x cos(angle) + y sin(angle)           w = -x sin(angle) + y cos(angle)      the depth, along the beam
    v0 = z cos(pitch) - w sin(pitch)
    u = u0 cos(roll) - v0 sin(roll) + shift_u
    v = u0 sin(roll) + v0 cos(roll) + shift_v

angle turns the specimen about z; pitch leans that axis downstream (90 degrees less the laminography angle); roll turns the image
from u towards v; shift (v, u) moves it, in pixels. Each may differ from view to view; angles are in radians, and a projection is
the sum of values times voxel lengths.

The rays of one (u0, v0) pass depth w at z = v0 / cos(pitch) + w tan(pitch): columns of the volume are read along z at that place,
after which the axis stands upright, and the path is 1 / cos(pitch) longer. Roll turns the image of the whole volume, with room
around it. Every step interpolates linearly, and one that is not asked for (None) costs nothing and blurs nothing.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
from jax.scipy.ndimage import map_coordinates
from jaxtyping import Array, Float

from ..kernels.columns import read_columns
from ..kernels.ray_transform import middle, project

View = Float[Array, " view"]


def _upright(volume, angle, pitch, along_v, depth: int):
    """The volume (y, x, v) whose upright projection at `angle` is that of the leaning one, rows moved by `along_v`."""
    y, x = ((jnp.arange(n) - middle(n)) for n in volume.shape[:2])
    w = y[:, None] * jnp.cos(angle) - x * jnp.sin(angle)
    scale = 1 / jnp.cos(pitch)
    read = read_columns(volume, scale[None, None], (w * jnp.sin(pitch) - along_v) * scale, depth=depth)
    return read * scale.astype(volume.dtype)


def _leaning(volume, angle, pitch, along_v, along_u, width: int, depth: int) -> Float[Array, "view u v"]:
    """One view at a time; nothing of a view is kept for the way back, which computes it again."""

    @partial(jax.checkpoint, prevent_cse=False)
    def one(volume, angle, pitch, along_v, along_u):
        upright = _upright(volume, angle, pitch, along_v, depth)
        return project(upright, angle[None], along_u[None], width=width)[0]

    return jax.lax.map(lambda view: one(volume, *view), (angle, pitch, along_v, along_u))


def _moved_rows(image: Float[Array, "view u z"], along_v: View, depth: int) -> Float[Array, "view u v"]:
    one = jnp.ones((1, 1), along_v.dtype)
    return read_columns(image, one, -along_v[:, None], depth=depth)


def _turned(image: Float[Array, "u0 v0"], roll, shift, shape: tuple[int, int]) -> Float[Array, "v u"]:
    """The image turned and moved, on a detector of `shape` (v, u)."""
    v, u = ((jnp.arange(n) - middle(n)) - s for n, s in zip(shape, shift))
    v, cos, sin = v[:, None], jnp.cos(roll), jnp.sin(roll)
    place = u * cos + v * sin + middle(image.shape[0]), v * cos - u * sin + middle(image.shape[1])
    # Behind a barrier, so that a pixel and its weight come from the same rounding of the place.
    return map_coordinates(image, jax.lax.optimization_barrier(place), order=1).astype(image.dtype)


def _room(detector: int, *sizes: int) -> int:
    """Pixels for a diagonal, their middle on or between pixels as that of the detector is."""
    most = math.ceil(math.hypot(*sizes))
    return most + (most - detector) % 2


def views(
    volume: Float[Array, "y x z"],
    angle: View,
    shift: Float[Array, "view 2"] | None = None,
    roll: View | None = None,
    pitch: View | None = None,
    *,
    shape: tuple[int, int],
) -> Float[Array, "view v u"]:
    """Projections on a detector of `shape` (v, u) of a volume in the kernel's order; see the head of the file."""
    rows, width = shape
    still = jnp.zeros_like(angle)
    along_v, along_u = (still, still) if shift is None else (shift[:, 0], shift[:, 1])
    if roll is not None:
        width = _room(shape[1], *volume.shape[:2])
        rows = volume.shape[2] if pitch is None else _room(shape[0], *volume.shape)
    place = (still, still) if roll is not None else (along_v, along_u)
    if pitch is not None:
        image = _leaning(volume, angle, pitch, *place, width, rows)
    else:
        image = project(volume, angle, place[1], width=width)
        if roll is None and (shift is not None or rows != volume.shape[2]):
            image = _moved_rows(image, along_v, rows)
    if roll is None:
        return image.swapaxes(1, 2)
    return jax.vmap(partial(_turned, shape=shape))(image, roll, (along_v, along_u))


def project_views(
    volume: Float[Array, "z y x"],
    angle: View,
    shift: Float[Array, "view 2"] | None = None,
    roll: View | None = None,
    pitch: View | None = None,
    *,
    shape: tuple[int, int] | None = None,
) -> Float[Array, "view v u"]:
    """Projections of a volume on a detector of `shape` (v, u), by default as many rows and columns as the volume's z and x."""
    shape = shape or (volume.shape[0], volume.shape[2])
    return views(volume.transpose(1, 2, 0), angle, shift, roll, pitch, shape=shape)


def back_project_views(
    projections: Float[Array, "view v u"],
    angle: View,
    shift: Float[Array, "view 2"] | None = None,
    roll: View | None = None,
    pitch: View | None = None,
    *,
    shape: tuple[int, int, int],
) -> Float[Array, "z y x"]:
    """The exact transpose of `project_views`, for a volume of `shape` (z, y, x)."""
    _, rows, width = projections.shape

    def forward(volume):
        return project_views(volume, angle, shift, roll, pitch, shape=(rows, width))

    # Linear: its derivative at zero, where XLA drops the projection itself.
    return jax.vjp(forward, jnp.zeros(shape, projections.dtype))[1](projections)[0]
