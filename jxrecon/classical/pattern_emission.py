"""Patterns of voxels by expectation maximisation (MLEM), every channel for itself, of all that the model of the scan knows.

    x <- x / (A'1)  A'( y / (A x + b) ),       x >= 0

A is `DiffractionTomography.transform`, with monitor, beam and absorption, and b what lies around the specimen. Noise comes back
last: stopping early, at some thirty iterations, regularises it.

Shepp & Vardi, IEEE Trans. Med. Imaging 1, 113 (1982), doi:10.1109/TMI.1982.4307558
"""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..forward.diffraction_tomography import DiffractionTomography
from .emission import LEAST


@eqx.filter_jit
def _iterated(model: DiffractionTomography, counts, iterations: int):
    width = counts.shape[2]
    measured = counts >= 0
    y = jnp.where(measured, counts, 0)
    around = model.surroundings()
    mean = jnp.mean(y, axis=(0, 2))
    least = LEAST * jnp.maximum(jnp.mean(mean), jnp.finfo(y.dtype).tiny)
    start = jnp.broadcast_to(jnp.maximum(mean, least) / width, (1, width, width, *mean.shape))
    whole = model.transposed(measured.astype(y.dtype), start)
    dark = whole <= LEAST * jnp.max(whole)
    inverse = jnp.where(dark, 0, 1 / jnp.where(dark, 1, whole))

    def step(_, volume):
        expected = jnp.maximum(model.transform(volume) + around, least)
        return volume * inverse * model.transposed(y / expected, volume)

    return jax.lax.fori_loop(0, iterations, step, start)[0]


def pattern_emission(
    counts: Float[Array, "view v u channel"], model: DiffractionTomography, iterations: int = 30
) -> Float[Array, "y x z channel"]:
    """Counts per channel and voxel, on as many rows and columns as rays. Negative counts were not measured.

    Parallax and factors of reflections say what peaks do and not channels; they are left out, and channels are not put together.
    """
    plain = dataclasses.replace(model, bins=None, distance=None, factors=None)
    return _iterated(plain, counts, iterations)
