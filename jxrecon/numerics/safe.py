"""Functions whose gradient stays finite where the textbook form has none."""

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float


def intensity(field: Complex[Array, "*shape"]) -> Float[Array, "*shape"]:
    """|field|^2, as re^2 + im^2: the gradient of abs(field)**2 is NaN at zero."""
    return field.real**2 + field.imag**2


def sqrt(x: Float[Array, "*shape"], floor: float | Float[Array, ""]) -> Float[Array, "*shape"]:
    """sqrt(x + floor) - a square root whose slope at zero is 1 / (2 sqrt(floor)) and not infinite."""
    return jnp.sqrt(x + floor)
