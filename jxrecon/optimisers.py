"""Descent directions for a group of parameters, built on optax.

A learning rate is relative: a step of 0.05 moves a parameter by about 5 % of its natural unit (`parameters.natural_units`),
whatever the flux, the pixel size or the number of frames.
"""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from .schedules import AbstractSchedule, Constant, Cosine

MOST_RATE = 1e3  # natural units per step: whatever is larger was meant otherwise


class AbstractOptimiser(eqx.Module):
    """One group's optimiser. `start` and `stop` are epochs; outside of them the group rests, and so does its memory."""

    start: eqx.AbstractVar[int]
    stop: eqx.AbstractVar[int | None]
    schedule: eqx.AbstractVar[AbstractSchedule]

    def __check_init__(self):
        rate = getattr(self, "learning_rate", 0.0)
        if not 0 <= rate <= MOST_RATE:
            raise ValueError(f"`learning_rate` is {rate}; expected 0 to {MOST_RATE:g} natural units.")
        if self.start < 0 or (self.stop is not None and self.stop <= self.start):
            raise ValueError(
                f"`start` is {self.start} and `stop` {self.stop}; expected epochs from 0 on, `stop` after `start`."
            )

    @abc.abstractmethod
    def direction(self) -> optax.GradientTransformation:
        """Updates in natural units, before the schedule; complex gradients come conjugated."""


Optimisers = dict[str, AbstractOptimiser | dict[str, AbstractOptimiser | None] | None]
"""By the beginning of a parameter's dotted name, nested or not; None freezes."""


def flattened(optimisers: Optimisers) -> dict[str, AbstractOptimiser]:
    """Dotted name -> optimiser of everything that is not frozen."""
    flat = {}
    for name, entry in optimisers.items():
        inner = {f"{name}.{key}": o for key, o in entry.items()} if isinstance(entry, dict) else {name: entry}
        flat.update({key: o for key, o in inner.items() if o is not None})
    return flat


class Adam(AbstractOptimiser):
    """Adam (Kingma & Ba, arXiv 1412.6980): its second moment is the diagonal preconditioner.

    For a pixel of the object the second moment follows the illumination that passed over it, for one of the probe the
    transmission behind it, so that the step needs no tuning per data set. `eps` is relative to a leaf's largest second moment.
    """

    learning_rate: float = 0.05
    b1: float = 0.9
    b2: float = 0.99
    eps: float = 1e-4
    start: int = 0
    stop: int | None = None
    schedule: AbstractSchedule = Cosine()

    def direction(self):
        return optax.chain(
            scale_by_relative_adam(self.b1, self.b2, self.eps), optax.scale(-self.learning_rate)
        )


class GradientDescent(AbstractOptimiser):
    """Steepest descent with Nesterov momentum, every leaf divided by the recent maximum of its gradient.

    All pixels of a leaf share one step: what is dark stays quiet, and what is bright moves first.
    """

    learning_rate: float = 0.05
    momentum: float = 0.9
    start: int = 0
    stop: int | None = None
    schedule: AbstractSchedule = Cosine()

    def direction(self):
        return optax.chain(
            scale_by_largest(0.99),
            optax.trace(self.momentum, nesterov=True),
            optax.scale(-self.learning_rate * (1 - self.momentum)),
        )


class LBFGS(AbstractOptimiser):
    """Limited-memory BFGS with a zoom line search, for whole-scan batches and no other group beside it.

    Complex leaves are shown to it as pairs of reals.
    """

    memory: int = 10
    start: int = 0
    stop: int | None = None
    schedule: AbstractSchedule = Constant()

    def direction(self):
        return on_reals(optax.lbfgs(memory_size=self.memory))


def _modulus_squared(x):
    return x.real**2 + x.imag**2 if jnp.iscomplexobj(x) else x**2


def scale_by_relative_adam(b1: float, b2: float, eps: float) -> optax.GradientTransformation:
    """Adam whose guard against division by zero is relative to the leaf's largest second moment.

    Gradients of counts span many orders of magnitude between data sets: an absolute guard would not be invariant to the counts.
    """

    def init(params):
        mean = jax.tree.map(jnp.zeros_like, params)
        square = jax.tree.map(lambda x: jnp.zeros(x.shape, x.real.dtype), params)
        return optax.ScaleByAdamState(jnp.zeros((), jnp.int32), mean, square)

    def update(updates, state, params=None):
        count = state.count + 1
        mean = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, state.mu, updates)
        square = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * _modulus_squared(g), state.nu, updates)

        def step(m, v):
            unbiased = v / (1 - b2 ** count.astype(v.dtype))
            guard = eps * jnp.max(unbiased, initial=0.0) + jnp.finfo(v.dtype).tiny
            first = 1 - b1 ** count.astype(v.dtype)
            return m / (first * jnp.sqrt(unbiased + guard)).astype(m.dtype)

        return jax.tree.map(step, mean, square), optax.ScaleByAdamState(count, mean, square)

    return optax.GradientTransformation(init, update)


def scale_by_largest(decay: float) -> optax.GradientTransformation:
    """Every leaf divided by the decaying average of its largest modulus."""

    def init(params):
        return jax.tree.map(lambda x: jnp.zeros((), x.real.dtype), params)

    def update(updates, state, params=None):
        def largest(previous, g):
            here = jnp.sqrt(jnp.max(_modulus_squared(g)))
            return jnp.maximum(decay * previous, here)

        state = jax.tree.map(largest, state, updates)
        scaled = jax.tree.map(lambda g, s: g / (s + jnp.finfo(s.dtype).tiny).astype(g.dtype), updates, state)
        return scaled, state

    return optax.GradientTransformation(init, update)


def _to_reals(tree):
    return jax.tree.map(lambda x: jnp.stack([x.real, x.imag]) if jnp.iscomplexobj(x) else x, tree)


def _from_reals(tree, like):
    def back(x, y):
        return jax.lax.complex(x[0], x[1]) if jnp.iscomplexobj(y) else x

    return jax.tree.map(back, tree, like)


def on_reals(inner: optax.GradientTransformationExtraArgs) -> optax.GradientTransformationExtraArgs:
    """`inner` seeing complex leaves as (2, ...) reals, with the line search's `value_fn` and `grad` translated too."""

    def init(params):
        return inner.init(_to_reals(params))

    def update(updates, state, params=None, **extra):
        value_fn = extra.pop("value_fn")
        extra["grad"] = _to_reals(extra["grad"])
        updates, state = inner.update(
            _to_reals(updates),
            state,
            _to_reals(params),
            value_fn=lambda reals: value_fn(_from_reals(reals, params)),
            **extra,
        )
        return _from_reals(updates, params), state

    return optax.GradientTransformationExtraArgs(init, update)
