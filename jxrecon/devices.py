"""One reconstruction on several devices: frames are dealt out, unknowns are on all of them.

Every device computes the loss and the gradient of its share of a batch; one sum over devices (an all-reduce) follows, and all
make the same update. The gradient is taken of the local loss, inside `shard_map` without its check of varying axes, so that
no second sum is inserted: with one, gradients would silently be as many times too large as there are devices.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from .errors import InputError

AXIS = "frames"


def mesh_of(count: int) -> Mesh | None:
    """A mesh of the first `count` devices; None for one device."""
    available = jax.devices()
    if count > len(available):
        raise InputError(
            f"`devices` is {count}, but JAX sees {len(available)} {available[0].platform} device(s); lower `devices`."
        )
    if count == 1:
        return None
    return jax.make_mesh((count,), (AXIS,), (AxisType.Auto,), devices=available[:count])


def placed(tree: Any, mesh: Mesh | None, axis: int | None = None) -> Any:
    """Arrays on all devices of a mesh, cut along `axis`, or whole on each of them.

    What a compiled loop is given has to lie as it lay the time before: else it is copied anew, or compiled again.
    """
    if mesh is None:
        return tree
    spec = PartitionSpec() if axis is None else PartitionSpec(*[None] * axis, AXIS)
    return jax.device_put(tree, NamedSharding(mesh, spec))


def summed(tree: Any, mesh: Mesh | None) -> Any:
    """Sum over the devices of a mesh, inside a function that `over_devices` wrapped."""
    return tree if mesh is None else jax.lax.psum(tree, AXIS)


def summing(function: Callable[[Any], Array], mesh: Mesh | None) -> Callable[[Any], Array]:
    """`function` of one tree summed over the devices, so that its gradient is summed as well.

    Plain differentiation of `summed` gives each device its own share times their number: a line search would go other ways on
    each of them, and wait for ever.
    """
    if mesh is None:
        return function

    @jax.custom_vjp
    def total(x):
        return summed(function(x), mesh)

    def forward(x):
        return summed(jax.value_and_grad(function)(x), mesh)

    def backward(gradient, cotangent):
        return (jax.tree.map(lambda g: g * cotangent.astype(g.dtype), gradient),)

    total.defvjp(forward, backward)
    return total


def over_devices(function: Callable, mesh: Mesh | None, *, specs: tuple, out: Any = None) -> Callable:
    """`function` run by every device on its part of the arguments, as `specs` say; results are equal on all devices."""
    if mesh is None:
        return function
    out = PartitionSpec() if out is None else out
    return jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=out, check_vma=False)
