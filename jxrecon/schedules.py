"""How a learning rate changes between the start and the stop of its group."""

import abc

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float


class AbstractSchedule(eqx.Module):
    """Factor on the learning rate, as a function of the progress from 0 to 1."""

    @abc.abstractmethod
    def __call__(self, progress: Float[Array, ""]) -> Float[Array, ""]:
        """Factor at this progress."""


class Constant(AbstractSchedule):
    """1 throughout."""

    def __call__(self, progress):
        return jnp.ones_like(progress)


class Cosine(AbstractSchedule):
    """Half a cosine from 1 down to `final`: long steps first, then averaging over the noise of the mini-batches."""

    final: float = 0.02

    def __call__(self, progress):
        return self.final + (1 - self.final) * (1 + jnp.cos(jnp.pi * progress)) / 2


class Exponential(AbstractSchedule):
    """From 1 down to `final` by the same factor in every step."""

    final: float = 0.02

    def __call__(self, progress):
        return self.final**progress
