"""Windows of a canvas: cut one out, and add one to it (the transpose).

A window that would reach over the edge is moved inside, as `jax.lax.dynamic_slice` does; canvases carry a margin for that.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int


def _start(canvas: Array, corner: Int[Array, "2"]):
    return (*(jnp.zeros((), corner.dtype) for _ in canvas.shape[:-2]), corner[0], corner[1])


def cut(canvas: Array, corner: Int[Array, "2"], window: tuple[int, int]) -> Array:
    """The window (..., v, u) of `canvas` (..., y, x) whose first pixel is `corner` (y, x)."""
    return jax.lax.dynamic_slice(canvas, _start(canvas, corner), (*canvas.shape[:-2], *window))


def paste(canvas: Array, patch: Array, corner: Int[Array, "2"]) -> Array:
    """`canvas` with `patch` added in the window at `corner`: the transpose of `cut`, in place where XLA can."""
    here = cut(canvas, corner, patch.shape[-2:])  # pyright: ignore[reportArgumentType]
    return jax.lax.dynamic_update_slice(canvas, here + patch, _start(canvas, corner))


def cut_all(canvas: Array, corners: Int[Array, "frame 2"], window: tuple[int, int]) -> Array:
    """Windows (frame, ..., v, u) at many corners."""
    return jax.vmap(lambda corner: cut(canvas, corner, window))(corners)


def paste_all(canvas: Array, patches: Array, corners: Int[Array, "frame 2"]) -> Array:
    """`canvas` with every patch added at its corner; windows may overlap, so they are added one after the other."""
    return jax.lax.fori_loop(0, corners.shape[0], lambda i, sum_: paste(sum_, patches[i], corners[i]), canvas)
