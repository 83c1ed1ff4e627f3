"""A smooth map of all numbers to the positive ones, close to the identity wherever a number is positive by a few softnesses.

    p(x) = (x + sqrt(x^2 + s^2)) / 2,        x = p - s^2 / (4 p)

Unlike an exponential it leaves steps of an optimiser as they are, and unlike max(x, 0) its slope never vanishes.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def positive(x: Float[Array, "*shape"], softness: float | Float[Array, ""]) -> Float[Array, "*shape"]:
    """p(x), above zero."""
    root = jnp.sqrt(x**2 + softness**2)
    # Left of zero the sum cancels: its other form keeps the digits.
    return jnp.where(x > 0, x + root, softness**2 / jnp.where(x > 0, 1, root - x)) / 2


def raw(p: Float[Array, "*shape"], softness: float | Float[Array, ""]) -> Float[Array, "*shape"]:
    """The x of which p is p(x); values of p that are hardly positive are taken as a twentieth of the softness."""
    p = jnp.maximum(p, softness / 20)
    return p - softness**2 / (4 * p)
