"""The probe that needs no setting."""

import numpy as np
from jaxtyping import Complex

from ..geometry import Geometry
from ..measurement import Measurement
from .first_guess import AbstractProbeGuess
from .mean_frame import MeanFrame
from .probes import DataProbe
from .search import SearchedProbe


class AutomaticProbe(AbstractProbeGuess):
    """The probe of the data file if there is one, else from the mean frame, at a defocus that is tried out."""

    def __call__(
        self, geometry: Geometry, measurement: Measurement, mean: MeanFrame
    ) -> Complex[np.ndarray, "mode v u"]:
        source = SearchedProbe() if measurement.probe is None else DataProbe()
        return source(geometry, measurement, mean)
