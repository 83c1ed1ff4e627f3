"""Line integrals through a volume in parallel beam, their transpose, and derivatives with respect to the geometry.

    p(angle, u, z) = int v(x, y, z) dl   along   u = x cos(angle) + y sin(angle) + shift

x (column) and y (row) are counted from the middle (n - 1)/2 of the volume, u from the middle of the detector; lengths are in
voxels, which are as large as the pixels. Joseph's method: the ray is marched over the in-plane axis that it crosses more
steeply, with linear interpolation along the other. One voxel then meets the detector with a hat of half width
a = max(|cos|, |sin|) <= 1 and area 1,

    A[u, xy] = max(0, 1 - |u - u_xy| / a) / a,

so the transpose is a gather too: at most two pixels per voxel and view. A scatter would be slow, and must be atomic on a GPU.

The rotation axis z is the last: angles are shared by all slices, and every tap moves a contiguous z-vector with one weight. Loops
are blocked so that what is added to (some views of the projections, some rows of the volume) stays in the cache, and a few taps
are added at a time, so that it is read and written less often than the taps are.

Peter Joseph, IEEE Trans. Med. Imaging 1, 192 (1982), doi:10.1109/TMI.1982.4307572.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

# Views of the projections, and rows of the volume, that are added to at once; taps per pass over them; slices.
VIEWS, ROWS, UNROLLED, SLICES = 16, 16, 4, 256


def _blocks(count: int, most: int) -> tuple[int, int]:
    """(number, size) of blocks of at most `most`, as equal as can be; the last begins early where they do not fit."""
    number = -(-count // most)
    return number, -(-count // number)


def _middle(count):
    return (count - 1) / 2


def _part(x: Float[Array, " view"], start, size: int) -> Float[Array, " part"]:
    return jax.lax.dynamic_slice(x, (start,), (size,))


def _rows(flat: Float[Array, "row z"], rows: Int[Array, "*where"], start, slices: int) -> Array:
    """(*where, slices) from slice `start` on. Rows are inside, so the gather needs no mask."""
    if slices == flat.shape[1]:
        return flat.at[rows].get(mode="promise_in_bounds")
    corners = jnp.stack([rows, jnp.broadcast_to(start, rows.shape).astype(rows.dtype)], axis=-1)
    numbers = jax.lax.GatherDimensionNumbers((rows.ndim,), (0,), (0, 1))
    return jax.lax.gather(flat, corners, numbers, (1, slices), mode="promise_in_bounds")


def _march(angle, shift, step, shape, width):
    """Where rays cross the march rows `step`: (first voxel of the tap, fraction, 1/a), each (step, view, u), and the axes."""
    cos, sin = jnp.cos(angle)[:, None], jnp.sin(angle)[:, None]
    along_y = jnp.abs(cos) >= jnp.abs(sin)
    steep, flat = jnp.where(along_y, cos, sin), jnp.where(along_y, sin, cos)
    steps, across = (jnp.where(along_y, *pair) for pair in (shape, shape[::-1]))
    u = jnp.arange(width) - _middle(width) - shift[:, None]
    position = (u - (step[:, None, None] - _middle(steps)) * flat) / steep + _middle(across)
    first = jnp.floor(position)
    return first.astype(jnp.int32), position - first, 1 / jnp.abs(steep), (along_y, steps, across)


def _weights(angle, shift, step, shape, width):
    """Weights of the two taps, differentiable in angle and shift."""
    first, fraction, length, (_, steps, across) = _march(angle, shift, step, shape, width)
    real = step[:, None, None] < steps
    near = jnp.where(real & (first >= 0) & (first < across), (1 - fraction) * length, 0)
    far = jnp.where(real & (first >= -1) & (first < across - 1), fraction * length, 0)
    return near, far


def _d_angle(angle, shift, *rest):
    return jax.jvp(lambda angle: _weights(angle, shift, *rest), (angle,), (jnp.ones_like(angle),))[1]


def _d_shift(angle, shift, *rest):
    return jax.jvp(lambda shift: _weights(angle, shift, *rest), (shift,), (jnp.ones_like(shift),))[1]


def _voxels(angle, shift, step, shape, width):
    """Rows of the flattened plane for the two taps; rays that miss the volume, with weight zero, stay at its edge."""
    first, _, _, (along_y, steps, across) = _march(angle, shift, step, shape, width)
    base = jnp.minimum(step[:, None, None], steps - 1) * jnp.where(along_y, shape[1], 1)
    stride = jnp.where(along_y, 1, shape[1])
    return tuple(base + jnp.clip(first + tap, 0, across - 1) * stride for tap in (0, 1))


def _forward(volume, angle, shift, width: int, weights: Callable = _weights):
    """Sum of taps with any weights: `_weights` for the projections, `_d_angle` or `_d_shift` for their derivatives."""
    shape, slices, views = volume.shape[:2], volume.shape[2], angle.shape[0]
    flat = volume.reshape(-1, slices)
    (z_blocks, depth), (view_blocks, size) = _blocks(slices, SLICES), _blocks(views, VIEWS)
    passes, taps = _blocks(max(shape), UNROLLED)

    def block(k, out):
        z = jnp.minimum(k // view_blocks * depth, slices - depth)
        view = jnp.minimum(k % view_blocks * size, views - size)
        geometry = _part(angle, view, size), _part(shift, view, size)

        def march(k, sums):
            rest = k * taps + jnp.arange(taps), shape, width
            # Behind a barrier, or XLA computes the weights again for every slice.
            found = jax.lax.optimization_barrier((_voxels(*geometry, *rest), weights(*geometry, *rest)))
            for near, far, a, b in zip(*found[0], *(w.astype(sums.dtype) for w in found[1])):
                sums = (
                    sums
                    + a[..., None] * _rows(flat, near, z, depth)
                    + b[..., None] * _rows(flat, far, z, depth)
                )
            return sums

        sums = jax.lax.fori_loop(0, passes, march, jnp.zeros((size, width, depth), volume.dtype))
        return jax.lax.dynamic_update_slice(out, sums, (view, 0, z))

    out = jnp.zeros((views, width, slices), volume.dtype)
    return jax.lax.fori_loop(0, z_blocks * view_blocks, block, out)


def _pixels(angle, shift, first_view, rows, shape, width):
    """Rows of the flattened (view, u) for the two taps of every voxel of the rows, and their weights; each (view, y, x)."""
    angle, shift = angle[:, None, None], shift[:, None, None]
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    half = jnp.maximum(jnp.abs(cos), jnp.abs(sin))
    x, y = jnp.arange(shape[1]) - _middle(shape[1]), (rows - _middle(shape[0]))[:, None]
    position = x * cos + y * sin + shift + _middle(width)
    first = jnp.floor(position)
    fraction, first = position - first, first.astype(jnp.int32)
    view = (first_view + jnp.arange(angle.shape[0]))[:, None, None] * width
    pixels = tuple(view + jnp.clip(first + tap, 0, width - 1) for tap in (0, 1))
    hats = (jnp.maximum(1 - away / half, 0) / half for away in (fraction, 1 - fraction))
    inside = ((first >= -tap) & (first < width - tap) for tap in (0, 1))
    return pixels, tuple(jnp.where(here, hat, 0) for here, hat in zip(inside, hats))


def _backward(projections, angle, shift, shape: tuple[int, int]):
    """The transpose of `_forward`: some rows of the volume at a time, a few views at a time."""
    views, width, slices = projections.shape
    flat = projections.reshape(-1, slices)
    (z_blocks, depth), (y_blocks, size) = _blocks(slices, SLICES), _blocks(shape[0], ROWS)
    passes, taps = _blocks(views, UNROLLED)

    def block(k, out):
        z = jnp.minimum(k // y_blocks * depth, slices - depth)
        y = jnp.minimum(k % y_blocks * size, shape[0] - size)

        def add(k, sums):
            view = jnp.minimum(k * taps, views - taps)
            geometry = _part(angle, view, taps), _part(shift, view, taps)
            pixels, weights = _pixels(*geometry, view, y + jnp.arange(size), shape, width)
            new = (view + jnp.arange(taps) >= k * taps)[:, None, None]
            weights = tuple(jnp.where(new, w, 0).astype(sums.dtype) for w in weights)
            pixels, weights = jax.lax.optimization_barrier((pixels, weights))
            for near, far, a, b in zip(*pixels, *weights):
                sums = (
                    sums
                    + a[..., None] * _rows(flat, near, z, depth)
                    + b[..., None] * _rows(flat, far, z, depth)
                )
            return sums

        sums = jax.lax.fori_loop(0, passes, add, jnp.zeros((size, shape[1], depth), projections.dtype))
        return jax.lax.dynamic_update_slice(out, sums, (y, 0, z))

    out = jnp.zeros((*shape, slices), projections.dtype)
    return jax.lax.fori_loop(0, z_blocks * y_blocks, block, out)


def _geometry_gradient(volume, projections, angle, shift):
    """Derivatives of <projections, A volume> with respect to angle and shift: two loops, of which XLA drops the unused."""
    for of, weights in ((angle, _d_angle), (shift, _d_shift)):
        change = _forward(volume, angle, shift, projections.shape[1], weights)
        yield jnp.einsum("aus,aus->a", projections, change).astype(of.dtype)


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _project(volume, angle, shift, width):
    return _forward(volume, angle, shift, width)


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def _back_project(projections, angle, shift, shape):
    return _backward(projections, angle, shift, shape)


def _project_forward(volume, angle, shift, width):
    return _forward(volume, angle, shift, width), (volume, angle, shift)


def _project_backward(width, kept, cotangent):
    volume, *geometry = kept
    gradient = _geometry_gradient(volume, cotangent, *geometry)
    return _back_project(cotangent, *geometry, volume.shape[:2]), *gradient


def _back_project_forward(projections, angle, shift, shape):
    return _backward(projections, angle, shift, shape), (projections, angle, shift)


def _back_project_backward(shape, kept, cotangent):
    projections, *geometry = kept
    gradient = _geometry_gradient(cotangent, projections, *geometry)
    return _project(cotangent, *geometry, projections.shape[1]), *gradient


_project.defvjp(_project_forward, _project_backward)
_back_project.defvjp(_back_project_forward, _back_project_backward)


def project(
    volume: Float[Array, "y x z"], angle: Float[Array, " view"], shift: Float[Array, " view"], *, width: int
) -> Float[Array, "view u z"]:
    """Line integrals (value times voxels) at angles in radians; `shift` in pixels moves them to larger u."""
    return _project(volume, angle, shift, width)


def back_project(
    projections: Float[Array, "view u z"],
    angle: Float[Array, " view"],
    shift: Float[Array, " view"],
    *,
    shape: tuple[int, int],
) -> Float[Array, "y x z"]:
    """The exact transpose of `project`: every voxel of a plane of `shape` (y, x) collects the rays that it met."""
    return _back_project(projections, angle, shift, shape)


def project_reference(
    volume: Float[Array, "y x z"], angle: Float[Array, " view"], shift: Float[Array, " view"], *, width: int
) -> Float[Array, "view u z"]:
    """The same integrals by turning the volume (bilinear interpolation) and adding up its rows; any mode of autodiff."""
    rows, columns = volume.shape[:2]
    length = rows + columns

    def bilinear(y, x):
        y0, x0 = jnp.floor(y), jnp.floor(x)
        sum_ = 0.0
        for dy in (0, 1):
            for dx in (0, 1):
                weight = (1 - jnp.abs(y - y0 - dy)) * (1 - jnp.abs(x - x0 - dx))
                # Negative indices would count from the end: put them beyond it, where the value is zero.
                at = [jnp.where(i < 0, n, i) for i, n in ((y0 + dy, rows), (x0 + dx, columns))]
                value = volume.at[at[0].astype(int), at[1].astype(int)].get(mode="fill", fill_value=0)
                sum_ = sum_ + weight[..., None].astype(volume.dtype) * value
        return sum_

    def one(view):
        angle, shift = view
        u = jnp.arange(width) - _middle(width) - shift
        w = (jnp.arange(length) - _middle(length))[:, None]
        y = u * jnp.sin(angle) + w * jnp.cos(angle) + _middle(rows)
        x = u * jnp.cos(angle) - w * jnp.sin(angle) + _middle(columns)
        return jnp.sum(bilinear(y, x), axis=0)

    return jax.lax.map(one, (angle, shift))
