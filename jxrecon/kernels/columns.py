"""Columns of an array read at a stretched and shifted place, with linear interpolation; its transpose; derivatives in both.

    out[v] = f(scale (v - middle_v) + offset + middle_z),    scale >= 1, f zero outside of its column z

The column is the last axis; every other place has its own scale and offset. A sample z meets the results v through a hat,
max(0, 1 - |scale (v - middle_v) + offset + middle_z - z|), which is at most 2 / scale wide: as for `ray_transform`, the transpose
is a gather of two taps and not a scatter.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .ray_transform import floor, middle


def _taps(columns, first):
    """Values at `first` and after it, zero outside."""
    size = columns.shape[-1]
    for tap in (first, first + 1):
        value = jnp.take_along_axis(columns, jnp.clip(tap, 0, size - 1), axis=-1, mode="promise_in_bounds")
        yield jnp.where((tap >= 0) & (tap < size), value, 0)


def _position(scale, offset, size: int, depth: int):
    return scale[..., None] * (jnp.arange(depth) - middle(depth)) + offset[..., None] + middle(size)


@partial(jax.jit, static_argnames="depth")
def _forward(columns, scale, offset, depth: int):
    position = _position(scale, offset, columns.shape[-1], depth)
    first = floor(position)
    near, far = _taps(columns, first)
    return near + (position - first).astype(columns.dtype) * (far - near)


@partial(jax.jit, static_argnames="size")
def _backward(results, scale, offset, size: int):
    scale = scale[..., None]
    place = (jnp.arange(size) - middle(size) - offset[..., None]) / scale + middle(results.shape[-1])
    first = floor(place)
    near, far = _taps(results, first)
    away = place - first
    weights = (jnp.maximum(1 - distance * scale, 0).astype(results.dtype) for distance in (away, 1 - away))
    return near * next(weights) + far * next(weights)


def _geometry_gradient(columns, results, scale, offset):
    """Derivatives of <results, A columns> with respect to scale and offset."""
    depth = results.shape[-1]
    near, far = _taps(columns, floor(_position(scale, offset, columns.shape[-1], depth)))
    slope = results * (far - near)
    by_scale = jnp.sum(slope * (jnp.arange(depth) - middle(depth)), axis=-1)
    return by_scale.astype(scale.dtype), jnp.sum(slope, axis=-1).astype(offset.dtype)


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _read(columns, scale, offset, depth):
    return _forward(columns, scale, offset, depth)


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _write(results, scale, offset, size):
    return _backward(results, scale, offset, size)


def _read_backward(depth, kept, cotangent):
    columns, *geometry = kept
    gradient = _geometry_gradient(columns, cotangent, *geometry)
    return _write(cotangent, *geometry, columns.shape[-1]), *gradient


def _write_backward(size, kept, cotangent):
    results, *geometry = kept
    gradient = _geometry_gradient(cotangent, results, *geometry)
    return _read(cotangent, *geometry, results.shape[-1]), *gradient


_read.defvjp(lambda *a: (_forward(*a), a[:3]), _read_backward)
_write.defvjp(lambda *a: (_backward(*a), a[:3]), _write_backward)


def read_columns(
    columns: Float[Array, "*place z"],
    scale: Float[Array, "*#place"],
    offset: Float[Array, "*#place"],
    *,
    depth: int,
) -> Float[Array, "*place v"]:
    """`depth` samples of every column, `scale` (at least 1) apart, the middle one `offset` from the middle of the column."""
    places = columns.shape[:-1]
    return _read(columns, jnp.broadcast_to(scale, places), jnp.broadcast_to(offset, places), depth)


def write_columns(
    results: Float[Array, "*place v"],
    scale: Float[Array, "*#place"],
    offset: Float[Array, "*#place"],
    *,
    size: int,
) -> Float[Array, "*place z"]:
    """The exact transpose of `read_columns`, for columns of `size` samples."""
    places = results.shape[:-1]
    return _write(results, jnp.broadcast_to(scale, places), jnp.broadcast_to(offset, places), size)
