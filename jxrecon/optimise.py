"""Gradient descent on an objective, one optimiser per group of parameters.

    for state in fit(objective, parameters, batches, {"object": Adam(), "probe": Adam(0.005)}, epochs=100):
        print(state.epoch, state.values["total"].mean())

`fit` is a generator: the loop belongs to its caller, who logs, draws, saves and stops. Between two yields a whole chunk of
steps (an epoch, unless the data stream) runs as one compiled scan. A parameter is free when the name of an optimiser begins its
dotted path; all others are frozen. Free parameters are optimised in their natural units.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, PartitionSpec

from .batches import Batches, Block, Chunk, Steps, batch
from .descent import descent_of, group
from .devices import AXIS, mesh_of, over_devices, placed, summed, summing
from .errors import InputError
from .gauge import without_gauge
from .numerics.tree import conjugated, dotted, named_leaves
from .objective import Objective
from .optimisers import LBFGS, AbstractOptimiser
from .parameters import Parameters, natural_units
from .projections import AbstractProjection


class FitState(eqx.Module):
    """Where an optimisation stands after `chunk` chunks; all that it takes to go on from there, to the last bit.

    values: term name -> value at each step of the last chunk, and their sum as `total`.
    """

    parameters: Parameters
    optimiser: Any
    units: Parameters
    chunk: int
    epoch: int
    values: dict[str, np.ndarray] = eqx.field(default_factory=dict)


class NonFiniteError(ArithmeticError):
    """The objective or its gradient became NaN or infinite; `state` is the last one that was finite."""

    def __init__(self, message: str, state: FitState):
        super().__init__(message)
        self.state = state


class Loop(eqx.Module):
    """The static side of an optimisation: what one compiled step does."""

    descent: optax.GradientTransformationExtraArgs = eqx.field(static=True)
    projections: tuple[AbstractProjection, ...]
    mesh: Mesh | None = eqx.field(static=True)

    def step(self, objective, frozen, units, blocks, carry, row):
        """One update. Freezes for good at the first loss or gradient that is not finite."""
        free, memory, healthy = carry
        clock, rows = row
        here = {name: batch(blocks[name], rows[name]) for name in blocks}
        share = 1.0 if self.mesh is None else 1.0 / self.mesh.size

        def loss(free):
            return objective(eqx.combine(free, frozen), here, share)

        with jax.named_scope("gradient"):
            (total, values), gradient = jax.value_and_grad(loss, has_aux=True)(free)
            total, values, gradient = summed((total, values, gradient), self.mesh)
            gradient = _times(conjugated(gradient), units)
        bad = jnp.stack([~jnp.isfinite(_total(g)) for g in jax.tree.leaves(gradient)])
        healthy = healthy & jnp.isfinite(total) & ~jnp.any(bad)

        def update(free, memory):
            updates: Any
            updates, after = self.descent.update(
                gradient,
                memory,
                in_units(free, units),
                value=total,
                grad=gradient,
                value_fn=summing(lambda f: loss(_times(f, units))[0], self.mesh),
                epoch=clock,
            )
            updates = without_gauge(updates, eqx.combine(free, frozen))
            moved: Any = optax.apply_updates(free, _times(updates, units))
            return _projected(self.projections, moved, frozen), after

        with jax.named_scope("update"):
            # Not `cond`, whose branches would copy a volume and the optimiser's memory of it.
            after = update(free, memory)
            free, memory = jax.tree.map(lambda new, old: jnp.where(healthy, new, old), after, (free, memory))
        return (free, memory, healthy), ({**values, "total": total}, bad)

    def run(self, objective, frozen, units, blocks, steps, clock, free, memory):
        """All steps of a chunk; (free, memory, values per step, non-finite gradient per step and leaf)."""
        body = functools.partial(self.step, objective, frozen, units, blocks)
        start = (free, memory, jnp.asarray(True))
        (free, memory, _), (values, bad) = jax.lax.scan(body, start, (clock, steps))
        return free, memory, values, bad


def _total(x):
    """Sum that is not finite if any element is not; no modulus, which would cost as much as the update."""
    return jnp.sum(x.real) + jnp.sum(x.imag) if jnp.iscomplexobj(x) else jnp.sum(x)


def _times(free, units):
    return jax.tree.map(lambda x, u: x * u.astype(x.dtype), free, units)


def in_units(free: Any, units: Any) -> Any:
    """Free parameters in their natural units, as the optimisers see them."""
    return jax.tree.map(lambda x, u: x / u.astype(x.dtype), free, units)


def _projected(projections, free, frozen):
    if not projections:
        return free
    parameters = eqx.combine(free, frozen)
    for projection in projections:
        parameters = projection(parameters)
    chosen = jax.tree.map(lambda x: x is not None, free, is_leaf=lambda x: x is None)
    return eqx.filter(parameters, chosen)


def _specs(tree: dict[str, Block] | dict[str, Steps], axis_of: Mapping[str, int]) -> Any:
    """How the leaves of blocks or steps lie on the mesh: cut along `axis_of[field]`, else the same on all devices."""

    def spec(path, _):
        axis = axis_of.get(dotted(path).rsplit(".", 1)[-1])
        return PartitionSpec() if axis is None else PartitionSpec(*[None] * axis, AXIS)

    return jax.tree_util.tree_map_with_path(spec, tree)


@eqx.filter_jit(donate="all-except-first")
def run_chunk(kept: tuple, memory: Any) -> tuple:
    """The compiled loop over a chunk: (free, memory, values per step, non-finite gradients); `memory` is donated."""
    loop, objective, frozen, units, blocks, steps, clock, free = kept
    arrays, static = eqx.partition((objective, frozen), eqx.is_array)

    def local(arrays, units, blocks, steps, clock, free, memory):
        objective, frozen = eqx.combine(arrays, static)
        return loop.run(objective, frozen, units, blocks, steps, clock, free, memory)

    everywhere = PartitionSpec()
    specs = (
        everywhere,
        everywhere,
        _specs(blocks, {"intensity": 0}),
        _specs(steps, {"index": 2, "local": 2, "weight": 2}),
        everywhere,
        everywhere,
        everywhere,
    )
    run = over_devices(local, loop.mesh, specs=specs)
    return run(arrays, units, blocks, steps, clock, free, memory)


def begin(parameters: Parameters, optimisers: Mapping[str, AbstractOptimiser], epochs: int) -> FitState:
    """The state before the first step."""
    labels = group(parameters, list(optimisers))
    free, _ = split(parameters, labels)
    units = natural_units(parameters)
    memory = descent_of(optimisers, labels, epochs).init(in_units(free, split(units, labels)[0]))
    memory = jax.tree.map(jnp.copy, memory)  # leaves that share a buffer could not be donated
    return FitState(parameters, memory, units, 0, 0)


def split(tree: Any, labels: Any) -> tuple[Any, Any]:
    """(free, frozen) leaves of a tree, with None in the other's place; a leaf is free when its label is not None."""
    chosen = jax.tree.map(lambda label: label is not None, labels, is_leaf=lambda x: x is None)
    return eqx.partition(tree, chosen)


