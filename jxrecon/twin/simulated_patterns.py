"""A simulated diffraction scan in the place of a file, kept for the length of the process: data and truth share one."""

import functools

import numpy as np

from ..data.access import Access
from ..data.pattern_checks import RawPatterns
from ..data.pattern_reader import AbstractPatternReader
from ..patterns import Patterns
from .scanning_diffraction import DiffractionScan, ScanningDiffraction


@functools.lru_cache(maxsize=2)
def simulated(simulation: ScanningDiffraction, seed: int) -> DiffractionScan:
    """`simulation(seed)`, once; its arrays cannot be written to."""
    scan = simulation(seed)
    for value in (scan.patterns.counts, scan.expected, scan.voxels, *scan.maps.values()):
        value.flags.writeable = False
    return scan


class SimulatedPatterns(AbstractPatternReader):
    """Simulates instead of reading. `path` only names the set in messages; the same `seed` gives the same set."""

    path: str = "simulated"
    wavelength_m: float | None = None
    energy_keV: float | None = None
    access: Access = Access()
    simulation: ScanningDiffraction = ScanningDiffraction()
    seed: int = 0

    @property
    def source(self) -> str:
        return self.path

    def scan(self) -> DiffractionScan:
        """What was measured and what is true."""
        return simulated(self.simulation, self.seed)

    def truth(self) -> dict[str, np.ndarray]:
        """Maps by name, see `diffraction_truth`."""
        return self.scan().maps

    def raw(self) -> RawPatterns:
        found: Patterns = self.scan().patterns
        return RawPatterns(
            counts=found.counts,
            axis=found.two_theta_deg,
            wavelength_m=found.wavelength_m,
            angle_deg=found.angle_deg,
            monitor=found.monitor,
            step_m=found.step_m,
            negative_is_masked=True,
            source=self.source,
            metadata=found.metadata | {"seed": self.seed},
        )
