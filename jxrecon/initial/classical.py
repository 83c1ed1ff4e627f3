"""A classical engine's reconstruction as the first guess: object and probe after its iterations.

One illumination after the other, each going on with the object that the ones before have found; several specimens lie
side by side on one canvas. All frames of an illumination are on the device at once, and in the difference map their exit waves
too: for scans larger than memory, start from another guess.
"""

import logging

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex

from ..classical.difference_map import DifferenceMap
from ..classical.engine import AbstractEngine
from ..classical.scan import read_scan
from ..geometry import Geometry
from ..measurement import Measurement
from ..parameters import Parameters
from .first_guess import AbstractInitial
from .guess import Guess

_log = logging.getLogger(__name__)


def side_by_side(object: Complex[Array, "specimen y x"]) -> Complex[Array, "_ x"]:
    """All specimens on one canvas, one below the other."""
    return object.reshape(-1, object.shape[-1])


def positions_on_canvas(parameters: Parameters, measurement: Measurement) -> np.ndarray:
    """Positions (scan, 2) from the centre of the canvas of `side_by_side`."""
    specimens, y, _ = parameters.objects().shape
    specimen = measurement.specimen[measurement.view]
    # The centre of specimen s is pixel s*y + y//2, that of the canvas pixel specimens*y//2.
    below = specimen * y + y // 2 - specimens * y // 2
    positions = np.array(parameters.positions(), float)
    positions[:, 0] += below
    return positions


class Classical(AbstractInitial):
    """`engine`, started from the guess `start`."""

    engine: AbstractEngine = eqx.field(default_factory=DifferenceMap)
    start: AbstractInitial = eqx.field(default_factory=Guess)

    def __call__(self, geometry: Geometry, measurement: Measurement, *, seed: int = 0) -> Parameters:
        parameters = self.start(geometry, measurement, seed=seed)
        canvas = side_by_side(parameters.objects())
        positions = positions_on_canvas(parameters, measurement)
        optics = measurement.optics[measurement.view]
        modes = []
        for number, probe in enumerate(parameters.probe.modes):
            index = np.flatnonzero(optics == number)
            scan = read_scan(geometry, measurement, positions, index, (canvas.shape[0], canvas.shape[1]))
            canvas, probe, history = self.engine(scan, canvas, probe, seed=seed + number)
            modes.append(probe)
            _log.info(
                "%s: R-factor %.4f after %d iterations",
                type(self.engine).__name__,
                history[-1],
                len(history),
            )
        found = canvas.reshape(parameters.objects().shape), jnp.stack(modes)
        return eqx.tree_at(lambda p: (p.object, p.probe.modes), parameters, found)
