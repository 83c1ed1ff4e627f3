"""One optax transformation from the optimisers of named groups of parameters."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from .errors import InputError
from .numerics.tree import dotted, named_leaves
from .optimisers import LBFGS, AbstractOptimiser
from .parameters import Parameters
from .schedules import AbstractSchedule

NEVER_FREE = (
    "positions.nominal",  # `positions.shift` is the same freedom, with its gauge
    "alignment.angle",  # `alignment.rotation` likewise
    "alignment.view",
    "volume.softness",
    "volume.support",
    "lattice.softness",
    "lattice.floor",
    "lattice.width_deg",  # `lattice.log_width` is the same freedom
    "lattice.support",
)


def group(parameters: Parameters, names: Sequence[str]) -> Any:
    """Tree of labels: for every leaf the longest name that begins its dotted path, or None."""

    def label(path, _):
        here = dotted(path)
        if here in NEVER_FREE:
            return None
        matching = [n for n in names if here == n or here.startswith(n + ".")]
        return max(matching, key=len, default=None)

    labels = jax.tree_util.tree_map_with_path(label, parameters)
    known = sorted(named_leaves(parameters))
    if unmatched := sorted(set(names) - set(jax.tree.leaves(labels))):
        raise InputError(
            f"`optimisers.{unmatched[0]}` is no parameter of this reconstruction; found {known}."
        )
    return labels


def scheduled(
    inner: optax.GradientTransformationExtraArgs,
    schedule: AbstractSchedule,
    start: int,
    stop: int | None,
    epochs: int,
) -> optax.GradientTransformationExtraArgs:
    """`inner` between two epochs, times the schedule; outside of them nothing moves and nothing is remembered."""
    last = epochs if stop is None else min(stop, epochs)

    def update(updates, state, params=None, **extra):
        epoch = extra.pop("epoch")

        def active(updates, state):
            moved, after = inner.update(updates, state, params, **extra)
            rate = schedule((epoch - start) / max(last - start, 1))
            return jax.tree.map(lambda u: u * rate.astype(u.real.dtype), moved), after

        def rest(updates, state):
            return jax.tree.map(jnp.zeros_like, updates), state

        if start <= 0 and last >= epochs:
            return active(updates, state)
        return jax.lax.cond((epoch >= start) & (epoch < last), active, rest, updates, state)

    return optax.GradientTransformationExtraArgs(inner.init, update)


def descent_of(
    optimisers: Mapping[str, AbstractOptimiser], labels: Any, epochs: int
) -> optax.GradientTransformationExtraArgs:
    """One transformation of the free parameters, made of the groups'."""
    if len(optimisers) > 1 and any(isinstance(o, LBFGS) for o in optimisers.values()):
        raise InputError(
            "`LBFGS` needs all free parameters in its line search: name them by one optimiser only, such as `object`."
        )
    groups: dict[Hashable, optax.GradientTransformation] = {
        name: scheduled(optax.with_extra_args_support(o.direction()), o.schedule, o.start, o.stop, epochs)
        for name, o in optimisers.items()
    }
    # A label tree that is a callable Module would be called by optax.
    return optax.with_extra_args_support(optax.partition(groups, lambda _: labels))
