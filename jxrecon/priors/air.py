"""Air is empty: its electron density is zero (0.0004 e/A^3 in truth).

    R = sum_(r in air) n^2

n in e/A^3. It fixes what phases leave open, an offset of the whole density, by the one density that is known; a weight of
1 / (2 s^2) lets single voxels of air scatter by s. Air is what lies outside of the cylinder about the rotation axis, or what a
first guess shows to be empty.
"""

import dataclasses

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from scipy import ndimage

from ..objective import AbstractTerm, Batch
from ..parameters import Parameters
from .density import cylinder, electron_density, squares_where


def empty_region(
    density: Float[np.ndarray, "y x z"] | Float[Array, "y x z"],
    threshold: float | int,
    margin: float | int = 3,
    smoothing: float | int = 1,
) -> Bool[np.ndarray, "y x z"]:
    """Voxels farther than `margin` from any where the density, smoothed over `smoothing` voxels, reaches `threshold` (e/A^3)."""
    full = ndimage.gaussian_filter(np.asarray(density, np.float32), smoothing) >= threshold
    if not full.any():
        return np.ones(full.shape, bool)
    return np.asarray(ndimage.distance_transform_edt(~full)) > margin


class Air(AbstractTerm):
    """radius: of the cylinder outside of which is air, relative to the one that just fits into the volume. air: the region itself
    instead, True where there is nothing; `guessed` finds it in a first guess."""

    weight: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=1.0)
    radius: float = 0.95
    air: Bool[Array, "y x z"] | None = None

    def guessed(
        self,
        density: Float[np.ndarray, "y x z"] | Float[Array, "y x z"],
        threshold: float | int = 0.1,
        margin: float | int = 3,
    ) -> "Air":
        """The same prior, with air wherever a first guess (e/A^3) is empty as `empty_region` says."""
        return dataclasses.replace(self, air=jnp.asarray(empty_region(density, threshold, margin)))

    def region(self, shape: tuple[int, int, int]) -> Bool[Array, "y x z"]:
        """Where there is air in a volume of this shape."""
        if self.air is None:
            return ~cylinder(shape, self.radius)
        if self.air.shape != shape:
            raise ValueError(f"`air` has {self.air.shape} voxels, the volume {shape}; expected the same.")
        return self.air

    def __call__(self, parameters: Parameters, batch: dict[str, Batch]) -> Float[Array, ""]:
        density = electron_density(parameters, self)
        y, x, z = density.shape
        return squares_where(density, self.region((y, x, z)))
