"""L(theta) = sum_k w_k noise_k(forward_k(theta), measured_k) + sum_j w_j prior_j(theta), over one shared pytree.

Data terms and priors are of one type, `AbstractTerm`, and the value of each is logged under its name at every step.
Data terms are true negative log-likelihoods of the whole scan (a mini-batch is scaled up to it), so that the weight of a
prior means the same whatever the batch size: it is counted in nats.
"""

import abc
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .kernels.accumulate import accumulate
from .parameters import Parameters


class Batch(eqx.Module):
    """Some views and some frames of each: what one step of the optimiser sees of one measurement.

    intensity: photon counts, zero frequency at the corner [0, 0] in the far field, negative where not measured.
    weight: 1 for a frame, 0 for padding. scale: frames of the whole scan / sum of the weights over all devices.
    """

    view: Int[Array, " view"]
    index: Int[Array, "view frame"]
    intensity: Float[Array, "view frame v u"]
    weight: Float[Array, "view frame"]
    scale: Float[Array, ""]


class AbstractTerm(eqx.Module):
    """One summand of the objective."""

    weight: eqx.AbstractVar[float]

    @abc.abstractmethod
    def __call__(self, parameters: Parameters, batch: dict[str, Batch]) -> Float[Array, ""]:
        """Value of the term, not yet multiplied by its weight, in nats for a data term."""


class AbstractForwardModel(eqx.Module):
    """Predicts the frames of one measurement from the unknowns; holds geometry, never an unknown.

    Two stages: `prepare` once per view, `predict` once per frame. What frames of a view see through windows (the
    transmission of the whole specimen) is the view's `canvas`; everything else that they share is `shared`.
    """

    @abc.abstractmethod
    def prepare(self, parameters: Parameters, view: Int[Array, ""]) -> tuple[Array, Any]:
        """(canvas, shared) of one view; the canvas is (..., y, x)."""

    @abc.abstractmethod
    def frames(self, parameters: Parameters, index: Int[Array, " frame"]) -> Any:
        """What each frame has of its own, a pytree with a leading axis `frame`; its `corner` (frame, 2) is the first
        pixel of the frame's window in the canvas."""

    @abc.abstractmethod
    def predict(self, patch: Array, shared: Any, frame: Any) -> Float[Array, "v u"]:
        """Expected counts of one frame, from its window of the canvas."""


class AbstractNoise(eqx.Module):
    """Negative log-likelihood per pixel, zero where prediction and measurement agree."""

    @abc.abstractmethod
    def __call__(
        self, predicted: Float[Array, "v u"], measured: Float[Array, "v u"]
    ) -> Float[Array, "v u"]:
        """Both arguments are finite and non-negative; value and gradient are finite at zero counts."""
