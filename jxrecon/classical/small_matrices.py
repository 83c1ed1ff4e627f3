"""Many small symmetric systems at once: the batch lies along the last axis, so that every step is a row of numbers side by side.

Sweeping the rows k = 0 .. m-1 of a symmetric matrix A = [[P, Q], [Q^T, R]], pivot after pivot,

    A <- A - a_k a_k^T / A_kk,   row k <- a_k / A_kk                    a_k: column k

leaves P^-1 Q in the first rows and the Schur complement R - Q^T P^-1 Q in the others: the coefficients of a linear fit, and what
is left of the other columns once the swept ones have taken their share. A pivot that has lost all but 2e-6 of its size belongs
to a column that the earlier ones explain (or to no data at all): it is left out, and its coefficient is zero.

Beaton, ETS Research Bulletin RB-64-51 (1964); Goodnight, Am. Stat. 33, 149 (1979), doi 10.1080/00031305.1979.10482685.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

LOST = 16  # units of rounding: what is left of a pivot below is noise


def swept(
    matrix: Float[Array, "row column *batch"], count: int
) -> tuple[Float[Array, "row column *batch"], Bool[Array, " *batch"]]:
    """The first `count` rows swept, and whether every pivot stood; `matrix` may have more columns than rows."""
    rows = matrix.shape[0]
    least = LOST * jnp.finfo(matrix.dtype).eps * jnp.stack([matrix[k, k] for k in range(count)])
    is_row = jnp.arange(rows).reshape(-1, *[1] * (matrix.ndim - 1))

    def step(k, state):
        a, sound = state
        pivot, floor = a[k, k], least[k]
        stands = (pivot > floor) & (pivot > 0)
        share = jnp.where(stands, 1 / jnp.where(stands, pivot, 1), 0)
        row = a[k] * share
        return jnp.where(is_row == k, row, a - a[:, k][:, None] * row), sound & stands

    return jax.lax.fori_loop(0, count, step, (matrix, jnp.ones(matrix.shape[2:], bool)))


def solved(
    matrix: Float[Array, "row row *batch"], right: Float[Array, " row *batch"]
) -> tuple[Float[Array, " row *batch"], Bool[Array, " *batch"]]:
    """x of `matrix` x = `right`, and whether `matrix` is positive definite."""
    done, sound = swept(jnp.concatenate([matrix, right[:, None]], axis=1), matrix.shape[0])
    return done[:, -1], sound


def inverse(
    matrix: Float[Array, "row row *batch"],
) -> tuple[Float[Array, "row row *batch"], Bool[Array, " *batch"]]:
    """Inverse, and whether `matrix` is positive definite; it is scaled to a unit diagonal in between."""
    n = matrix.shape[0]
    size = jnp.stack([matrix[k, k] for k in range(n)])
    scale = jnp.where(size > 0, 1 / jnp.sqrt(jnp.where(size > 0, size, 1)), 0)
    both = scale[:, None] * scale[None]
    one = jnp.broadcast_to(
        jnp.eye(n, dtype=matrix.dtype).reshape(n, n, *[1] * (matrix.ndim - 2)), matrix.shape
    )
    done, sound = swept(jnp.concatenate([matrix * both, one], axis=1), n)
    return done[:, n:] * both, sound & jnp.all(size > 0, axis=0)
