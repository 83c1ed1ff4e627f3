"""Granulometry: pores have the distribution of sizes that is known from elsewhere.

    R = sum_k (V_k - V*_k)^2 / (2 spread^2),      V_k = mean over the mask of p o_(r_k)(p),      p = 1 - n / n_s

o_r is the soft opening of the pores by a ball of radius r: V_k is the porosity that balls of radius r_k can reach, and its
decrease with r the distribution of pore sizes by volume. Targets come from a particle that was measured better, or from
`openings` of one.

Parameters: weight; radii, voxels, rising; target, V*, one for each radius; spread, of V; mask, True in the particle with its
pores (None: everywhere); solid, n_s (`priors.solid`). Cost at 128^3, value and gradient, radii 1 to 5: 430 ms of one core,
and two volumes for each radius (`kernels.soft_opening`).

Matheron, Random Sets and Integral Geometry, Wiley (1975); Serra, Image Analysis and Mathematical Morphology, Academic (1982).
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..kernels.soft_opening import opened_shares
from ..objective import AbstractTerm, Batch
from ..parameters import Parameters
from .deviation import check_spread, curve, deviation
from .solid import AbstractSolid, UniformSolid, pore_fraction, voxels_of


def check_radii(radii: tuple[float, ...]) -> None:
    """Raises ValueError where they do not rise from 1 voxel on, or below it."""
    if not radii or not radii[0] >= 0.5 or any(b <= a for a, b in zip(radii, radii[1:])):
        raise ValueError(f"`radii` is {list(radii)}; expected rising radii from 0.5 voxels on.")


class Granulometry(AbstractTerm):
    """See above."""

    target: Float[Array, " radius"] = eqx.field(converter=curve)
    radii: tuple[float, ...] = eqx.field(
        converter=lambda r: tuple(map(float, r)), default=(1.0, 1.5, 2.0, 2.5, 3.0)
    )
    spread: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=0.002)
    weight: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=1.0)
    mask: Bool[Array, "y x z"] | None = None
    solid: AbstractSolid = eqx.field(default_factory=UniformSolid)

    def __check_init__(self):
        check_radii(self.radii)
        check_spread(self.spread)
        if self.target.shape != (len(self.radii),):
            raise ValueError(
                f"`target` has {self.target.size} values, `radii` {len(self.radii)}; expected as many of either."
            )

    def openings(self, parameters: Parameters) -> Float[Array, " radius"]:
        """V of the file's head."""
        p = pore_fraction(parameters, self, self.solid, self.mask)
        return opened_shares(p, self.radii) * (p.size / voxels_of(self.mask, p.shape, p.dtype))

    def __call__(self, parameters: Parameters, batch: dict[str, Batch]) -> Float[Array, ""]:
        return deviation(self.openings(parameters), self.target, self.spread)
