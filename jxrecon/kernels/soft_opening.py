"""Openings of a soft set p by balls: what of it a ball of radius r that stays inside can reach.

    eroded   e = 1 / (1 + exp(-t)),    t = b (mean of p over the ball - 1 + tau),    tau = 0.42 / max(r, 1)
    opened   o = 1 - exp(-(B_r * l)),    l = -log(1 - e) = log(1 + exp(t)), at most LARGEST

The erosion asks that all but a part tau of the ball lies inside, which forgives the partly filled voxels at its border; the
dilation B_r * is a sum over the ball, so that o = 1 - prod (1 - e): the noisy or, exact for sets of 0 and 1. B_r is 1 inside
the ball and falls to 0 within a voxel about r + 1/2. Openings by balls are nested, so that sums over radii are

    V(r) = mean of p o_r                          the granulometry of p: the rim that o_r has around p is left out
    T = 2 sum_k (r_k - r_(k-1)) o_(r_k)           local thickness: the diameter of the largest ball inside that reaches a voxel

The derivative takes the same convolutions again and keeps two volumes for each radius. Periodic grid.

Lazarov, Wang & Sigmund, Arch. Appl. Mech. 86, 189 (2016), doi:10.1007/s00419-015-1106-4 (soft projections of local averages);
Matheron, Random Sets and Integral Geometry (1975) (openings and granulometry).
"""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .even_convolution import convolved, even_convolution_reference

Volume = Float[Array, "y x z"]
STEEPNESS = 60.0  # b
LARGEST = 9.21  # of l: an eroded set is never surer of itself than 1 - 1e-4
BORDER = 0.42  # tau times the radius: what of an antialiased ball is border


def ball(radius: float | int) -> Float[np.ndarray, "a b c"]:
    """The octant of B_r."""
    a = np.arange(int(np.ceil(radius + 0.5)))
    return np.clip(radius + 0.5 - np.sqrt(a[:, None, None] ** 2 + a[:, None] ** 2 + a**2), 0, 1)


def ball_volume(radius: float | int) -> float:
    """Sum of B_r over all displacements."""
    octant = ball(radius)
    two = np.where(np.arange(len(octant)) == 0, 1, 2)
    return float(np.einsum("abc,a,b,c", octant, two, two, two))


def _sure(mean: Array, tau: float) -> Array:
    """l."""
    t = STEEPNESS * (mean - (1 - tau))
    return jnp.minimum(jnp.maximum(t, 0) + jnp.log(1 + jnp.exp(-jnp.abs(t))), LARGEST)


def _unreached(total: Array) -> Array:
    """1 - o."""
    return jnp.exp(-jnp.maximum(total, 0))


def _mean_of(radius: float) -> tuple[Float[np.ndarray, "a b c"], float]:
    """(octant of the mean over a ball, tau)."""
    return ball(radius) / ball_volume(radius), BORDER / max(radius, 1.0)


def opening_reference(p: Volume, radius: float | int) -> Volume:
    """o of the file's head, differentiated automatically."""
    octant, tau = _mean_of(float(radius))
    sure = _sure(even_convolution_reference(p, octant), tau)
    return 1 - _unreached(even_convolution_reference(sure, ball(radius)))


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _opening(p, radius):
    return _forward(p, radius)[0]


def _forward(p, radius):
    octant, tau = _mean_of(radius)
    sure = convolved(p, octant, lambda mean: _sure(mean, tau))
    opened = convolved(sure, ball(radius), lambda total: 1 - _unreached(total))
    return opened, (sure, opened)


def _backward(radius, kept, cotangent):
    sure, opened = kept
    by_sum = jnp.where(opened > 0, cotangent * (1 - opened), 0)
    # dl/dt = e = 1 - exp(-l)
    slope = lambda v, l: v * jnp.where(l < LARGEST, STEEPNESS * (1 - jnp.exp(-l)), 0)  # noqa: E731
    by_mean = convolved(by_sum, ball(radius), slope, sure)
    return (convolved(by_mean, _mean_of(radius)[0], lambda v: v),)


_opening.defvjp(_forward, _backward)


def opening(p: Volume, radius: float | int) -> Volume:
    """o of the file's head."""
    return _opening(p, float(radius))


def opened_shares(p: Volume, radii: Sequence[float | int]) -> Float[Array, " radius"]:
    """V of the file's head."""
    return jnp.stack([jnp.mean(p * opening(p, radius)) for radius in radii])


def local_thickness(p: Volume, radii: Sequence[float | int]) -> Volume:
    """T of the file's head, in voxels; the radii rise."""
    total = jnp.zeros_like(p)
    for step, radius in zip(np.diff([0.0, *radii]), radii):
        total = total + 2 * float(step) * opening(p, radius)
    return total
