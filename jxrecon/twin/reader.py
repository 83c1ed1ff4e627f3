"""A simulated data set in the place of a file: nothing to download, and every setting of a reader applies to it."""

from typing import Any

import numpy as np

from ..data.access import Access
from ..data.frames import MemoryFrames
from ..data.instrument import FileGeometry, Instrument
from ..data.preprocess import Preprocess
from ..data.reader import AbstractReader
from ..data.scan import Scan
from .ptychography import SimulatedPtychography


class Simulated(AbstractReader):
    """Simulates instead of reading. `path` only names the set in messages; the same `seed` gives the same set."""

    path: str = "simulated"
    instrument: Instrument = Instrument()
    preprocess: Preprocess = Preprocess()
    access: Access = Access()
    simulation: SimulatedPtychography = SimulatedPtychography()
    seed: int = 0

    def scan(self) -> Scan:
        return scan_of(self.simulation.simulate(self.seed))

    def truth(self) -> dict[str, np.ndarray]:
        """What is true of the set: `object_true`, `probe_true`, `positions_true`, `flux_true`."""
        return {k: v for k, v in self.simulation.simulate(self.seed).items() if k.endswith("_true")}


def scan_of(arrays: dict[str, Any]) -> Scan:
    """The measured part of a simulated set, as a reader would find it in a file."""
    pitch = arrays["detector_pixel_m"]
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
    )
