"""How well voxels that are pore, solid or partly either explain a density: a mixture, as negative log-likelihood.

    -log P(x),    P = p0 N(x; m0, s) + p1 N(x; m1, s) + p2 U(x),    U = [Q((x - m1)/s) - Q((x - m0)/s)] / (m1 - m0)

N is the normal density, Q its upper tail: U is a part of solid anywhere between 0 and 1, blurred by the same noise. P
integrates to 1. Beyond a level everything carries the factor exp(-h^2/2), h the distance from it in units of s, which is
taken out, and Q(h) = exp(-h^2/2) X(h) / 2 with X(h) = exp(h^2/2) erfc(h/sqrt 2), a Chebyshev series in (h - K)/(h + K) for h
>= 0: no tail underflows in float32, however far a voxel is from both levels. With z_i = (x - m_i)/s the derivatives are

    P' = [-p0 z0 N0 - p1 z1 N1]/s + p2 (N0 - N1)/(m1 - m0),      dP/dp = (N0, N1, U),
    dP/dm1 = p1 z1 N1/s + p2 (N1 - U)/(m1 - m0),     dP/dm0 = p0 z0 N0/s + p2 (U - N0)/(m1 - m0),
    dP/ds = [p0 (z0^2 - 1) N0 + p1 (z1^2 - 1) N1]/s + p2 (z1 N1 - z0 N0)/(m1 - m0).

Value and all derivatives come out of one sweep over the planes of the first axis.

Laidlaw, Fleischer & Barr, IEEE Trans. Med. Imaging 17, 74 (1998), doi:10.1109/42.668696;
Santago & Gage, IEEE Trans. Image Process. 4, 1531 (1995), doi:10.1109/83.469934.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy import special

Volume = Float[Array, "y x z"]
Scalar = Float[Array, ""]
K = 3.0  # where the middle of the series lies
TERMS = {"float32": 13, "float64": 30}
ROOT = float(np.sqrt(2 * np.pi))


@functools.cache
def _series(dtype: str) -> tuple[float, ...]:
    """Coefficients, highest power first, of (1 + h) X(h) in t = (h - K)/(h + K)."""
    nodes = np.cos(np.pi * (np.arange(400) + 0.5) / 400)
    h = K * (1 + nodes) / (1 - nodes)
    chebyshev = np.polynomial.chebyshev.chebfit(nodes, (1 + h) * special.erfcx(h / np.sqrt(2)), TERMS[dtype])
    return tuple(np.polynomial.chebyshev.cheb2poly(chebyshev)[::-1].tolist())


def scaled_tail(h: Array) -> Array:
    """X(h) of the file's head, h >= 0."""
    t = (h - K) / (h + K)
    total = jnp.zeros_like(t)
    for coefficient in _series(str(h.dtype)):
        total = total * t + coefficient
    return total / (1 + h)


def _terms(x: Array, m0: Array, m1: Array, s: Array) -> tuple[Array, Array, Array, Array]:
    """(c, N0, N1, U): the last three divided by exp(-c)."""
    z0, z1 = (x - m0) / s, (x - m1) / s
    upper = x + x > m0 + m1  # nearer to the solid: else all is mirrored
    near, far = jnp.where(upper, z1, -z0), jnp.where(upper, z0, -z1)  # far > |near|
    ratio = jnp.exp((near - far) * (near + far) / 2)
    outside = near > 0
    c = jnp.where(outside, near**2 / 2, 0)
    own = jnp.where(outside, 1, jnp.exp(-(near**2) / 2))
    half = own * scaled_tail(jnp.abs(near)) / 2
    tail = jnp.where(outside, half, 1 - half) - own * ratio * scaled_tail(far) / 2
    n_near, n_far = own / (s * ROOT), own * ratio / (s * ROOT)
    return c, jnp.where(upper, n_far, n_near), jnp.where(upper, n_near, n_far), tail / (m1 - m0)


def mixture_reference(
    x: Volume, shares: Float[Array, " 3"], pore: Scalar, solid: Scalar | Volume, noise: Scalar
) -> Scalar:
    """The sum of -log P of the file's head over all voxels, differentiated automatically."""
    c, n0, n1, u = _terms(x, pore, solid, noise)
    return jnp.sum(c - jnp.log(shares[0] * n0 + shares[1] * n1 + shares[2] * u))


def _derivatives(x, shares, m0, m1, s):
    """-log P, and minus its derivatives: by x, shares (three), m0, m1 and s."""
    c, n0, n1, u = _terms(x, m0, m1, s)
    p0, p1, p2 = shares
    z0, z1, width = (x - m0) / s, (x - m1) / s, m1 - m0
    one = 1 / (p0 * n0 + p1 * n1 + p2 * u)
    a, b, d = p0 * z0 * n0 / s, p1 * z1 * n1 / s, p2 / width
    by_x = (d * (n0 - n1) - a - b) * one
    by_level = (a + d * (u - n0)) * one, (b + d * (n1 - u)) * one
    by_noise = (z0 * a - p0 * n0 / s + z1 * b - p1 * n1 / s + d * (z1 * n1 - z0 * n0)) * one
    return c + jnp.log(one), by_x, (n0 * one, n1 * one, u * one), *by_level, by_noise


def _sweep(x, shares, pore, solid, noise):
    """(value, derivatives in the order of the arguments)."""
    local = solid.ndim > 0

    def plane(k, carry):
        sums, by_x, by_solid = carry
        found = _derivatives(x[k], shares, pore, solid[k] if local else solid, noise)
        value, slope, by_shares, by_pore, by_level, by_noise = found
        parts = [value, *by_shares, by_pore, by_noise, *([] if local else [by_level])]
        sums = sums + jnp.stack([jnp.sum(part) for part in parts])
        by_solid = by_solid.at[k].set(-by_level) if local else by_solid
        return sums, by_x.at[k].set(-slope), by_solid

    start = jnp.zeros(6 if local else 7, x.dtype), jnp.zeros_like(x), jnp.zeros_like(solid)
    sums, by_x, by_solid = jax.lax.fori_loop(0, x.shape[0], plane, start)
    by_solid = by_solid if local else -sums[6]
    return sums[0], (by_x, -sums[1:4], -sums[4], by_solid, -sums[5])


@jax.custom_vjp
def _mixture(x, shares, pore, solid, noise):
    return mixture_reference(x, shares, pore, solid, noise)


_mixture.defvjp(_sweep, lambda slopes, cotangent: tuple(cotangent * slope for slope in slopes))


def mixture(
    x: Volume, shares: Float[Array, " 3"], pore: Scalar, solid: Scalar | Volume, noise: Scalar
) -> Scalar:
    """The sum of -log P of the file's head over all voxels. pore, solid: m0 < m1, the solid's for each voxel or for all."""
    as_x = lambda value: jnp.asarray(value, x.dtype)  # noqa: E731
    return _mixture(x, as_x(shares), as_x(pore), as_x(solid), as_x(noise))