def fit(
    objective: Objective,
    parameters: Parameters,
    batches: Batches,
    optimisers: Mapping[str, AbstractOptimiser],
    *,
    epochs: int,
    projections: Sequence[AbstractProjection] = (),
    state: FitState | None = None,
) -> Iterator[FitState]:
    """Minimise a bound objective from `parameters`; yields after every chunk of steps.

    `state` continues an earlier fit, which must have had the same arguments. A state's optimiser memory is given to the next
    chunk (donated): save it before asking for the next one. Raises InputError for an optimiser that names no
    parameter, and NonFiniteError, with the last finite state, at the first loss or gradient that is not a number.
    """
    labels = group(parameters, list(optimisers))
    state = begin(parameters, optimisers, epochs) if state is None else state
    mesh = mesh_of(batches.devices)
    loop = Loop(descent_of(optimisers, labels, epochs), tuple(projections), mesh)
    parameters, memory, units = placed((state.parameters, state.optimiser, state.units), mesh)
    state = FitState(parameters, memory, units, state.chunk, state.epoch, state.values)
    if any(isinstance(o, LBFGS) for o in optimisers.values()):
        _refuse_mini_batches(batches)
    for chunk in batches.chunks(state.chunk, epochs):
        free, frozen = split(state.parameters, labels)
        units = split(state.units, labels)[0]
        clock = _clock(chunk, batches.chunks_per_epoch, batches.dtype)
        kept = (loop, objective, frozen, units, chunk.blocks, chunk.steps, clock, free)
        free, memory, values, bad = run_chunk(kept, state.optimiser)
        parameters = eqx.combine(free, frozen)
        values = {name: np.asarray(v) for name, v in values.items()}
        state = FitState(parameters, memory, state.units, chunk.number + 1, chunk.epoch, values)
        _raise_if_not_finite(state, free, np.asarray(bad), batches.chunks_per_epoch)
        yield state


def _refuse_mini_batches(batches: Batches) -> None:
    most = max((measurement.scan_count for _, measurement in batches.measurements.values()), default=0)
    if batches.batch_size < most or batches.chunks_per_epoch > 1:
        raise InputError(
            f"`LBFGS` compares losses of the same frames, but `batch_size` is {batches.batch_size} of {most}; "
            "take the whole scan, and `resident_gib` large enough for it."
        )


def _clock(chunk: Chunk, chunks_per_epoch: int, dtype: type):
    """The epoch, with its fraction, at which each step of a chunk begins."""
    count = next((steps.scale.shape[0] for steps in chunk.steps.values()), 1)
    fraction = np.arange(count) / count
    return jnp.asarray((chunk.number + fraction) / chunks_per_epoch, dtype)


def _raise_if_not_finite(state: FitState, free: Any, bad: np.ndarray, chunks_per_epoch: int):
    finite = np.isfinite(state.values["total"]) & ~bad.any(axis=1)
    if finite.all():
        return
    step = int(np.argmin(finite))
    terms = [n for n, v in state.values.items() if n != "total" and not np.isfinite(v[step])]
    leaves = [name for name, hit in zip(named_leaves(free), bad[step], strict=True) if hit]
    epoch = (state.chunk - 1) // chunks_per_epoch + 1
    raise NonFiniteError(
        f"epoch {epoch}, step {step + 1}: not finite in terms {terms or 'none'} and in the gradient of {leaves or 'none'}; "
        "the last finite state is kept. Lower the learning rate of these parameters, or look at the data with `check`.",
        state,
    )
