"""First guesses of the specimen's transmission."""

import numpy as np
from jaxtyping import Complex

from ..errors import InputError
from ..measurement import Measurement
from .first_guess import AbstractObjectGuess
from .resample import framed


class Flat(AbstractObjectGuess):
    """Nothing in the beam, or `phase_rad` root-mean-square of random phase, which breaks symmetries."""

    phase_rad: float = 0.0

    def __call__(
        self, shape: tuple[int, int], measurement: Measurement, rng: np.random.Generator
    ) -> Complex[np.ndarray, "y x"]:
        return np.exp(1j * self.phase_rad * rng.standard_normal(shape))


class DataObject(AbstractObjectGuess):
    """The object that the data file holds, its centre on the object's centre, 1 outside."""

    def __call__(
        self, shape: tuple[int, int], measurement: Measurement, rng: np.random.Generator
    ) -> Complex[np.ndarray, "y x"]:
        if measurement.object is None:
            raise InputError(f"{measurement.source}: holds no object; use `initial/object=flat`.")
        return framed(measurement.object, shape, 1.0)
