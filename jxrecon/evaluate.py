"""How well the present unknowns explain the measured frames: predictions, and R-factors of the whole scan.

Frames are taken from the same blocks as the fit, so that a data set that streams is evaluated streaming.
"""

import dataclasses
import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .analysis.r_factor import RFactor, r_factor
from .batches import Batches, Block, Steps, batch
from .kernels.patches import cut_all
from .objective import AbstractForwardModel, Batch, DataTerm, Objective, fitted_pixels
from .parameters import Parameters


def predict(
    model: AbstractForwardModel,
    parameters: Parameters,
    view: Int[Array, ""],
    index: Int[Array, " frame"],
) -> Float[Array, "frame v u"]:
    """Expected counts of some frames of one view, laid out as the model predicts them."""
    common, own = model.develop(parameters, view[None])
    canvas, shared = model.prepare(common, view, jax.tree.map(lambda x: x[0], own))
    return _frames(model, common, canvas, shared, index)


def _frames(model, parameters, canvas, shared, index):
    corners, frames = model.frames(parameters, index, canvas)
    patches = cut_all(canvas, corners, model.window)
    return jax.vmap(model.predict, in_axes=(0, None, 0))(patches, shared, frames)


def _of_batch(term: DataTerm, parameters: Parameters, here: Batch) -> RFactor:
    """Sums over a batch, one frame in memory at a time."""
    model = term.model
    common, own = model.develop(parameters, here.view)

    def of_view(xs):
        own, view, index, intensity, weight = xs
        canvas, shared = model.prepare(common, view, own)

        def of_frame(one):
            number, counts, w = one
            expected = _frames(model, common, canvas, shared, number[None])
            good = fitted_pixels(counts, here.mask)
            held = good & (here.fold == number % here.folds)
            return r_factor(expected, counts[None], (good & ~held)[None], held[None], w[None])

        return _added(jax.lax.map(of_frame, (index, intensity, weight)))

    return _added(jax.lax.map(of_view, (own, here.view, here.index, here.intensity, here.weight)))


def _added(sums: RFactor) -> RFactor:
    return jax.tree.map(lambda x: jnp.sum(x, axis=0), sums)


@eqx.filter_jit
def _of_chunk(term: DataTerm, parameters: Parameters, block: Block, steps: Steps) -> RFactor:
    return _added(jax.lax.map(lambda step: _of_batch(term, parameters, batch(block, step)), steps))


def _on_one_device(block: Block, steps: Steps, devices: int) -> Steps:
    """Steps whose local numbers count through all shards of a block."""
    rows, width = block.intensity.shape[0] // devices, steps.local.shape[2]
    shard = jnp.arange(width, dtype=steps.local.dtype) // (width // devices)
    return dataclasses.replace(steps, local=steps.local + shard * rows)


def r_factors(objective: Objective, parameters: Parameters, batches: Batches) -> dict[str, dict[str, float]]:
    """Term name -> `r_factor`, `r_factor_heldout`, `r_factor_noise` of every data term, over one epoch of frames."""
    terms = {n: t for n, t in objective.terms.items() if isinstance(t, DataTerm)}
    sums: dict[str, list[RFactor]] = {name: [] for name in terms}
    for chunk in batches.chunks(0, 1):
        for name, term in terms.items():
            block, steps = chunk.blocks[term.measurement], chunk.steps[term.measurement]
            steps = _on_one_device(block, steps, batches.devices)
            sums[name].append(_of_chunk(term, parameters, block, steps))
    return {name: functools.reduce(RFactor.__add__, parts).metrics() for name, parts in sums.items()}


def example_frames(
    term: DataTerm, parameters: Parameters, batches: Batches, count: int = 3
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(numbers, measured, predicted) of `count` frames spread over the scan, (frame, v, u), beam at the centre.

    Measured counts are -1 where the detector is bad or has not measured.
    """
    geometry, measurement = batches.measurements[term.measurement]
    total = measurement.scan_count
    numbers = np.unique(np.linspace(0, total - 1, min(count, total)).astype(int))
    predicted = np.stack(
        [
            np.asarray(
                predict(
                    term.model, parameters, jnp.asarray(measurement.view[j]), jnp.asarray([j], jnp.int32)
                )[0]
            )
            for j in numbers
        ]
    )
    if geometry.regime == "far_field":
        predicted = np.fft.fftshift(predicted, axes=(-2, -1))
    measured = np.where(measurement.mask, measurement.frames.read(numbers), -1).astype(np.float32)
    return numbers, measured, predicted
