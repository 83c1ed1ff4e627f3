"""Line integrals through a volume in parallel beam, their transpose, and derivatives with respect to the geometry.

    p(angle, u, z) = int v(x, y, z) dl   along   u = x cos(angle) + y sin(angle) + shift

x (column) and y (row) are counted from the middle (n - 1)/2 of the volume, u from the middle of the detector; lengths are in
voxels, which are as large as the pixels. Joseph's method: the ray is marched over the in-plane axis that it crosses more
steeply, with linear interpolation along the other. One voxel then meets the detector with a hat of half width
a = max(|cos|, |sin|) <= 1 and area 1,

    A[u, xy] = max(0, 1 - |u - u_xy| / a) / a,

so the transpose is a gather too: at most two pixels per voxel and view. A scatter would be slow, and must be atomic on a GPU.

The rotation axis z is last: every tap moves a contiguous z-vector with one weight. What is added to (views of the projections or
rows of the volume) is few enough for the cache, and takes some taps at a time.

Joseph, IEEE Trans. Med. Imaging 1, 192 (1982), doi:10.1109/TMI.1982.4307572
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

# Views of the projections, and rows of the volume, that are added to at once; taps per pass over them; slices.
VIEWS, ROWS, UNROLLED, SLICES = 16, 16, 4, 256


def _blocks(count: int, most: int) -> tuple[int, int]:
    """(number, size) of blocks of at most `most`, as equal as can be; the last begins early where they do not fit."""
    number = -(-count // most)
    return number, -(-count // number)


def middle(count):
    return (count - 1) / 2


def _views(start, size: int, angle: Array, shift: Array) -> tuple[Array, Array]:
    return jax.lax.dynamic_slice(angle, (start,), (size,)), jax.lax.dynamic_slice(shift, (start,), (size,))


# What decides which voxel a weight belongs to stands behind a barrier: XLA may compute it twice, with two roundings.
def floor(x: Float[Array, "*shape"]) -> Int[Array, "*shape"]:
    return jax.lax.optimization_barrier(jnp.floor(x).astype(jnp.int32))


def _crosses_rows(angle: Float[Array, " view"]) -> Bool[Array, " view"]:
    """Whether a ray crosses the rows (y) more steeply than the columns."""
    return jax.lax.optimization_barrier(jnp.abs(jnp.cos(angle)) >= jnp.abs(jnp.sin(angle)))


def _rows(flat: Float[Array, "row z"], rows: Int[Array, "*where"], start, slices: int) -> Array:
    """(*where, slices) from slice `start` on. Rows are inside, so the gather needs no mask."""
    if slices == flat.shape[1]:
        return flat.at[rows].get(mode="promise_in_bounds")
    corners = jnp.stack([rows, jnp.broadcast_to(start, rows.shape).astype(rows.dtype)], axis=-1)
    numbers = jax.lax.GatherDimensionNumbers((rows.ndim,), (0,), (0, 1))
    return jax.lax.gather(flat, corners, numbers, (1, slices), mode="promise_in_bounds")


def _added(sums: Float[Array, "a b z"], flat, rows, weights, start) -> Float[Array, "a b z"]:
    """`sums` with both taps of every pass; `rows` and `weights`: (near, far), each (pass, a, b)."""
    # Behind a barrier, or XLA computes rows and weights again for every slice.
    rows, weights = jax.lax.optimization_barrier((rows, weights))
    for *where, near, far in zip(*rows, *(w.astype(sums.dtype)[..., None] for w in weights)):
        first, second = (_rows(flat, row, start, sums.shape[2]) for row in where)
        sums = sums + near * first + far * second
    return sums


def _crossings(angle, shift, along_y, step, shape, width):
    """Where rays cross the march rows `step`, in voxels (step, view, u); length in a row; march rows and voxels of each."""
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    steep, flat = jnp.where(along_y, cos, sin)[:, None], jnp.where(along_y, sin, cos)[:, None]
    steps, across = (jnp.where(along_y, *pair)[:, None] for pair in (shape, shape[::-1]))
    u = jnp.arange(width) - middle(width) - shift[:, None]
    position = (u - (step[:, None, None] - middle(steps)) * flat) / steep + middle(across)
    return position, 1 / jnp.abs(steep), steps, across


def _weights(angle, shift, along_y, first, step, shape, width):
    """Weights of the taps `first` and the voxel after it, differentiable in angle and shift."""
    position, length, steps, across = _crossings(angle, shift, along_y, step, shape, width)
    real, fraction = step[:, None, None] < steps, position - first
    near = jnp.where(real & (first >= 0) & (first < across), (1 - fraction) * length, 0)
    far = jnp.where(real & (first >= -1) & (first < across - 1), fraction * length, 0)
    return near, far


def _d_angle(angle, shift, *rest):
    return jax.jvp(lambda angle: _weights(angle, shift, *rest), (angle,), (jnp.ones_like(angle),))[1]


def _d_shift(angle, shift, *rest):
    return jax.jvp(lambda shift: _weights(angle, shift, *rest), (shift,), (jnp.ones_like(shift),))[1]


def _voxels(angle, shift, along_y, step, shape, width):
    """`first`, and rows of the flattened plane for both taps; those without weight, outside, are moved to the edge."""
    position, _, steps, across = _crossings(angle, shift, along_y, step, shape, width)
    first = floor(position)
    base = jnp.minimum(step[:, None, None], steps - 1) * jnp.where(along_y, shape[1], 1)[:, None]
    stride = jnp.where(along_y, 1, shape[1])[:, None]
    return first, tuple(base + jnp.clip(first + tap, 0, across - 1) * stride for tap in (0, 1))


@partial(jax.jit, static_argnames=("width", "weights"))
def _forward(volume, angle, shift, width: int, weights: Callable = _weights):
    """Sum of taps with any weights: `_weights` for the projections, `_d_angle` or `_d_shift` for their derivatives."""
    shape, slices, views = volume.shape[:2], volume.shape[2], angle.shape[0]
    flat = volume.reshape(-1, slices)
    (z_blocks, depth), (view_blocks, size) = _blocks(slices, SLICES), _blocks(views, VIEWS)
    passes, taps = _blocks(max(shape), UNROLLED)

    def block(k, out):
        z = jnp.minimum(k // view_blocks * depth, slices - depth)
        view = jnp.minimum(k % view_blocks * size, views - size)
        part = _views(view, size, angle, shift)
        geometry = *part, _crosses_rows(part[0])

        def march(k, sums):
            step = k * taps + jnp.arange(taps)
            first, rows = _voxels(*geometry, step, shape, width)
            return _added(sums, flat, rows, weights(*geometry, first, step, shape, width), z)

        sums = jax.lax.fori_loop(0, passes, march, jnp.zeros((size, width, depth), volume.dtype))
        return jax.lax.dynamic_update_slice(out, sums, (view, 0, z))

    out = jnp.zeros((views, width, slices), volume.dtype)
    return jax.lax.fori_loop(0, z_blocks * view_blocks, block, out)


def _pixels(angle, shift, first_view, rows, shape, width, even: bool):
    """Rows of the flattened (view, u) for the two taps of every voxel of the rows, and their weights; each (view, y, x)."""
    angle, shift = angle[:, None, None], shift[:, None, None]
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    half = jnp.ones_like(cos) if even else jnp.maximum(jnp.abs(cos), jnp.abs(sin))
    x, y = jnp.arange(shape[1]) - middle(shape[1]), (rows - middle(shape[0]))[:, None]
    position = x * cos + y * sin + shift + middle(width)
    first = floor(position)
    fraction = position - first
    view = (first_view + jnp.arange(angle.shape[0]))[:, None, None] * width
    pixels = tuple(view + jnp.clip(first + tap, 0, width - 1) for tap in (0, 1))
    hats = (jnp.maximum(1 - away / half, 0) / half for away in (fraction, 1 - fraction))
    inside = ((first >= -tap) & (first < width - tap) for tap in (0, 1))
    return pixels, tuple(jnp.where(here, hat, 0) for here, hat in zip(inside, hats))


@partial(jax.jit, static_argnames=("shape", "even"))
def _backward(projections, angle, shift, shape: tuple[int, int], even: bool = False):
    """The transpose of `_forward`, or with `even` hats `smear`: some rows of the volume and a few views at a time."""
    views, width, slices = projections.shape
    flat = projections.reshape(-1, slices)
    (z_blocks, depth), (y_blocks, size) = _blocks(slices, SLICES), _blocks(shape[0], ROWS)
    passes, taps = _blocks(views, UNROLLED)

    def block(k, out):
        z = jnp.minimum(k // y_blocks * depth, slices - depth)
        y = jnp.minimum(k % y_blocks * size, shape[0] - size)

        def add(k, sums):
            view = jnp.minimum(k * taps, views - taps)
            geometry = _views(view, taps, angle, shift)
            pixels, weights = _pixels(*geometry, view, y + jnp.arange(size), shape, width, even)
            new = (view + jnp.arange(taps) >= k * taps)[:, None, None]
            return _added(sums, flat, pixels, tuple(jnp.where(new, w, 0) for w in weights), z)

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


def smear(
    projections: Float[Array, "view u z"],
    angle: Float[Array, " view"],
    shift: Float[Array, " view"],
    *,
    shape: tuple[int, int],
) -> Float[Array, "y x z"]:
    """The sum of all projections, read by every voxel at its own place by linear interpolation.

    Not a transpose, but even, as filtered back projection wants it: the narrower hats of `back_project` add up to more than one
    at the middle of a pixel and to less between two, which leaves a dot of 12 % on the axis of rotation.
    """
    return _backward(projections, angle, shift, shape, even=True)
