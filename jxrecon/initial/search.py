"""How far from the focus the specimen was: tried out.

The mean frame tells the aperture and not the distance. Candidates from one side of the focus to the other, up to where the beam
would fill the window, each run a few iterations of an engine on the frames nearest to the middle of the scan; the lowest
R-factor wins.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Complex

from ..classical.engine import AbstractEngine, Scan
from ..classical.pie import Rpie
from ..classical.scan import read_scan
from ..forward.optics import propagated
from ..geometry import Geometry
from ..measurement import Measurement
from .first_guess import AbstractProbeGuess, object_shape
from .mean_frame import MeanFrame
from .probes import MeanFrameProbe, filling_defocus, focused


def middle_frames(positions_px: np.ndarray, index: np.ndarray, count: int) -> np.ndarray:
    """The `count` frames of `index` nearest to the median position, ascending."""
    here = positions_px[index]
    distance = np.hypot(*(here - np.median(here, axis=0)).T)
    return np.sort(index[np.argsort(distance, kind="stable")[:count]])


def few_frames(geometry: Geometry, measurement: Measurement, mean: MeanFrame, count: int):
    """A scan of neighbouring frames, and a flat object that holds it."""
    index = middle_frames(measurement.positions_px, mean.index, count)
    here = measurement.positions_px[index]
    shifted = np.zeros_like(measurement.positions_px)
    shifted[index] = here - (here.max(axis=0) + here.min(axis=0)) / 2
    shape = object_shape(shifted[index], geometry.probe_shape)
    scan = read_scan(geometry, measurement, shifted, index, shape)
    return scan, jnp.ones(shape, jnp.result_type(complex))


def r_factor(
    engine: AbstractEngine, scan: Scan, object, probe: Complex[np.ndarray, "v u"], photons: float
) -> float:
    """R-factor that the engine reaches from this probe."""
    scaled = probe[None] * np.sqrt(photons / np.sum(np.abs(probe) ** 2))
    start = jnp.asarray(scaled, object.dtype)
    return float(engine(scan, object, start, seed=0)[2][-1])


class SearchedProbe(AbstractProbeGuess):
    """The mean frame's beam at the best of `candidates` distances from the focus, after trials on `frames` frames each.

    In the near field there is nothing to search.
    """

    candidates: int = 17
    frames: int = 49
    engine: AbstractEngine = eqx.field(default_factory=lambda: Rpie(iterations=10, probe_start=1))

    def __check_init__(self):
        if self.candidates < 1 or self.frames < 1:
            raise ValueError(
                f"`candidates` is {self.candidates}, `frames` {self.frames}; expected 1 or more."
            )

    def __call__(
        self, geometry: Geometry, measurement: Measurement, mean: MeanFrame
    ) -> Complex[np.ndarray, "mode v u"]:
        if geometry.regime == "near_field":
            return MeanFrameProbe()(geometry, measurement, mean)
        scan, object = few_frames(geometry, measurement, mean, self.frames)
        focus, largest = focused(mean.pattern), filling_defocus(geometry)
        distances = largest * np.linspace(-1, 1, self.candidates)
        pixel, wavelength = geometry.pixel_size_m, geometry.wavelength_m
        probes = [propagated(focus, pixel, wavelength, float(z)) for z in distances]
        reached = [r_factor(self.engine, scan, object, probe, mean.photons) for probe in probes]
        return probes[int(np.nanargmin(reached))][None]
