"""Local thickness: pores have the mean diameter that is known from elsewhere.

    T = 2 sum_k (r_k - r_(k-1)) o_(r_k)(p),      R = ( sum_r p T / sum_r p - target )^2 / (2 spread^2),      p = 1 - n / n_s

T(r) is Hildebrand and Ruegsegger's local thickness, the diameter of the largest ball inside the pores that reaches a voxel,
as a sum over layers: what a ball of radius r reaches, a smaller one reaches too, so that the openings o_r of all radii add up
to it. It is smooth in p and can be asked for with `thickness`. On balls it is a voxel lower than the diameter, and of the
largest radius at most: a target has to be worked out in the same way, or be 2 r - 1.

Parameters: weight; radii, voxels, rising; target, mean diameter in voxels; spread, voxels; mask, True in the particle with
its pores (None: everywhere); solid, n_s (`priors.solid`). Cost at 128^3, value and gradient, radii 1 to 5: 430 ms of one
core, and two volumes for each radius (`kernels.soft_opening`).

Hildebrand & Ruegsegger, J. Microscopy 185, 67 (1997), doi:10.1046/j.1365-2818.1997.1340694.x.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..kernels.soft_opening import local_thickness
from ..objective import AbstractTerm, Batch
from ..parameters import Parameters
from .deviation import check_spread, deviation
from .granulometry import check_radii
from .solid import AbstractSolid, UniformSolid, pore_fraction

LEAST = 1e-6  # pore voxels, so that a volume without pores has a mean


class LocalThickness(AbstractTerm):
    """See above."""

    target: Float[Array, ""] = eqx.field(converter=jnp.asarray)
    radii: tuple[float, ...] = eqx.field(
        converter=lambda r: tuple(map(float, r)), default=(1.0, 2.0, 3.0, 4.0, 5.0)
    )
    spread: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=0.1)
    weight: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=1.0)
    mask: Bool[Array, "y x z"] | None = None
    solid: AbstractSolid = eqx.field(default_factory=UniformSolid)

    def __check_init__(self):
        check_radii(self.radii)
        check_spread(self.spread)

    def thickness(self, parameters: Parameters) -> tuple[Float[Array, "y x z"], Float[Array, "y x z"]]:
        """(p, T) of the file's head, T in voxels."""
        p = pore_fraction(parameters, self, self.solid, self.mask)
        return p, local_thickness(p, self.radii)

    def mean(self, parameters: Parameters) -> Float[Array, ""]:
        """Mean diameter of the pores, voxels."""
        p, thickness = self.thickness(parameters)
        return jnp.sum(p * thickness) / (jnp.sum(p) + LEAST)

    def __call__(self, parameters: Parameters, batch: dict[str, Batch]) -> Float[Array, ""]:
        return deviation(self.mean(parameters), self.target, self.spread)
