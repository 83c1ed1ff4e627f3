"""The interfaces of first guesses, and the rules that all of them keep.

The object's shape is the extent of the positions plus the probe's shape plus 16 pixels (8 on each side, so that corrected
positions stay inside), rounded up to even numbers.
"""

import abc

import equinox as eqx
import numpy as np
from jaxtyping import Complex

from ..geometry import Geometry
from ..measurement import Measurement
from ..parameters import Parameters
from .mean_frame import MeanFrame

MARGIN = 16  # pixels of the object beyond the windows of the nominal positions, both sides together


def object_shape(positions_px: np.ndarray, probe_shape: tuple[int, int]) -> tuple[int, int]:
    """Shape of an object that holds the window of every position (scan, 2)."""
    # Positions are counted from the object's centre: what sticks out on one side needs room on both.
    extent = np.maximum(np.ptp(positions_px, axis=0), 2 * np.abs(positions_px).max(axis=0))
    y, x = (int(np.ceil(e - 1e-6)) + n + MARGIN for e, n in zip(extent, probe_shape, strict=True))
    return y + y % 2, x + x % 2


class AbstractInitial(eqx.Module):
    """Gives all unknowns a first value."""

    @abc.abstractmethod
    def __call__(self, geometry: Geometry, measurement: Measurement, *, seed: int = 0) -> Parameters:
        """`geometry` with the margin that the forward model wants; the same `seed` gives the same parameters.

        Raises `InputError` when the measurement does not hold what the guess needs."""


class AbstractProbeGuess(eqx.Module):
    """Gives an illumination a first value."""

    @abc.abstractmethod
    def __call__(
        self, geometry: Geometry, measurement: Measurement, mean: MeanFrame
    ) -> Complex[np.ndarray, "mode v u"]:
        """Modes of shape `geometry.probe_shape`, centred, of any power; only their shares count.

        `mean` describes the frames that were taken with this illumination."""


class AbstractObjectGuess(eqx.Module):
    """Gives the transmission of a specimen a first value."""

    @abc.abstractmethod
    def __call__(
        self, shape: tuple[int, int], measurement: Measurement, rng: np.random.Generator
    ) -> Complex[np.ndarray, "y x"]:
        """Complex transmission; where nothing is known it is 1."""
