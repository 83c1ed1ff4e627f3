"""Sums over many frames whose gradient is accumulated while they are computed.

    S(canvas, shared, frames) = sum_j loss(cut(canvas, corner_j), shared, frame_j, data_j)

Reverse-mode differentiation of a scan keeps every exit wave until the way back. Here the body of the scan computes the loss and
its gradient together, and adds the gradient to its carry: nothing is stored per frame, and memory is the canvas's gradient
plus one group of frames, however many frames there are. The canvas receives its gradient window by window, so that the cost
of a frame does not grow with the size of the specimen.

The price: S can be differentiated once, in reverse mode. For forward mode and Hessian-vector products there is
`accumulate_reference`, the same sum in plain JAX.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from .patches import cut_all, paste_all

Loss = Callable[..., Float[Array, ""]]


def _groups(tree: Any, size: int) -> tuple[Any, Any]:
    """(whole groups with a leading axis `group`, the frames that are left over or None)."""
    count = jax.tree.leaves(tree)[0].shape[0]
    whole = count // size * size
    groups = jax.tree.map(lambda x: x[:whole].reshape(-1, size, *x.shape[1:]), tree)
    return groups, None if whole == count else jax.tree.map(lambda x: x[whole:], tree)


def _ungrouped(groups: Any, rest: Any) -> Any:
    flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), groups)
    return flat if rest is None else jax.tree.map(lambda a, b: jnp.concatenate([a, b]), flat, rest)


def _sum_of_group(loss: Loss, patches, shared, frames, data, constants):
    each = jax.vmap(loss, in_axes=(0, None, 0, 0, None))(patches, shared, frames, data, constants)
    return jnp.sum(each)


def accumulate_reference(
    loss: Loss, canvas, corners, shared, frames, data, constants, *, window, group: int = 1
) -> Float[Array, ""]:
    """Same value as `accumulate`, differentiable in every mode and any number of times; stores what autodiff stores."""

    def body(total, xs):
        corner, frame, datum = xs
        patches = cut_all(canvas, corner, window)
        return total + _sum_of_group(loss, patches, shared, frame, datum, constants), None

    groups, rest = _groups((corners, frames, data), max(1, min(group, corners.shape[0])))
    shape = jax.eval_shape(body, jnp.zeros(()), jax.tree.map(lambda x: x[0], groups))[0]
    total = jax.lax.scan(body, jnp.zeros((), shape.dtype), groups)[0]
    return total if rest is None else body(total, rest)[0]


def _value_and_gradient(loss, canvas, corners, shared, frames, data, constants, window, group):
    gradient_of = jax.value_and_grad(_sum_of_group, argnums=(1, 2, 3))

    def body(carry, xs):
        total, d_canvas, d_shared = carry
        corner, frame, datum = xs
        patches = cut_all(canvas, corner, window)
        value, (d_patch, d_here, d_frame) = gradient_of(loss, patches, shared, frame, datum, constants)
        d_canvas = paste_all(d_canvas, d_patch, corner)
        d_shared = jax.tree.map(jnp.add, d_shared, d_here)
        return (total + value, d_canvas, d_shared), d_frame

    groups, rest = _groups((corners, frames, data), max(1, min(group, corners.shape[0])))
    zeros = jax.tree.map(jnp.zeros_like, (canvas, shared))
    zero = jnp.zeros((), jnp.finfo(canvas.dtype).dtype)
    carry, d_frames = jax.lax.scan(body, (zero, *zeros), groups)
    d_rest = None
    if rest is not None:
        carry, d_rest = body(carry, rest)
    total, d_canvas, d_shared = carry
    return total, (d_canvas, d_shared, _ungrouped(d_frames, d_rest))


def accumulate(
    loss: Loss,
    canvas: Array,
    corners: Int[Array, "frame 2"],
    shared: Any,
    frames: Any,
    data: Any,
    constants: Any = None,
    *,
    window: tuple[int, int],
    group: int = 1,
) -> Float[Array, ""]:
    """Sum of `loss(patch, shared, frame, datum, constants)` over frames.

    canvas: (..., y, x), inexact; corners: first pixel of each frame's window of shape `window`; shared: pytree of inexact
    arrays, the same for all frames; frames: pytree of inexact arrays with leading axis `frame`. Gradients flow to these three,
    and none to data (leading axis `frame`) and constants. `group` frames are computed at once: 1 to 4 on a CPU, 32 to 256
    on a GPU.
    """

    @jax.custom_vjp
    def total(canvas, shared, frames, corners, data, constants):
        return accumulate_reference(
            loss, canvas, corners, shared, frames, data, constants, window=window, group=group
        )

    def forward(canvas, shared, frames, corners, data, constants):
        return _value_and_gradient(loss, canvas, corners, shared, frames, data, constants, window, group)

    def backward(gradient, cotangent):
        scaled = jax.tree.map(lambda g: g * cotangent.astype(g.dtype), gradient)
        return (*scaled, None, None, None)

    total.defvjp(forward, backward)
    return total(canvas, shared, frames, corners, data, constants)


def accumulate_views(loss: Loss, shared: Any, own: Any, views: Any, constants: Any) -> Float[Array, ""]:
    """Sum of `loss(shared, own, view, constants)` over the leading axis of `own` and `views`, one view in memory at a time.

    Gradients flow to the inexact leaves of `shared`, where they are summed, and of `own`, where each view has its part.
    """
    free, fixed = eqx.partition(shared, eqx.is_inexact_array)

    def value(free, own, view, constants):
        return loss(eqx.combine(free, fixed), own, view, constants)

    @jax.custom_vjp
    def total(free, own, views, constants):
        return jnp.sum(jax.lax.map(lambda xs: value(free, xs[0], xs[1], constants), (own, views)))

    def forward(free, own, views, constants):
        def body(carry, xs):
            total, d_free = carry
            here, (d_here, d_own) = jax.value_and_grad(value, argnums=(0, 1))(free, *xs, constants)
            return (total + here, jax.tree.map(jnp.add, d_free, d_here)), d_own

        zero = jnp.zeros((), jnp.finfo(jax.tree.leaves(free)[0].dtype).dtype)
        (sum_, d_free), d_own = jax.lax.scan(body, (zero, jax.tree.map(jnp.zeros_like, free)), (own, views))
        return sum_, (d_free, d_own)

    def backward(gradient, cotangent):
        d_free, d_own = jax.tree.map(lambda g: g * cotangent.astype(g.dtype), gradient)
        return d_free, d_own, None, None

    total.defvjp(forward, backward)
    return total(free, own, views, constants)
