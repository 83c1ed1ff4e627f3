"""Conjugate gradients for vectors that are trees of arrays, with a preconditioner that may itself be an iteration.

    solve  H x = b,    H positive,    r = b - H x,    M about H

Flexible ones orthogonalise each direction against the last by what M^-1 has done and not by what it should have done, and end by
r^T M^-1 r, which is close to the squared distance to the solution, (x - x*)^T H (x - x*).

Loops begin with a turn that only prepares, so that operators stand in the compiled program once.

Notay, SIAM J. Sci. Comput. 22, 1444 (2000), doi:10.1137/S1064827599362314
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

Tree = Any


def dot(a: Tree, b: Tree) -> Float[Array, ""]:
    """Sum of products of two trees."""
    return sum(jax.tree.leaves(jax.tree.map(jnp.vdot, a, b)))  # pyright: ignore[reportReturnType]


def _plus(factor, a: Tree, b: Tree) -> Tree:
    return jax.tree.map(lambda x, y: factor * x + y, a, b)


def flexible(
    apply: Callable[[Tree], Tree],
    inverse: Callable[[Tree], Tree],
    b: Tree,
    first: Tree,
    *,
    share: float | Float[Array, ""],
    enough: float | Float[Array, ""],
    most: int,
) -> tuple[Tree, Tree, Int[Array, ""]]:
    """(x, r, turns), from x = `first` until r^T M^-1 r has fallen to `share` of what it was, or to `enough`."""

    def body(state):
        x, r, p, rz, begin, k = state
        image = apply(p)
        length = jnp.where(k < 0, 1, dot(p, r) / jnp.where(k < 0, 1, dot(p, image)))
        x, behind = _plus(jnp.where(k < 0, 0, length), p, x), _plus(-length, image, r)
        after = inverse(behind)
        now = dot(behind, after)
        p = _plus(jnp.where(k < 0, 0, (now - dot(r, after)) / rz), p, after)
        return x, behind, p, now, jnp.where(k < 0, now, begin), k + 1

    def going(state):
        return (state[5] < most) & (state[3] > jnp.maximum(share * state[4], enough))

    zero = 0 * dot(b, b)
    x, r, *_, k = jax.lax.while_loop(going, body, (first, b, first, zero + jnp.inf, zero, jnp.int32(-1)))
    return x, r, k


def fixed_steps(
    apply: Callable[[Array], Array], inverse: Callable[[Array], Array], b: Array, turns: int
) -> Array:
    """x after so many turns from M^-1 b: a preconditioner for the others, hardly less than linear."""
    least = jnp.finfo(b.dtype).tiny

    def body(k, state):
        x, r, p, rz = state
        image = apply(p)
        length = jnp.where(k > 0, rz / jnp.maximum(jnp.vdot(p, image), least), 1)
        r = r - length * image
        z = inverse(r)
        now = jnp.vdot(r, z)
        p_next = z + jnp.where(k > 0, now / jnp.maximum(rz, least), 0) * p
        return x + jnp.where(k > 0, length, 0) * p, r, p_next, now

    x = inverse(b)
    return jax.lax.fori_loop(0, turns + 1, body, (x, b, x, jnp.zeros((), b.dtype)))[0]


def inverses(matrices: Float[Array, "*batch p p"]) -> Float[Array, "*batch p p"]:
    """Of symmetric positive matrices, by sweeping row after row; a loop, which compiles faster than a factorisation."""

    def sweep(k, a):
        here = jnp.arange(a.shape[-1]) == k
        row = jax.lax.dynamic_index_in_dim(a, k, axis=-1, keepdims=False)
        pivot = jax.lax.dynamic_index_in_dim(row, k, axis=-1)
        row = jnp.where(here, -1, row)
        return jnp.where(here[:, None] | here, 0, a) - row[..., :, None] * (row / pivot)[..., None, :]

    return -jax.lax.fori_loop(0, matrices.shape[-1], sweep, matrices)
