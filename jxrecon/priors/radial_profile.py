"""Radial profile: the mean density of every shell of a particle, from its core to its surface, is known.

    R = sum_k (n_k - n*_k)^2 / (2 spread^2),      n_k = mean density of shell k

Shells are soft: between the middles of two shells a voxel belongs to both in proportion. Their radius is normalised: 0 in the
core and 1 at the surface, from the distance to the surface of a mask (`within`) or, without one, about the middle of the
volume. Linear in the density. It fixes the lowest frequencies that few angles leave open, and its weight has to vanish as
data come in: a particle's own profile is a result, and not what is known.

Parameters: weight; target, n* of shells of equal width from the core on, e/A^3 (`quadratic` makes it from a parabola);
spread, e/A^3; extent, radius of the particle relative to the ball that touches the nearest faces, where there is no mask;
radius, the normalised radius of every voxel, above 1 outside; voxels, of each shell, where they are known (`within`). Cost at
128^3, value and gradient, 20 shells: 13 ms of one core (`kernels.shell_means`).

Tsai et al., iScience 11, 356 (2019), doi:10.1016/j.isci.2018.12.028 (the profiles).
"""

import dataclasses

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from scipy import ndimage

from ..kernels.shell_means import shell_means, shell_sums
from ..objective import AbstractTerm, Batch
from ..parameters import Parameters
from .density import electron_density
from .deviation import check_spread, curve


def normalised_radius(mask: Bool[np.ndarray, "y x z"]) -> Float[np.ndarray, "y x z"]:
    """1 - (d - 1/2) / (largest d - 1/2), d the distance of a voxel's middle to the nearest one outside; 2 outside."""
    depth = np.asarray(ndimage.distance_transform_edt(mask))
    return np.where(mask, 1 - (depth - 0.5) / max(float(depth.max()) - 0.5, 0.5), 2.0)


def quadratic(coefficients: tuple[float, float, float], shells: int) -> Float[np.ndarray, " shell"]:
    """p0 + p1 rho + p2 rho^2 in the middles of the shells."""
    middle = (np.arange(shells) + 0.5) / shells
    return coefficients[0] + coefficients[1] * middle + coefficients[2] * middle**2


def _distance(shape: tuple[int, ...], dtype) -> Float[Array, "y x z"]:
    """From the middle, relative to half of the shortest edge."""
    y, x, z = ((jnp.arange(n, dtype=dtype) - (n - 1) / 2) / (min(shape) / 2) for n in shape)
    return jnp.sqrt(y[:, None, None] ** 2 + x[:, None] ** 2 + z**2)


def between_shells(radius: Float[Array, "y x z"], count: int) -> Float[Array, "y x z"]:
    """t of `kernels.shell_means`; within the first shell's middle, and beyond the last one's, a voxel belongs to these alone."""
    return jnp.where(radius <= 1, jnp.clip(radius * count - 0.5, 0, count - 1), count + 1)


class RadialProfile(AbstractTerm):
    """See above."""

    target: Float[Array, " shell"] = eqx.field(converter=curve)
    spread: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=0.02)
    weight: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=1.0)
    extent: float = 0.9
    radius: Float[Array, "y x z"] | None = None
    voxels: Float[Array, " shell"] | None = None

    def __check_init__(self):
        check_spread(self.spread)
        if not self.extent > 0:
            raise ValueError(
                f"`extent` is {self.extent:g}; expected a part of the volume's radius, such as 0.9."
            )

    def within(self, mask: Bool[np.ndarray, "y x z"]) -> "RadialProfile":
        """The same prior with the normalised radius of a particle's mask."""
        radius = jnp.asarray(normalised_radius(np.asarray(mask)), jnp.result_type(float))
        count = self.target.shape[0]
        voxels = shell_sums(jnp.ones_like(radius), between_shells(radius, count), count)
        return dataclasses.replace(self, radius=radius, voxels=voxels)

    def means(self, parameters: Parameters) -> tuple[Float[Array, " shell"], Float[Array, " shell"]]:
        """(mean density, voxels) of the shells."""
        density, count = electron_density(parameters, self), self.target.shape[0]
        rho = _distance(density.shape, density.dtype) / self.extent if self.radius is None else self.radius
        if rho.shape != density.shape:
            raise ValueError(
                f"`radius` has {rho.shape} voxels, the volume {density.shape}; expected the same."
            )
        return shell_means(density, between_shells(rho, count).astype(density.dtype), count, self.voxels)

    def __call__(self, parameters: Parameters, batch: dict[str, Batch]) -> Float[Array, ""]:
        means, voxels = self.means(parameters)
        away = (means - jnp.asarray(self.target, means.dtype)) / self.spread
        return jnp.sum(jnp.where(voxels > 0, away, 0) ** 2) / 2
