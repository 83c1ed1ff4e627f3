"""Maps of elements from fluorescence sinograms by expectation maximisation, with self-absorption; and without, as baseline.

    x <- root > 0 of  2 b sum_k w_k X^2 + (A'1 - b sum_k w_k (x + x_k)) X - x A'( y / (A x) ) = 0

for y Poisson distributed about A x, both detectors and all windows at once, where b weighs the differences from the next
neighbours x_k (b = 0: X = x / (A'1) A'(y / A x), plain MLEM). The penalty b e^2 (sqrt(1 + d^2 / e^2) - 1), d the relative
difference of all elements together, has the weights w = 1 / sqrt(1 + d^2 / e^2): it smooths below `edge` = e and spares steps. b
is `smoothing` times the usual A'1 / x of each element, so that all come out equally sharp: only then is their ratio free of their
common structure. A holds what survives absorption, which follows from x itself and is refreshed every few iterations.

The baseline is what a scan without a model of absorption gives: the detectors' sum, windows unmixed, filtered back projection.

Shepp & Vardi, IEEE Trans. Med. Imaging 1, 113 (1982), doi:10.1109/TMI.1982.4307558 (MLEM); De Pierro, IEEE Trans. Med. Imaging
14, 132 (1995), doi:10.1109/42.370409 (with a penalty)
"""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..forward.fluorescence import Fluorescence
from .filtered_back_projection import fbp

LEAST = 1e-3  # of the best-seen voxel: what is seen less is left dark; of the mean count: what a ray cannot fall below

Amount = Float[Array, "y x z element"]
Counts = Float[Array, "view detector u z channel"]


def _neighbours(x: Amount) -> Float[Array, "neighbour y x z element"]:
    """The four next voxels of the plane; beyond the rim is a voxel's own value."""
    wide = jnp.pad(x, [(1, 1), (1, 1), (0, 0), (0, 0)], mode="edge")
    return jnp.stack([wide[:-2, 1:-1], wide[2:, 1:-1], wide[1:-1, :-2], wide[1:-1, 2:]])


def _pulled(x: Amount, usual: Float[Array, " element"], edge) -> tuple[Array, Array]:
    """(sum_k w_k, sum_k w_k (x + x_k)) of the file's head."""
    around = _neighbours(x)
    square = jnp.mean(((around - x) / usual) ** 2, axis=-1, keepdims=True)
    weight = 1 / jnp.sqrt(1 + square / edge**2)
    return jnp.sum(weight, axis=0), jnp.sum(weight * (x + around), axis=0)


@partial(jax.jit, static_argnames="iterations")
def _rounds(model: Fluorescence, counts, amount, smoothing, edge, iterations: int):
    """Some iterations, in which what survives is held."""
    survivals = model.survivals(amount)

    def project(x):
        return model.linear(x, survivals)

    measured = counts >= 0
    y = jnp.where(measured, counts, 0)
    (whole,) = jax.vjp(project, amount)[1](measured.astype(y.dtype))
    dark = whole <= LEAST * jnp.max(whole, axis=(0, 1, 2))
    least = LEAST * jnp.mean(y)

    def step(_, x):
        expected, back = jax.vjp(project, x)
        (ratio,) = back(y / jnp.maximum(expected, least))
        usual = jnp.sum(x**2, axis=(0, 1, 2)) / jnp.maximum(jnp.sum(x, axis=(0, 1, 2)), 1e-30)
        usual = jnp.maximum(usual, 1e-30)
        b = smoothing * jnp.mean(whole, axis=(0, 1, 2)) / usual
        weights, sums = _pulled(x, usual, edge)
        linear = whole - b * sums
        root = jnp.sqrt(linear**2 + 8 * b * weights * x * ratio)
        return jnp.where(dark, 0, 2 * x * ratio / jnp.maximum(linear + root, 1e-30))

    return jax.lax.fori_loop(0, iterations, step, amount)


def flat_start(model: Fluorescence, counts: Counts) -> Amount:
    """The same everywhere, of the right order."""
    detectors, channels, _ = model.response.shape
    per_voxel = jnp.zeros((channels, len(model.absorption_in)))
    for k, element in enumerate(model.element):
        per_voxel = per_voxel.at[:, element].add(jnp.sum(model.response[:, :, k], 0) / detectors)
    mean = jnp.mean(jnp.maximum(counts, 0), axis=(0, 1, 2, 3))
    level = jnp.maximum(jnp.linalg.pinv(per_voxel) @ mean, LEAST * jnp.max(mean) / jnp.max(per_voxel))
    return jnp.broadcast_to(level / model.width, (model.width, model.width, counts.shape[3], len(level)))


def absorbing_mlem(
    model: Fluorescence,
    counts: Counts,
    *,
    iterations: int = 100,
    refresh: int = 10,
    smoothing: float = 0.0,
    edge: float = 0.1,
    start: Amount | None = None,
) -> Float[Array, "y x z element"]:
    """Concentrations in g/cm^3 on as many voxels across as there are steps; negative counts were not measured.

    The first `refresh` iterations know of no absorption, for a flat start would absorb where nothing is.
    """
    amount = flat_start(model, counts) if start is None else start
    for done in range(0, iterations, refresh):
        here = without_absorption(model) if done == 0 and start is None else model
        penalty = jnp.float32(smoothing), jnp.float32(edge)
        amount = _rounds(here, counts, amount, *penalty, min(refresh, iterations - done))
    return amount


def without_absorption(model: Fluorescence) -> Fluorescence:
    """The same, of a specimen that lets everything out."""
    nothing = {n: jnp.zeros_like(getattr(model, n)) for n in ("absorption_in", "absorption_out")}
    return dataclasses.replace(model, **nothing)


def uncorrected(
    model: Fluorescence, counts: Counts, filter: str = "hann"
) -> Float[np.ndarray, "y x z element"]:
    """Filtered back projection of the detectors' sum, as if nothing were absorbed and the beam were a needle."""
    per_voxel = np.zeros((counts.shape[4], len(model.absorption_in)))
    for k, element in enumerate(model.element):
        per_voxel[:, element] += np.asarray(model.response[:, :, k]).sum(0)
    rays = np.asarray(counts).sum(1) / np.asarray(model.monitor)[:, :, None, None]
    grams = np.einsum("ec,vuzc->vezu", np.linalg.pinv(per_voxel), rays)
    views, elements, slices, width = grams.shape
    flat = jnp.asarray(grams.reshape(views, -1, width), jnp.float32)
    shift = jnp.stack([jnp.zeros_like(model.shift), model.shift], axis=1)
    volume = np.asarray(fbp(flat, np.asarray(model.angle), shift, filter=filter))
    return np.moveaxis(volume.reshape(elements, slices, width, width), (0, 1), (3, 2))
