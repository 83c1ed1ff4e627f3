"""Euler number of a soft set on a grid, a polynomial in the voxels' occupancies p, and its derivative.

    chi(p) = sum_r p - sum_edges prod p + sum_squares prod p - sum_cubes prod p

over pairs, squares of four and cubes of eight neighbours. For occupancies of 0 and 1 it is vertices - edges + faces - cubes
of the cubical complex: bodies - tunnels + cavities, where voxels touch through faces. It factorises axis by axis,

    chi(p) = sum_k chi_2(p_k) - chi_2(p_k p_(k+1)),     chi_2 of a plane by the same rule from chi_1 of lines,

which is how value and derivative are worked out, one plane at a time.

Kong & Rosenfeld, Comput. Vision Graph. Image Process. 48, 357 (1989), doi:10.1016/0734-189X(89)90147-3.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Volume = Float[Array, "y x z"]


def euler_number_reference(p: Volume) -> Float[Array, ""]:
    """chi(p) of the file's head."""

    def pair(v, axis):
        n = v.shape[axis]
        return jax.lax.slice_in_dim(v, 1, n, axis=axis) * jax.lax.slice_in_dim(v, 0, n - 1, axis=axis)

    total = jnp.zeros((), p.dtype)
    for axes in [(), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]:
        product = p
        for axis in axes:
            product = pair(product, axis)
        total = total + (-1) ** len(axes) * jnp.sum(product)
    return total


def _next(v: Array, axis: int, by: int) -> Array:
    """v one step further along the axis (by = 1) or back (-1), zero beyond its end."""
    widths = [(-by if k == axis else 0, by if k == axis else 0, 0) for k in range(v.ndim)]
    return jax.lax.pad(v, jnp.zeros((), v.dtype), widths)


def _plane(v: Float[Array, "x z"]) -> tuple[Float[Array, ""], Float[Array, "x z"]]:
    """chi_2 of a plane and its derivative."""
    after = _next(v, 0, 1)
    rows = v * after
    by_line = lambda w: 1 - _next(w, 1, 1) - _next(w, 1, -1)  # noqa: E731
    by_rows = by_line(rows)
    value = jnp.sum(v * (1 - _next(v, 1, 1)) - rows * (1 - _next(rows, 1, 1)))
    return value, by_line(v) - by_rows * after - _next(by_rows * v, 0, -1)


def _sweep(p: Volume) -> tuple[Float[Array, ""], Volume]:
    last = p.shape[0] - 1

    def plane(k, carry):
        total, slope, before = carry
        here = p[k]
        behind = jnp.where(k < last, p[jnp.minimum(k + 1, last)], 0)
        (own, by_own), (shared, by_shared) = _plane(here), _plane(here * behind)
        slope = slope.at[k].set(by_own - by_shared * behind - before)
        return total + own - shared, slope, by_shared * here

    start = jnp.zeros((), p.dtype), jnp.zeros_like(p), jnp.zeros_like(p[0])
    total, slope, _ = jax.lax.fori_loop(0, last + 1, plane, start)
    return total, slope


@jax.custom_vjp
def euler_number(p: Volume) -> Float[Array, ""]:
    """chi(p) of the file's head."""
    return euler_number_reference(p)


euler_number.defvjp(_sweep, lambda slope, cotangent: (cotangent * slope,))
