"""What is true of a particle in each voxel of a grid (z, y, x)."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int

from .states import State


@dataclasses.dataclass(frozen=True)
class Maps:
    """Means over each voxel; `radius`, `volume_change` and `crack_proximity` are means over the part inside the surface."""

    state: State
    electron_density: Float[np.ndarray, "z y x"]  # e/A^3
    occupancy: Float[np.ndarray, "z y x"]  # share of solid
    inside: Float[np.ndarray, "z y x"]  # share within the outer surface
    radius: Float[np.ndarray, "z y x"]  # 0 in the centre, 1 at the surface
    crack_share: Float[np.ndarray, "z y x"]
    layer: Int[np.ndarray, "z y x"]  # number of the onion layer, from the core outwards; -1 outside
    volume_change: Float[np.ndarray, "z y x"]  # of the unit cell, relative to pristine
    crack_proximity: Float[np.ndarray, "z y x"]  # 1 at a crack

    @property
    def particle(self) -> Bool[np.ndarray, "z y x"]:
        return self.inside > 0.5

    @property
    def pore(self) -> Bool[np.ndarray, "z y x"]:
        """Voxels of the particle that are more than half empty, cracks among them."""
        return self.particle & (self.occupancy < 0.5)

    @property
    def crack(self) -> Bool[np.ndarray, "z y x"]:
        return self.particle & (self.crack_share > 0.5)
