"""Fits of many patterns in blocks: a few steps for all, then the patterns that are not done are collected and go on.

A block is as large as the cache likes it. Since a block takes as many steps as the slowest of its patterns, it stops early, and
what is left of all blocks fills a few new ones.
"""

from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from .levenberg_marquardt import FIRST_DAMPING, converged, descend
from .peak_channels import Binned, Grid, binned
from .peak_equations import (
    bounds,
    first_parameters,
    full_curvature,
    gram,
    linear_part,
    modelled,
    projected_equations,
    shape_of,
)
from .peak_model import AbstractPeaks
from .small_matrices import inverse

BLOCK = {"cpu": 128}  # patterns of a block: cache on a processor, elsewhere
ELSEWHERE = 8192
ROUNDS = (5, 4, 8, 60)  # steps before the patterns that are not done are collected anew
REWEIGHTED = 2  # times, for Poisson noise
NEAR = (
    1e-2  # predicted decrease of chi^2, in units of its expectation per channel, at which a step is the last
)
LEAST_SHARE = 0.02  # of a pattern's mean: the least that the model's variance may be

Noise = Literal["poisson", "gaussian", "unknown"]


def _weighted(noise: Noise, counts, variance):
    """Values and weights of all channels, zero where nothing was measured; for Poisson noise 1 where something was."""
    value = counts.astype(float)
    if variance is not None:
        spread = variance.astype(float)
        here = jnp.isfinite(value) & (spread > 0)
        weight = 1 / jnp.where(here, spread, 1)
    elif noise == "unknown":
        here = jnp.isfinite(value)
        square = jnp.mean(jnp.where(here, value, 0) ** 2, axis=1, keepdims=True)
        weight = jnp.broadcast_to(1 / jnp.where(square > 0, square, 1), value.shape)
    else:
        here = value >= 0
        weight = 1 / jnp.maximum(value, 1) if noise == "gaussian" else jnp.ones_like(value)
    return jnp.where(here, value, 0), jnp.where(here, weight, 0)


@partial(jax.jit, static_argnames=("model", "grid", "noise"))
def _begin(model: AbstractPeaks, grid: Grid, noise: Noise, counts, variance):
    """Binned patterns with first weights (for Poisson noise: numbers of channels), first parameters, channels measured."""
    value, weight = _weighted(noise, counts, variance)
    data = binned(grid, value, weight)
    return data, first_parameters(model, grid, data).T, jnp.sum(weight > 0, axis=1)


@partial(jax.jit, static_argnames=("model", "grid"))
def _descend(model: AbstractPeaks, grid: Grid, steps, data: Binned, parameters, damping, tolerance):
    lower, upper = bounds(model)
    state = descend(
        lambda p: projected_equations(model, grid, p, data),
        parameters.T,
        lower=lower,
        upper=upper,
        tolerance=tolerance,
        steps=steps,
        damping=damping,
    )
    return state.parameters.T, state.damping, state.done, converged(state), state.steps


@partial(jax.jit, static_argnames=("model", "grid", "first"))
def _reweighted(model: AbstractPeaks, grid: Grid, first: bool, data: Binned, parameters, weighted: Binned):
    """Weights of counts from their own values, or from the model as it stands."""
    if first:
        variance = jnp.maximum(data.value, 1)
    else:
        _, coefficients = linear_part(model, gram(model, grid, parameters.T, weighted))
        variance = modelled(model, grid, parameters.T, coefficients)
    return Binned(data.value, data.weight / _at_least(variance, data.value, data.weight))


def _at_least(variance, value, weight):
    """The variance that a model predicts, kept from vanishing."""
    mean = jnp.sum(value * weight, axis=1) / jnp.maximum(jnp.sum(weight, axis=1), 1)
    return jnp.maximum(variance, LEAST_SHARE * mean[:, None] + jnp.finfo(mean.dtype).tiny)


