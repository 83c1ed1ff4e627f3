"""The map of a volume to positive densities (`numerics.positive`), whose derivative is worked out in one sweep.

    p(x) = (x + sqrt(x^2 + s^2)) / 2,        dp/dx = p / sqrt(x^2 + s^2)

The way back goes through some rows of the volume at a time, so that what it gives is written once: XLA would fuse it into every
place where the gradient is read, and keep roots and quotients as long as the volume from the way there. Only in reverse mode;
`numerics.positive.positive` is the reference.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..numerics.positive import positive

ROWS = 16


def _slope(x, softness):
    square = softness**2
    root = jnp.sqrt(x**2 + square)
    longer = jnp.abs(x) + root
    return jnp.where(x > 0, longer**2, square) / (2 * root * longer)


@jax.custom_vjp
def positive_density(x: Float[Array, "y x z"], softness: Float[Array, ""]) -> Float[Array, "y x z"]:
    """p(x), above zero."""
    return positive(x, softness)


def _forward(x, softness):
    return positive(x, softness), (x, softness)


def _backward(kept, cotangent):
    x, softness = kept
    rows = min(ROWS, x.shape[0])

    def block(k, out):
        start = (jnp.minimum(k * rows, x.shape[0] - rows), 0, 0)
        here, slope_to = (jax.lax.dynamic_slice(a, start, (rows, *x.shape[1:])) for a in (x, cotangent))
        return jax.lax.dynamic_update_slice(out, slope_to * _slope(here, softness), start)

    change = jax.lax.fori_loop(0, -(-x.shape[0] // rows), block, jnp.zeros_like(x))
    by_softness = jnp.sum(cotangent * softness / (2 * jnp.sqrt(x**2 + softness**2)))
    return change, by_softness.astype(softness.dtype)


positive_density.defvjp(_forward, _backward)
