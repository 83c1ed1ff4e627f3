"""Air and glass around a particle have densities that are known: 0 and 0.66 e/A^3.

    R = sum_(r in air) n^2 + sum_(r in glass) (n - n_glass)^2

n in e/A^3. Two known densities fix offset and scale of a volume, and with them what a phase that was unwrapped or levelled
wrongly has spoilt; one, the air (`air`), fixes the offset alone. A weight of 1 / (2 s^2) lets single voxels scatter by s.
Regions are masks, or found in a first guess (`guessed`): glass is the wall of the capillary, eroded by a margin, without what
is inside of it.

Parameters: weight; glass_density, e/A^3 (0.66 of borosilicate or fused silica at 2.2 g/cm^3); air, glass: True where there is
either, None for nowhere. Cost at 128^3, value and gradient: 4 ms of one core.

Diaz et al., Phys. Rev. B 85, 020104 (2012), doi:10.1103/PhysRevB.85.020104 (air and capillary as references of density).
"""

import dataclasses

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from scipy import ndimage

from ..objective import AbstractTerm, Batch
from ..parameters import Parameters
from .air import empty_region
from .density import electron_density
from .solid import masked


def wall(
    density: Float[np.ndarray, "y x z"] | Float[Array, "y x z"],
    level: float,
    tolerance: float = 0.1,
    margin: float | int = 2,
) -> Bool[np.ndarray, "y x z"]:
    """Voxels of the largest body with densities within `tolerance` (e/A^3) of a level, deeper than `margin` inside it."""
    smooth = ndimage.gaussian_filter(np.asarray(density, np.float32), 1)
    near = np.abs(smooth - level) <= tolerance
    bodies, count = ndimage.label(near)  # pyright: ignore[reportGeneralTypeIssues]
    if not count:
        return np.zeros(near.shape, bool)
    largest = bodies == 1 + int(np.argmax(np.bincount(bodies.ravel())[1:]))
    return np.asarray(ndimage.distance_transform_edt(np.pad(largest, 1, "edge")))[1:-1, 1:-1, 1:-1] > margin


class AirAndGlass(AbstractTerm):
    """See above."""

    weight: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=1.0)
    glass_density: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=0.66)
    air: Bool[Array, "y x z"] | None = None
    glass: Bool[Array, "y x z"] | None = None

    def guessed(
        self,
        density: Float[np.ndarray, "y x z"] | Float[Array, "y x z"],
        threshold: float = 0.1,
        tolerance: float = 0.1,
        margin: float | int = 3,
    ) -> "AirAndGlass":
        """The same prior with air and glass as a first guess (e/A^3) shows them, `margin` voxels away from all else."""
        air = jnp.asarray(empty_region(density, threshold, margin))
        glass = jnp.asarray(wall(density, float(self.glass_density), tolerance, margin))
        return dataclasses.replace(self, air=air, glass=glass)

    def __call__(self, parameters: Parameters, batch: dict[str, Batch]) -> Float[Array, ""]:
        density = electron_density(parameters, self)
        total = jnp.zeros((), density.dtype)
        for region, level in ((self.air, 0.0), (self.glass, self.glass_density)):
            if region is not None:
                total = total + jnp.sum(masked(density - level, region) ** 2)
        return total
