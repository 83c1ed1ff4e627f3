"""The usual first guess: an object and a probe, each from where the config says, scaled to the measured counts.

Flux is 1, positions are the nominal ones. Frames are read a few at a time, and at most some 500 of them.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Num

from ..errors import InputError
from ..geometry import Geometry
from ..measurement import Measurement
from ..parameters import Parameters, Positions, Probe
from .automatic import AutomaticProbe
from .first_guess import AbstractInitial, AbstractObjectGuess, AbstractProbeGuess, object_shape
from .mean_frame import MeanFrame, mean_frame
from .modes import random_variations, with_modes
from .objects import Flat

FIRST_WEIGHT = 1e-2  # of the variations in a frame: not zero, where their gradient vanishes


def as_real(values: Num[np.ndarray, "..."] | Num[Array, "..."]) -> Float[Array, "..."]:
    """Real array of JAX's default precision."""
    return jnp.asarray(values, jnp.result_type(float))


def nominal_positions(measurement: Measurement) -> Positions:
    """Positions as they were measured."""
    nominal = as_real(measurement.positions_px)
    return Positions(nominal, jnp.zeros_like(nominal), jnp.zeros(4, nominal.dtype))


def mean_frames(geometry: Geometry, measurement: Measurement) -> list[MeanFrame]:
    """The mean frame of each illumination."""
    optics = measurement.optics[measurement.view]
    means = []
    for number in range(int(measurement.optics.max()) + 1):
        index = np.flatnonzero(optics == number)
        if not len(index):
            raise InputError(f"{measurement.source}: no frame was taken with illumination {number}.")
        means.append(mean_frame(geometry, measurement, index))
    return means


def on_device(field: np.ndarray) -> Array:
    """Complex array of JAX's default precision."""
    return jnp.asarray(field, jnp.result_type(complex))


class Guess(AbstractInitial):
    """modes: how many incoherent modes; null keeps as many as the probe's guess has. mode_share: power of each mode that has to
    be invented. variations: how many for orthogonal probe relaxation. background: a first value, relative to the mean count of a
    pixel; null leaves it out of the model.
    """

    probe: AbstractProbeGuess = eqx.field(default_factory=AutomaticProbe)
    object: AbstractObjectGuess = eqx.field(default_factory=Flat)
    modes: int | None = None
    mode_share: float = 0.05
    variations: int = 0
    background: float | None = None

    def __check_init__(self):
        if self.variations < 0 or (self.modes is not None and self.modes < 1):
            raise ValueError(
                f"`modes` is {self.modes}, `variations` {self.variations}; expected at least 1 mode and 0 variations."
            )
        if self.background is not None and not self.background > 0:
            raise ValueError(
                f"`background` is {self.background}; expected more than 0, or null to leave it out."
            )

    def __call__(self, geometry: Geometry, measurement: Measurement, *, seed: int = 0) -> Parameters:
        rng = np.random.default_rng([seed, 0x1217])
        means = mean_frames(geometry, measurement)
        shape = object_shape(measurement.positions_px, geometry.probe_shape)
        objects = [self.object(shape, measurement, rng) for _ in range(int(measurement.specimen.max()) + 1)]
        return Parameters(
            object=on_device(np.stack(objects)),
            probe=self._probe(geometry, measurement, means, rng),
            positions=nominal_positions(measurement),
            flux=jnp.ones(measurement.scan_count),
            background=self._background(geometry, means),
        )

    def _modes(
        self, geometry: Geometry, measurement: Measurement, mean: MeanFrame
    ) -> Complex[np.ndarray, "mode v u"]:
        known = self.probe(geometry, measurement, mean)
        count = len(known) if self.modes is None else self.modes
        return with_modes(known, count, self.mode_share) * np.sqrt(mean.photons)

    def _probe(self, geometry, measurement, means, rng) -> Probe:
        modes = np.stack([self._modes(geometry, measurement, mean) for mean in means])
        if not self.variations:
            return Probe(on_device(modes))
        variations = np.stack([random_variations(each, self.variations, rng) for each in modes])
        weights = FIRST_WEIGHT * rng.standard_normal((measurement.scan_count, self.variations))
        return Probe(on_device(modes), on_device(variations), as_real(weights))

    def _background(self, geometry: Geometry, means: list[MeanFrame]) -> Float[Array, "v u"] | None:
        if self.background is None:
            return None
        level = np.mean([mean.pattern.mean() for mean in means])
        return jnp.full(geometry.frame_shape, np.sqrt(self.background * level))
