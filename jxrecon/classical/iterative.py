"""Iterative tomography by linear algebra: the volume x whose projections A x come closest to the measured ones p.

SIRT      x <- x + C A' R (p - A x),      R = 1 / (A 1),  C = 1 / (A' 1)
CGLS      conjugate gradients for  A'A x = A'p,  from x = 0

SIRT is slow and steady and takes a bound, x >= 0, in its stride. CGLS needs a tenth of the iterations; both are regularised by
stopping early, for noise comes back last. A is `forward.tomography`, with whatever shifts, roll and pitch there are, and A' its
exact transpose, without which CGLS loses its way.

Gregor & Benson, IEEE Trans. Med. Imaging 27, 918 (2008), doi:10.1109/TMI.2008.923696 (SIRT); Bjorck, Numerical Methods for Least
Squares Problems (1996), sec. 7.4 (CGLS).
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..forward.tomography import views

LEAST = 1e-3  # of the longest ray or best-lit voxel: what is met by less is left alone
Images = Float[Array, "view v u"] | Float[np.ndarray, "view v u"]
PerView = Float[Array, " view"] | Float[np.ndarray, " view"]
Shifts = Float[Array, "view 2"] | Float[np.ndarray, "view 2"]


def _operators(projections, geometry, size: int):
    """A and its transpose between volumes (y, x, z) and projections; the volume has as many slices as the detector has rows."""
    _, rows, width = projections.shape
    project = partial(views, **geometry, shape=(rows, width))
    zero = jnp.zeros((size, size, rows), projections.dtype)
    return project, lambda p: jax.vjp(project, zero)[1](p)[0], zero


def _inverse(length):
    short = length < LEAST * jnp.max(length)
    return jnp.where(short, 0, 1 / jnp.where(short, 1, length))


@partial(jax.jit, static_argnames=("size", "iterations", "nonnegative"))
def _sirt(projections, geometry, size: int, iterations: int, nonnegative: bool):
    project, back, zero = _operators(projections, geometry, size)
    by_ray = _inverse(project(jnp.ones_like(zero)))
    by_voxel = _inverse(back(jnp.ones_like(projections)))

    def step(volume, _):
        residual = projections - project(volume)
        volume = volume + by_voxel * back(by_ray * residual)
        return jnp.maximum(volume, 0) if nonnegative else volume, jnp.linalg.norm(residual)

    volume, norms = jax.lax.scan(step, zero, length=iterations)
    return volume.transpose(2, 0, 1), norms


@partial(jax.jit, static_argnames=("size", "iterations"))
def _cgls(projections, geometry, size: int, iterations: int):
    project, back, zero = _operators(projections, geometry, size)

    def step(state, _):
        volume, residual, direction, power = state
        image = project(direction)
        length = power / jnp.maximum(jnp.sum(image**2), jnp.finfo(image.dtype).tiny)
        volume, residual = volume + length * direction, residual - length * image
        gradient = back(residual)
        now = jnp.sum(gradient**2)
        direction = gradient + now / jnp.maximum(power, jnp.finfo(now.dtype).tiny) * direction
        return (volume, residual, direction, now), jnp.linalg.norm(state[1])

    gradient = back(projections)
    start = (zero, projections, gradient, jnp.sum(gradient**2))
    (volume, *_), norms = jax.lax.scan(step, start, length=iterations)
    return volume.transpose(2, 0, 1), norms


def _arrays(projections, angle, shift, roll, pitch):
    geometry = {"angle": angle, "shift": shift, "roll": roll, "pitch": pitch}
    known = {name: jnp.asarray(values) for name, values in geometry.items() if values is not None}
    return jnp.asarray(projections), known


def sirt(
    projections: Images,
    angle: PerView,
    shift: Shifts | None = None,
    roll: PerView | None = None,
    pitch: PerView | None = None,
    *,
    iterations: int,
    size: int | None = None,
    nonnegative: bool = False,
) -> tuple[Float[Array, "z y x"], Float[Array, " iteration"]]:
    """(volume, |p - A x| before each iteration); `size` columns and rows (by default the detector's width).

    angle, roll, pitch in radians and shift (v, u) in pixels as `forward.tomography` has them.
    """
    values, geometry = _arrays(projections, angle, shift, roll, pitch)
    return _sirt(values, geometry, size or values.shape[2], iterations, nonnegative)


def cgls(
    projections: Images,
    angle: PerView,
    shift: Shifts | None = None,
    roll: PerView | None = None,
    pitch: PerView | None = None,
    *,
    iterations: int,
    size: int | None = None,
) -> tuple[Float[Array, "z y x"], Float[Array, " iteration"]]:
    """Same as `sirt`, by conjugate gradients."""
    values, geometry = _arrays(projections, angle, shift, roll, pitch)
    return _cgls(values, geometry, size or values.shape[2], iterations)
