"""A secondary particle of a lithium-rich layered oxide (NMC) in three dimensions, with every truth about it.

A ball of a thousand to a million primary grains with a rough surface, in onion layers that are dense and porous by turns; cracks
run from its core along grain boundaries. Packing and cracks, lattice, strain, and crystallinity follow from its
state: pristine, delithiated, or cycled (large and small). All features are distances in metres, so that one seed is one
particle on any grid:

    n_e(r) = occupancy(r) filling(rho) n_solid,   rho the relative radius

with n_solid = 1 e/A^3, or, with `chemistry`, in proportion to the electrons of the state's formula over its cell volume.

Tsai et al., iScience 11, 356 (2019), doi 10.1016/j.isci.2018.12.028 (the measured trends).
"""

import dataclasses
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float

from .body import draw_body
from .drawn import Drawn, solid_density
from .maps import Maps
from .packing import solve_packing
from .states import STATES, StateName

FRAGMENT_SPREAD = 0.01  # standard deviation of a fragment's expansion
PRESETS: dict[str, dict[str, Any]] = {
    "tiny": {"size": 32, "voxel_m": 60e-9, "radius_m": 0.85e-6, "supersample": 2},
    "mini": {"size": 64, "voxel_m": 40e-9, "radius_m": 1.15e-6, "supersample": 2},
    "small": {"size": 128, "voxel_m": 20e-9, "radius_m": 1.15e-6},
    "mid": {
        "size": 128,
        "voxel_m": 80e-9,
        "radius_m": 4.6e-6,
        "supersample": 2,
        "grain_m": 150e-9,
        "layer_m": 900e-9,
    },
    "paper": {"size": 640, "voxel_m": 20e-9, "radius_m": 5.5e-6, "layer_m": 900e-9},
}


class Particle(eqx.Module):
    """A particle in the middle of a cube of `size` voxels, each averaged over `supersample`^3 points.

    grain_m: spacing of the primary grains. layer_m: period of dense and porous layers. n_solid: e/A^3 of the pristine solid.
    chemistry: the solid's density follows composition and cell volume. fragments: pieces between cracks differ in their cell.
    """

    state: StateName = "pristine"
    size: int = 128
    voxel_m: float = 20e-9
    radius_m: float = 1.15e-6
    supersample: int = 1
    grain_m: float = 75e-9
    layer_m: float = 270e-9
    n_solid: float = 1.0
    chemistry: bool = False
    fragments: bool = False

    def __check_init__(self):
        if min(self.size, self.supersample, self.voxel_m, self.radius_m, self.grain_m, self.layer_m) <= 0:
            raise ValueError(
                "a particle wants positive `size`, `supersample`, `voxel_m`, `radius_m`, `grain_m`, `layer_m`"
            )
        if self.radius_m < 3 * self.grain_m:
            raise ValueError(
                f"`radius_m` {self.radius_m:g} holds too few grains of `grain_m` {self.grain_m:g}"
            )

    def finer(self, factor: int) -> "Particle":
        """The same on a grid of smaller voxels; where `supersample` allows, their means are this one's voxels exactly."""
        points = self.supersample // factor if self.supersample % factor == 0 else self.supersample
        changes = {"size": self.size * factor, "voxel_m": self.voxel_m / factor, "supersample": points}
        return dataclasses.replace(self, **changes)

    def draw(self, seed: int) -> Drawn:
        """The particle of a seed, to be looked at on any grid; its packing takes most of the time of small grids."""
        body = draw_body(
            seed,
            STATES[self.state],
            radius_m=self.radius_m,
            grain_m=self.grain_m,
            layer_m=self.layer_m,
            fragment_spread=FRAGMENT_SPREAD if self.fragments else 0.0,
        )
        packing = solve_packing(body, lambda place: solid_density(body, place, self.n_solid, self.chemistry))
        return Drawn(body, packing, self.n_solid, self.chemistry)

    def axis_m(self) -> Float[np.ndarray, " n"]:
        """Coordinates of the voxels along each axis, from the middle."""
        return (np.arange(self.size) - (self.size - 1) / 2) * self.voxel_m

    def maps(self, seed: int) -> Maps:
        """All truths on the particle's own grid."""
        axis = self.axis_m()
        return self.draw(seed).maps(axis, axis, axis, self.supersample)

    def electron_density(self, seed: int) -> Float[np.ndarray, "z y x"]:
        """e/A^3; holds no other map in memory."""
        axis = self.axis_m()
        return self.draw(seed).electron_density(axis, axis, axis, self.supersample)


def preset(name: str, **changes: Any) -> Particle:
    """`tiny`, `mini`, `small`, `mid` or `paper`, with changes of any argument."""
    if name not in PRESETS:
        raise ValueError(f"no preset `{name}` of a particle; there are {', '.join(PRESETS)}")
    return Particle(**{**PRESETS[name], **changes})
