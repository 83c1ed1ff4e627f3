"""Ptychography of every view of a tilt series by itself: the first step of the step-by-step chain.

Each view has an object of its own, all share the probe, and one gradient loop fits them together with the likelihood that the
joint problem has; nothing knows yet that the objects are projections of one volume.
"""

import dataclasses
import sys

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ..batches import Batches
from ..forward.ptychography import Ptychography
from ..geometry import Geometry
from ..measurement import Measurement
from ..noise import Poisson
from ..objective import AbstractNoise, DataTerm, Objective
from ..optimise import fit
from ..optimisers import Adam, Optimisers, flattened
from ..parameters import Parameters
from ..progress import Progress
from .guess import Guess

NAME = "views"


def adams() -> Optimisers:
    return {"object": Adam(learning_rate=0.05), "probe": {"modes": Adam(learning_rate=0.01)}}


class Views(eqx.Module):
    """epochs: passes over all frames. views_per_step: views whose frames make one step of the common probe; None for all, which
    suits optimisers with a memory: objects that a step does not see are no still ones. batch_size: frames of each. optimisers: as
    those of a run, of `object`, `probe`, `positions`."""

    start: Guess = eqx.field(default_factory=Guess)
    noise: AbstractNoise = Poisson()
    optimisers: Optimisers = eqx.field(default_factory=adams)
    epochs: int = 150
    batch_size: int = 32
    views_per_step: int | None = None

    def __check_init__(self):
        at_once = 1 if self.views_per_step is None else self.views_per_step
        if min(self.epochs, self.batch_size, at_once) < 1:
            raise ValueError(
                f"`epochs` is {self.epochs}, `batch_size` {self.batch_size}, `views_per_step` {self.views_per_step}; "
                "expected 1 or more."
            )

    def __call__(self, geometry: Geometry, measurement: Measurement, *, seed: int = 0) -> Parameters:
        """Objects (view, y, x), probe and positions after all epochs."""
        own = dataclasses.replace(measurement, specimen=np.arange(len(measurement.specimen), dtype=np.int32))
        parameters = self.start(geometry, own, seed=seed)
        pair = {NAME: (geometry, own)}
        objective = Objective(
            {NAME: DataTerm(measurement=NAME, model=Ptychography(), noise=self.noise)}
        ).bind(pair)
        dtype = np.float64 if jnp.result_type(float) == jnp.float64 else np.float32
        at_once = self.views_per_step or len(measurement.specimen)
        batches = Batches(pair, self.batch_size, at_once, seed=seed, dtype=dtype)
        chosen = flattened(self.optimisers)
        with Progress(self.epochs, name="views", stream=sys.stderr) as progress:
            for state in fit(objective, parameters, batches, chosen, epochs=self.epochs):
                parameters = state.parameters
                progress.update(state.epoch, 0, float(np.mean(state.values["total"])))
        return parameters
