"""What a voxel without pores would have for electron density, and which part of a voxel is pore.

    u = n / n_s,      p = 1 - u,  cut to [0, 1] and to the mask

n_s is the same everywhere (`UniformSolid`) or follows composition and unit cell (`CrystalSolid`). The unknown
`morphology.solid_level`, where there is one, takes the place of the constant: a level that is wrong by 15 % makes of a prior
of two levels a worse one than none.
"""

import abc

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..parameters import Parameters
from .density import electron_density

Level = Float[Array, ""] | Float[Array, "y x z"]


class AbstractSolid(eqx.Module):
    """n_s."""

    @abc.abstractmethod
    def __call__(self, parameters: Parameters, shape: tuple[int, ...]) -> Level:
        """e/A^3, a number or one for each voxel of a volume of this shape."""


class UniformSolid(AbstractSolid):
    """level: e/A^3, unless `morphology.solid_level` is among the unknowns."""

    level: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=1.0)

    def __call__(self, parameters: Parameters, shape: tuple[int, ...]) -> Level:
        morphology = parameters.morphology
        if morphology is None or morphology.solid_level is None:
            return self.level
        return morphology.solid_level


def solid_fraction(parameters: Parameters, prior: object, solid: AbstractSolid) -> Float[Array, "y x z"]:
    """u of the file's head."""
    density = electron_density(parameters, prior)
    return density / jnp.asarray(solid(parameters, density.shape), density.dtype)


def masked(u: Float[Array, "y x z"], mask: Bool[Array, "_ _ _"] | None) -> Float[Array, "y x z"]:
    """u inside the mask, 0 elsewhere; raises ValueError where their shapes differ."""
    if mask is None:
        return u
    if mask.shape != u.shape:
        raise ValueError(f"`mask` has {mask.shape} voxels, the volume {u.shape}; expected the same.")
    return jnp.where(mask, u, jnp.zeros((), u.dtype))


def pore_fraction(
    parameters: Parameters, prior: object, solid: AbstractSolid, mask: Bool[Array, "_ _ _"] | None
) -> Float[Array, "y x z"]:
    """p of the file's head. Without a mask the air around a particle counts as a pore."""
    return masked(jnp.clip(1 - solid_fraction(parameters, prior, solid), 0, 1), mask)


def voxels_of(mask: Bool[Array, "_ _ _"] | None, shape: tuple[int, ...], dtype) -> Float[Array, ""]:
    """How many voxels the mask has, or the volume."""
    return jnp.sum(jnp.ones(shape, dtype) if mask is None else mask.astype(dtype))
