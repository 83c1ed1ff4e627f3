"""What lies under the reflections: sums of smooth functions of 2 theta,  b(x) = sum_k c_k B_k(x).

Chebyshev polynomials of the range of channels stretched to -1 ... 1, or cubic B-splines on even knots, which are local and sum
to 1.
"""

import jax.numpy as jnp
import numpy as np
import scipy.interpolate
from jaxtyping import Array, Float


def chebyshev(two_theta_deg: Float[np.ndarray, " channel"], terms: int) -> Float[np.ndarray, "term channel"]:
    """T_0 ... T_(terms - 1)."""
    if terms < 1:
        raise ValueError(f"`terms` is {terms}; expected 1 (a constant) or more.")
    low, high = two_theta_deg[0], two_theta_deg[-1]
    x = (2 * two_theta_deg - low - high) / (high - low)
    return np.polynomial.chebyshev.chebvander(x, terms - 1).T.copy()


def b_splines(
    two_theta_deg: Float[np.ndarray, " channel"], terms: int, degree: int = 3
) -> Float[np.ndarray, "term channel"]:
    """Splines of which `degree + 1` are above zero in any channel."""
    if terms <= degree:
        raise ValueError(f"`terms` is {terms}; splines of degree {degree} are {degree + 1} or more.")
    low, high = two_theta_deg[0], two_theta_deg[-1]
    inner = np.linspace(low, high, terms - degree + 1)
    knots = np.concatenate([np.full(degree, low), inner, np.full(degree, high)])
    return scipy.interpolate.BSpline.design_matrix(two_theta_deg, knots, degree).toarray().T


def background(
    coefficients: Float[Array, "*voxel term"], basis: Float[np.ndarray, "term channel"]
) -> Float[Array, "*voxel channel"]:
    return jnp.matmul(coefficients, jnp.asarray(basis, coefficients.dtype), precision="highest")
