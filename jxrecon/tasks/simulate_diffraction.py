"""Writes a simulated diffraction scan: patterns.h5, the layout that `PlainPatterns` reads, and truth.h5, maps of what is true."""

from pathlib import Path

import numpy as np

from ..data.plain_patterns import write_patterns
from ..data.write_maps import write_maps
from ..twin.simulated_patterns import SimulatedPatterns
from .task import AbstractTask

UNITS = {"angstrom": "angstrom", "deg": "deg", "per_m": "1/m"}


def unit_of(name: str) -> str:
    """Of a truth, by the end of its name."""
    if name.startswith("area"):
        return "counts deg"
    if name == "electron_density":
        return "1/angstrom^3"
    return next((unit for end, unit in UNITS.items() if name.endswith(f"_{end}")), "")


class SimulateDiffraction(AbstractTask):
    """Reconstructs nothing."""

    data: SimulatedPatterns

    def __call__(self, folder: Path, seed: int) -> dict[str, float | int | None]:
        patterns, truth = self.data.read(), self.data.truth()
        write_patterns(folder / "patterns.h5", patterns, title=f"simulated, {patterns.metadata['state']}")
        voxel = self.data.simulation.step_m * 1e6
        maps = {name: (values, unit_of(name)) for name, values in truth.items()}
        write_maps(folder / "truth.h5", maps, (voxel,) * 3, title="what is true")
        views, rows, rays, channels = patterns.counts.shape
        inside = truth["inside"] > 0.5
        return {
            "views": views,
            "rays": rows * rays,
            "channels": channels,
            "counts_per_pattern": round(float(patterns.counts.sum() / (views * rows * rays)), 1),
            "voxels": int(inside.sum()),
            "fwhm_003_deg": round(float(np.nanmean(truth["fwhm_003_deg"][inside])), 4),
        }
