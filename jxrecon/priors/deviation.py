"""How far a description of the whole volume (a curve, a number) is from what it should be.

R = sum_k (f_k - target_k)^2 / (2 spread^2)      in nats
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def deviation(
    found: Float[Array, "*curve"],
    target: Float[Array, "*curve"],
    spread: Float[Array, ""] | Float[Array, "*curve"],
) -> Float[Array, ""]:
    """R of the file's head."""
    return jnp.sum(((found - jnp.asarray(target, found.dtype)) / spread) ** 2) / 2


def curve(values: object) -> Float[Array, " point"]:
    """Numbers from a config, as an array."""
    return jnp.atleast_1d(jnp.asarray(values, jnp.result_type(float)))


def check_spread(spread: Float[Array, "*curve"]) -> None:
    """Raises ValueError where it is not above zero, unless it is being traced."""
    if hasattr(spread, "addressable_shards") and not bool(jnp.all(spread > 0)):
        raise ValueError(f"`spread` is {spread}; expected more than 0.")
