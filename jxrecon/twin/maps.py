"""What is true of a particle in each voxel of a grid (z, y, x); what follows from other maps is computed when asked for."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int

from .lattice_maps import REFLECTIONS, elements, intensities, lattice, line_width_deg, microstrain
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

    @property
    def a_angstrom(self) -> Float[np.ndarray, "z y x"]:
        return lattice(self.volume_change)[0]

    @property
    def c_angstrom(self) -> Float[np.ndarray, "z y x"]:
        return lattice(self.volume_change)[1]

    @property
    def microstrain_a(self) -> Float[np.ndarray, "z y x"]:
        return microstrain(self.state, self.radius, self.crack_proximity)[0]

    @property
    def microstrain_c(self) -> Float[np.ndarray, "z y x"]:
        return microstrain(self.state, self.radius, self.crack_proximity)[1]

    @property
    def crystallite_size_m(self) -> Float[np.ndarray, "z y x"]:
        return np.full_like(self.radius, self.state.crystallite_m)

    @property
    def intensity(self) -> dict[str, Float[np.ndarray, "z y x"]]:
        """Of the reflections 003, 104, 101."""
        return intensities(self.state, self.electron_density, self.radius)

    @property
    def manganese(self) -> Float[np.ndarray, "z y x"]:
        return elements(self.electron_density)["manganese"]

    @property
    def cobalt(self) -> Float[np.ndarray, "z y x"]:
        return elements(self.electron_density)["cobalt"]

    @property
    def nickel(self) -> Float[np.ndarray, "z y x"]:
        return elements(self.electron_density)["nickel"]

    def line_width_deg(
        self, reflection: str, wavelength_m: float = 0.7166717e-10, instrument_deg: float = 0.035
    ) -> Float[np.ndarray, "z y x"]:
        """Full width at half maximum of the reflection 003, 104 or 101 in one voxel, in degrees of 2 theta."""
        return line_width_deg(
            REFLECTIONS[reflection],
            lattice(self.volume_change),
            microstrain(self.state, self.radius, self.crack_proximity),
            crystallite_m=self.state.crystallite_m,
            wavelength_m=wavelength_m,
            instrument_deg=instrument_deg,
        )
