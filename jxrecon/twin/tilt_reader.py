"""A simulated tilt series in the place of a file: one view for each angle, with a specimen of its own and the common probe.

The simulation is kept for the length of the process, so that reading, halves of the data and the truth share one.
"""

import functools
from typing import Any

import numpy as np

from ..data.access import Access
from ..data.frames import MemoryFrames
from ..data.instrument import FileGeometry, Instrument
from ..data.preprocess import Preprocess
from ..data.reader import AbstractReader
from ..data.scan import Scan, Views
from .tilt_series import SimulatedTiltSeries


@functools.lru_cache(maxsize=2)
def simulated(series: SimulatedTiltSeries, seed: int) -> dict[str, Any]:
    """`series.simulate(seed)`, once; its arrays cannot be written to."""
    arrays = series.simulate(seed)
    for value in arrays.values():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
    return arrays


class SimulatedTilt(AbstractReader):
    """Simulates instead of reading. `path` only names the set in messages; the same `seed` gives the same set."""

    path: str = "simulated"
    instrument: Instrument = Instrument()
    preprocess: Preprocess = Preprocess()
    access: Access = Access()
    simulation: SimulatedTiltSeries = SimulatedTiltSeries()
    seed: int = 0

    def scan(self) -> Scan:
        return scan_of(simulated(self.simulation, self.seed))

    def truth(self) -> dict[str, np.ndarray]:
        """What is true of the set: see `TiltFrames.truth`."""
        return {k: v for k, v in simulated(self.simulation, self.seed).items() if k.endswith("_true")}


def scan_of(arrays: dict[str, Any]) -> Scan:
    """The measured part of a simulated series, as a reader would find it in a file."""
    pitch, number = arrays["detector_pixel_m"], np.arange(len(arrays["angle_deg"]), dtype=np.int32)
    return Scan(
        format="simulated",
        frames=MemoryFrames(arrays["intensity"], "simulated"),
        positions=arrays["positions_px"],
        position_unit="px",
        geometry=FileGeometry(
            wavelength_m=arrays["wavelength_m"],
            distance_m=arrays["distance_m"],
            detector_pixel_m=(pitch, pitch),
            regime=arrays["regime"],
            focus_to_sample_m=arrays.get("focus_to_sample_m"),
            margin=arrays.get("margin"),
        ),
        mask=arrays["mask"],
        probe=arrays["probe"],
        views=Views(
            view=arrays["view"],
            angle_deg=arrays["angle_deg"],
            specimen=number,
            optics=np.zeros_like(number),
        ),
    )
