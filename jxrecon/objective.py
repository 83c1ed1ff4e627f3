"""L(theta) = sum_k w_k noise_k(forward_k(theta), measured_k) + sum_j w_j prior_j(theta), over one shared pytree.

Data terms and priors are of one type, `AbstractTerm`, and the value of each is logged under its name at every step.
Data terms are true negative log-likelihoods of the whole scan (a mini-batch is scaled up to it), so that the weight of a
prior means the same whatever the batch size: it is counted in nats.
"""

import abc
import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from .geometry import Geometry
from .kernels.accumulate import accumulate, accumulate_views
from .measurement import Measurement
from .parameters import Parameters


class Batch(eqx.Module):
    """Some views and some frames of each: what one step of the optimiser sees of one measurement.

    intensity: photon counts, laid out as the forward model predicts them (in the far field the beam is at the corner),
    negative where not measured. weight: 1 for a frame, 0 for padding. mask: True for good pixels, of which frame j keeps those
    of fold j mod folds out of the fit. scale: frames of the whole scan / sum of the weights over all devices. level: mean
    count of a pixel.
    """

    view: Int[Array, " view"]
    index: Int[Array, "view frame"]
    intensity: Float[Array, "view frame v u"]
    weight: Float[Array, "view frame"]
    mask: Bool[Array, "v u"]
    fold: Int[Array, "v u"]
    folds: Int[Array, ""]
    scale: Float[Array, ""]
    level: Float[Array, ""]


class AbstractTerm(eqx.Module):
    """One summand of the objective."""

    weight: eqx.AbstractVar[Float[Array, ""]]

    @abc.abstractmethod
    def __call__(self, parameters: Parameters, batch: dict[str, Batch]) -> Float[Array, ""]:
        """Value of the term, not yet multiplied by its weight; in nats for a data term."""


class AbstractForwardModel(eqx.Module):
    """Predicts the frames of one measurement from the unknowns; holds geometry, never an unknown.

    Three stages: `develop` once per batch, `prepare` once per view, `predict` once per frame. What frames of a view see through
    windows (the transmission of the whole specimen) is the view's `canvas`; everything else that they share is `shared`.
    """

    group: eqx.AbstractVar[int | None]

    @abc.abstractmethod
    def bind(self, geometry: Geometry, measurement: Measurement) -> "AbstractForwardModel":
        """The same model for one measurement: its set-up, and which specimen and optics each view has."""

    @property
    @abc.abstractmethod
    def window(self) -> tuple[int, int]:
        """Shape of a frame's window in the canvas."""

    @abc.abstractmethod
    def develop(self, parameters: Parameters, view: Int[Array, " view"]) -> tuple[Parameters, Any]:
        """What is cheaper for all views of a batch at once: (the parameters that single views still need, a pytree with the
        leading axis `view` of what each has of its own, such as its projection of a volume)."""

    @abc.abstractmethod
    def prepare(self, parameters: Parameters, view: Int[Array, ""], own: Any) -> tuple[Array, Any]:
        """(canvas, shared) of one view, `parameters` and `own` as `develop` gave them; the canvas is (..., y, x)."""

    @abc.abstractmethod
    def frames(
        self, parameters: Parameters, index: Int[Array, " frame"], canvas: Array
    ) -> tuple[Int[Array, "frame 2"], Any]:
        """First pixel of each frame's window in the canvas, and a pytree of what each frame has of its own."""

    @abc.abstractmethod
    def predict(self, patch: Array, shared: Any, frame: Any) -> Float[Array, "v u"]:
        """Expected counts of one frame, from its window of the canvas."""


class AbstractNoise(eqx.Module):
    """Negative log-likelihood per pixel, zero where prediction and measurement agree."""

    @abc.abstractmethod
    def __call__(
        self,
        predicted: Float[Array, "v u"],
        measured: Float[Array, "v u"],
        level: Float[Array, ""],
    ) -> Float[Array, "v u"]:
        """Both frames are finite and non-negative; value and gradient are finite at zero counts."""


class DataTerm(AbstractTerm):
    """Negative log-likelihood of one measurement, summed over frames and views, scaled up to the whole scan."""

    measurement: str
    model: AbstractForwardModel
    noise: AbstractNoise
    weight: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=1.0)

    def __call__(self, parameters: Parameters, batch: dict[str, Batch]) -> Float[Array, ""]:
        here = batch[self.measurement]
        views = (here.view, here.index, here.intensity, here.weight)
        constants = (here.mask, here.fold, here.folds, here.level)
        with jax.named_scope("develop"):
            common, own = self.model.develop(parameters, here.view)
        if here.view.shape[0] == 1:
            own, view = jax.tree.map(lambda x: x[0], (own, views))
            total = self._view(common, own, view, constants)
        else:
            total = accumulate_views(self._view, common, own, views, constants)
        return here.scale * total

    def _view(self, parameters, own, view, constants):
        number, index, intensity, weight = view
        canvas, shared = self.model.prepare(parameters, number, own)
        corners, frames = self.model.frames(parameters, index, canvas)
        return accumulate(
            self._frame,
            canvas,
            corners,
            shared,
            frames,
            (intensity, weight, index),
            constants,
            window=self.model.window,
            group=self.model.group or 1,
        )

    def _frame(self, patch, shared, frame, datum, constants):
        (intensity, weight, index), (mask, fold, folds, level) = datum, constants
        predicted = self.model.predict(patch, shared, frame)
        # The inputs are masked, not the result: 0 * NaN would still poison the gradient.
        fitted = fitted_pixels(intensity, mask) & (fold != index % folds)
        zero = jnp.zeros((), predicted.dtype)
        values = self.noise(jnp.where(fitted, predicted, zero), jnp.where(fitted, intensity, zero), level)
        return weight * jnp.sum(values)


def fitted_pixels(
    intensity: Float[Array, "*frame v u"], mask: Bool[Array, "v u"]
) -> Bool[Array, "*frame v u"]:
    """Good pixels of the detector that were measured in this frame."""
    return mask & (intensity >= 0)


class Objective(eqx.Module):
    """The sum of named terms."""

    terms: dict[str, AbstractTerm]

    def __call__(
        self, parameters: Parameters, batch: dict[str, Batch], share: float = 1.0
    ) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
        """Total, and the weighted value of every term under its name.

        `share` is what one of several devices contributes to the terms that do not depend on frames.
        """
        values = {}
        parameters = parameters.physical()
        for name, term in self.terms.items():
            with jax.named_scope(name):
                value = term.weight * term(parameters, batch)
            values[name] = value if isinstance(term, DataTerm) else value * share
        return sum(values.values(), start=jnp.zeros(())), values

    def bind(self, measurements: dict[str, tuple[Geometry, Measurement]]) -> "Objective":
        """The same objective with every forward model bound to its measurement."""
        bound = dict(self.terms)
        for name, term in self.terms.items():
            if isinstance(term, DataTerm):
                if term.measurement not in measurements:
                    raise ValueError(
                        f"`objective.terms.{name}.measurement` is {term.measurement!r}; "
                        f"the measurements are {sorted(measurements)}."
                    )
                model = term.model.bind(*measurements[term.measurement])
                bound[name] = dataclasses.replace(term, model=model)
        return Objective(bound)
