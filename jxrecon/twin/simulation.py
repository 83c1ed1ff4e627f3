"""The face that simulated data sets share: what was measured, and beside it what is true."""

import abc
import os
from typing import Any

import equinox as eqx

from ..data.write import write_plain
from ..geometry import Geometry
from ..measurement import Measurement


class AbstractSimulation(eqx.Module):
    """One data set to be; the same seed gives the same set. `experiment` reconstructs its file, if there is one that does."""

    experiment: eqx.AbstractClassVar[str | None]

    @abc.abstractmethod
    def measured(self, seed: int = 0) -> tuple[Geometry, Measurement, dict[str, Any]]:
        """Geometry, measurement, and the truth under names that end in `_true`. Frames may be simulated as they are read."""

    def write(self, path: str | os.PathLike, seed: int = 0) -> None:
        """Simulate and write the plain layout, HDF5 or NPZ by the ending; whole or not at all."""
        geometry, measurement, truth = self.measured(seed)
        write_plain(path, geometry, measurement, **truth)