@partial(jax.jit, static_argnames=("model", "grid", "whole", "noise"))
def _finish(
    model: AbstractPeaks, grid: Grid, whole: Grid, noise: Noise, data: Binned, parameters, counts, variance
):
    """Values and the covariance behind them, chi^2 of all single channels (`whole`); pattern first."""
    parameters = parameters.T
    curvature, coefficients = full_curvature(model, grid, parameters, data)
    covariance, _ = inverse(curvature)
    shape, tangent = shape_of(model, parameters)
    places = tangent.shape[1]
    of_places = covariance[:places, :places]
    of_offsets = jnp.sum(tangent[:, :, None] * of_places * tangent[:, None], axis=(1, 2))
    rest = jnp.stack([covariance[i, i] for i in range(places, len(covariance))])
    predicted = modelled(model, whole, parameters, coefficients)
    value, weight = _weighted(noise, counts, variance)
    if noise == "poisson":
        weight = weight / _at_least(predicted, value, weight)
    found = {
        "place": parameters[:places],
        "place_covariance": of_places,
        "shape": jnp.concatenate(shape),
        "linear": coefficients,
        "variance": jnp.concatenate([of_offsets, rest]),
        "chi2": jnp.sum(weight * (value - predicted) ** 2, axis=1),
    }
    return {name: jnp.moveaxis(x, -1, 0) for name, x in found.items()}


def _blocks(rows: Int[np.ndarray, " row"]) -> list[Int[np.ndarray, " block"]]:
    """Rows in blocks of one size; the last is filled up with its own last row."""
    most = BLOCK.get(jax.default_backend(), ELSEWHERE)
    size = min(most, 1 << (len(rows) - 1).bit_length())
    parts = [rows[i : i + size] for i in range(0, len(rows), size)]
    return [np.pad(part, (0, size - len(part)), mode="edge") for part in parts]


def _in_blocks(function, count: int, *arrays):
    """`function` of all blocks of trees of arrays, pattern first; results joined, without the filling."""
    blocks = _blocks(np.arange(count))
    ends = [function(*jax.tree.map(lambda x, b=b: x[b], arrays)) for b in blocks]
    return jax.tree.map(lambda *x: np.concatenate([np.asarray(v) for v in x])[:count], *ends)


def _converged(model: AbstractPeaks, grid: Grid, data: Binned, parameters, tolerance):
    """Descends until all patterns are done, in rounds; pattern first."""
    count = len(parameters)
    result, steps, sound = parameters.copy(), np.zeros(count, int), np.zeros(count, bool)
    damping = np.full(count, FIRST_DAMPING, parameters.dtype)
    left = np.arange(count)
    for limit in ROUNDS:
        finished = []
        for block in _blocks(left):
            here = jax.tree.map(lambda x, b=block: x[b], (data, result, damping, tolerance))
            result[block], damping[block], done, sound[block], more = map(
                np.asarray, _descend(model, grid, limit, *here)
            )
            steps[block] += more
            finished.append(done)
        left = left[~np.concatenate(finished)[: len(left)]]
        if not len(left):
            break
    return result, sound, steps


def fit_part(
    model: AbstractPeaks,
    grid: Grid,
    whole: Grid,
    noise: Noise,
    counts: Float[np.ndarray, "pattern channel"],
    variance: Float[np.ndarray, "pattern channel"] | None,
) -> dict[str, np.ndarray]:
    """From counts to results, pattern first."""
    count = len(counts)
    plain, parameters, measured = _in_blocks(partial(_begin, model, grid, noise), count, counts, variance)
    free = measured - parameters.shape[1] - len(model.reference_deg) - model.background
    tolerance = (NEAR / np.maximum(free, 1)).astype(parameters.dtype)
    data, sound, steps = plain, np.zeros(count, bool), np.zeros(count, int)
    for turn in range(1 + REWEIGHTED if noise == "poisson" else 1):
        if noise == "poisson":
            data = _in_blocks(partial(_reweighted, model, grid, turn == 0), count, plain, parameters, data)
        parameters, sound, more = _converged(model, grid, data, parameters, tolerance)
        steps += more
    found = _in_blocks(partial(_finish, model, grid, whole, noise), count, data, parameters, counts, variance)
    found = {name: x.astype(float) for name, x in found.items()}
    reduced = found["chi2"] / np.maximum(free, 1)
    if noise == "unknown":
        found["variance"] *= reduced[:, None]
        found["place_covariance"] *= reduced[:, None, None]
    return found | {"chi2_reduced": reduced, "converged": sound & (free > 0), "steps": steps}
