"""Lineal path of a soft set: how often a straight line of k + 1 voxels lies wholly inside.

    L(k) = mean over the three axes of  sum_x prod_(j=0..k) p(x + j e) / (lines of k + 1 voxels in the volume)

of lines that end at the volume's faces. Its second difference gives the chord lengths. The products of all lags grow from
each other, which automatic differentiation would keep, a volume for each lag; here the volume is worked through in slabs that
stay in the cache, forwards for the products and backwards for the derivative

    lambda_(k-1)(x) = c_(k-1) + p(x + k) lambda_k(x),      dL/dp(x + k) += lambda_k(x) prod_(j<k) p(x + j).

Lu & Torquato, Phys. Rev. A 45, 922 (1992), doi:10.1103/PhysRevA.45.922.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Volume = Float[Array, "y x z"]
Slab = Float[Array, "line across rest"]
THICKEST = 8  # rows of a slab


def lines(shape: tuple[int, ...], count: int) -> Float[np.ndarray, "axis lag"]:
    """How many lines of 1 to `count` voxels there are along each axis; raises ValueError where there are none."""
    if count > min(shape):
        raise ValueError(f"lines of {count} voxels do not fit into a volume of {shape}.")
    lags = np.arange(count)
    return np.array([np.prod(shape) / n * (n - lags) for n in shape], float)


def lineal_path_reference(p: Volume, count: int) -> Float[Array, " lag"]:
    """L(0) to L(count - 1)."""
    found = []
    for axis, number in enumerate(lines(p.shape, count)):
        product, sums = p, []
        for lag in range(count):
            if lag:
                n = p.shape[axis]
                product = jax.lax.slice_in_dim(product, 0, n - lag, axis=axis)
                product = product * jax.lax.slice_in_dim(p, lag, n, axis=axis)
            sums.append(jnp.sum(product) / float(number[lag]))
        found.append(jnp.stack(sums))
    return sum(found[1:], start=found[0]) / 3


def _thickness(n: int) -> int:
    return next(t for t in range(THICKEST, 0, -1) if n % t == 0)


def _slab(p: Volume, axis: int, k) -> Slab:
    """The k-th slab across the lines of an axis, these first."""
    across = 1 if axis == 0 else 0
    size = _thickness(p.shape[across])
    return jnp.moveaxis(jax.lax.dynamic_slice_in_dim(p, k * size, size, across), axis, 0)


def _added(total: Volume, slab: Slab, axis: int, k) -> Volume:
    across = 1 if axis == 0 else 0
    first = k * _thickness(total.shape[across])
    old = jax.lax.dynamic_slice_in_dim(total, first, _thickness(total.shape[across]), across)
    return jax.lax.dynamic_update_slice_in_dim(total, old + jnp.moveaxis(slab, 0, axis), first, across)


def _products(slab: Slab, count: int) -> tuple[Array, Array, Array]:
    """(the slab with `count` zeros behind the lines, products of each lag, their sums)."""
    wide = jnp.pad(slab, [(0, count), (0, 0), (0, 0)])

    def longer(product, lag):
        here = product * jax.lax.dynamic_slice_in_dim(wide, lag, slab.shape[0])
        return here, (here, jnp.sum(here))

    _, (products, sums) = jax.lax.scan(longer, jnp.ones_like(slab), jnp.arange(count))
    return wide, products, sums


def _derivative(slab: Slab, count: int, by_sum: Float[Array, " lag"]) -> Slab:
    wide, products, _ = _products(slab, count)
    shorter = jnp.concatenate([jnp.ones_like(slab)[None], products[:-1]])

    def back(carry, at):
        slope, multiplier = carry
        lag, before, by_longest = at
        multiplier = by_longest + multiplier
        old = jax.lax.dynamic_slice_in_dim(slope, lag, slab.shape[0])
        slope = jax.lax.dynamic_update_slice_in_dim(slope, old + multiplier * before, lag, 0)
        return (slope, multiplier * jax.lax.dynamic_slice_in_dim(wide, lag, slab.shape[0])), None

    start = jnp.zeros_like(wide), jnp.zeros_like(slab)
    (slope, _), _ = jax.lax.scan(back, start, (jnp.arange(count), shorter, by_sum), reverse=True)
    return slope[: slab.shape[0]]


def _slabs(shape: tuple[int, ...], axis: int) -> int:
    n = shape[1 if axis == 0 else 0]
    return n // _thickness(n)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _lineal_path(p, count):
    total = jnp.zeros(count, p.dtype)
    for axis, number in enumerate(lines(p.shape, count)):
        body = lambda k, sums, axis=axis: sums + _products(_slab(p, axis, k), count)[2]  # noqa: E731
        sums = jax.lax.fori_loop(0, _slabs(p.shape, axis), body, jnp.zeros(count, p.dtype))
        total = total + sums / jnp.asarray(3 * number, p.dtype)
    return total


def _backward(count, p, cotangent):
    slope = jnp.zeros_like(p)
    for axis, number in enumerate(lines(p.shape, count)):
        by_sum = cotangent / jnp.asarray(3 * number, p.dtype)

        def body(k, slope, axis=axis, by_sum=by_sum):
            return _added(slope, _derivative(_slab(p, axis, k), count, by_sum), axis, k)

        slope = jax.lax.fori_loop(0, _slabs(p.shape, axis), body, slope)
    return (slope,)


_lineal_path.defvjp(lambda p, count: (_lineal_path(p, count), p), _backward)


def lineal_path(p: Volume, count: int) -> Float[Array, " lag"]:
    """L(0) to L(count - 1) of the file's head."""
    return _lineal_path(p, count)
