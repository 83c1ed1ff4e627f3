"""Total variation of one volume that leaves alone what changes where, and along which direction, another one changes.

    dTV(u) = sum_r sqrt(|P grad u|^2 + eps^2) - eps,     P = 1 - xi xi^T,     xi = grad g / sqrt(|grad g|^2 + edge^2)

g, the guide, is a constant. Where it is flat (|grad g| well below `edge`) this is total variation; where it has an edge,
steps of u across it are free and steps along it are not. Forward differences; value and derivative by
`gradient_penalty.sweep`, with the flux P P grad u / sqrt(|P grad u|^2 + eps^2).

Ehrhardt & Betcke, SIAM J. Imaging Sci. 9, 1084 (2016), doi:10.1137/15M1047325.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .gradient_penalty import Three, Volume, differences, plane_differences, sweep


def _inner(a: Three, b: Three) -> Array:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _direction(d: Three, edge: Array) -> Three:
    length = jnp.sqrt(_inner(d, d) + edge**2)
    return d[0] / length, d[1] / length, d[2] / length


def _across(d: Three, xi: Three) -> Three:
    """P d."""
    along = _inner(d, xi)
    return d[0] - along * xi[0], d[1] - along * xi[1], d[2] - along * xi[2]


def _value(v: Three, eps: Array) -> tuple[Array, Array]:
    square = _inner(v, v)
    length = jnp.sqrt(square + eps**2)
    return square / (length + eps), length


def directional_variation_reference(
    u: Volume, guide: Volume, eps: float | Float[Array, ""], edge: float | Float[Array, ""]
) -> Float[Array, ""]:
    """dTV(u) of the file's head."""
    eps, edge = jnp.asarray(eps, u.dtype), jnp.asarray(edge, u.dtype)
    xi = _direction(differences(jax.lax.stop_gradient(guide)), edge)
    return jnp.sum(_value(_across(differences(u), xi), eps)[0])


def _swept(u, guide, eps, edge):
    def flux(d, k):
        xi = _direction(plane_differences(guide, k), edge)
        v = _across(d, xi)
        value, length = _value(v, eps)
        back = _across(v, xi)
        return value, (back[0] / length, back[1] / length, back[2] / length)

    return sweep(u, flux)


@jax.custom_vjp
def _directional(u, guide, eps, edge):
    return directional_variation_reference(u, guide, eps, edge)


def _forward(u, guide, eps, edge):
    value, slope = _swept(u, guide, eps, edge)
    return value, (slope, guide, eps, edge)


def _backward(kept, cotangent):
    slope, *constants = kept
    return cotangent * slope, *map(jnp.zeros_like, constants)


_directional.defvjp(_forward, _backward)


def directional_variation(
    u: Volume, guide: Volume, eps: float | Float[Array, ""], edge: float | Float[Array, ""]
) -> Float[Array, ""]:
    """dTV(u) of the file's head, which is differentiated with respect to u alone; eps and edge are above zero."""
    return _directional(u, guide, jnp.asarray(eps, u.dtype), jnp.asarray(edge, u.dtype))
