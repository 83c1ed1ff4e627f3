"""Maps of the lattice are smooth inside a particle, and may have kinks, edges and surfaces.

    R = sum_b sum_r (nu_b + n_b)/2 log( 1 + q_b(r) / nu_b ),      q_b(r) = sum_(s, m) w_s(r) (D_s u_m)^2(r) / scale_m^2

minus the logarithm of Student's distribution with nu degrees of freedom of the n differences that meet in a voxel: quadratic
for differences within `scale`, and hardly growing beyond, where total variation would still pull. Two families of blocks b:

    form     strain and logarithms of widths: second differences, so that gradients cost nothing; each map a block of its own.
             w_s is the least density (total area, relative to that of most voxels) among the stencil's voxels:
             no pull through air
    amount   areas of peaks, and backgrounds: first differences, all areas in one block, since surfaces and cracks are common to
             them

Scales are relative to the units of `lattice.to_vectors`. `weights` gives the quadratic majorant (nu + n) / (nu + q) / scale^2
of iteratively reweighted least squares, with which `classical.direct_lattice` solves for the maps and learns the scales.

Geman & McClure, Bull. Int. Stat. Inst. 52, 5 (1987); Lange, Hunter & Yang, J. Comput. Graph. Stat. 9, 1 (2000),
doi:10.1080/10618600.2000.10474858
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..forward.pattern_misfit import lattice_of
from ..lattice import Lattice, to_vectors
from ..numerics.stencils import differences, least
from ..objective import AbstractTerm, Batch
from ..parameters import Parameters

LEAST = 0.02  # of the density: what still holds together maps in air
TYPICAL = 97  # percentile of the total area that counts as density 1


class Block(NamedTuple):
    """Neighbouring maps of one order; `joint`: one q for all of them."""

    first: int
    stop: int
    order: int
    joint: bool
    dense: bool
    freedom: float


def blocks(
    lattice: Lattice, form_freedom: float | int = 0.5, amount_freedom: float | int = 6.0
) -> tuple[Block, ...]:
    """For the maps of `to_vectors`."""
    counts = [lattice.strain.shape[0] + lattice.log_width.shape[0], lattice.area.shape[0]]
    form, amount = counts[0], sum(counts)
    return (
        Block(0, form, 2, False, True, float(form_freedom)),
        Block(form, amount, 1, True, False, float(amount_freedom)),
        Block(amount, amount + lattice.background.shape[0], 1, True, False, np.inf),
    )


def density(lattice: Lattice, typical: Float[Array, ""]) -> Float[Array, "y x z"]:
    """Total area relative to `typical`, between LEAST and 1."""
    return jnp.clip(jnp.sum(lattice.areas(), axis=0) / typical, LEAST, 1)


def typical_area(lattice: Lattice) -> Float[Array, ""]:
    return jnp.percentile(jnp.sum(lattice.areas(), axis=0), TYPICAL)


def confidence(
    density: Float[Array, "y x z"], block: Block
) -> Float[Array, "stencil y x z 1"] | Float[Array, ""]:
    """w_s of the file's head."""
    return least(density[..., None], block.order) if block.dense else jnp.ones((), density.dtype)


def squares(u: Float[Array, "y x z unknown"], block: Block, w: Array) -> Float[Array, "stencil y x z map"]:
    """w_s (D_s u_m)^2."""
    return w * differences(u[..., block.first : block.stop], block.order) ** 2


def _sizes(values: Float[Array, "stencil y x z map"], scale: Float[Array, " map"], joint: bool):
    """q of the file's head, and the number n of its terms."""
    axes = (0, 4) if joint else (0,)
    terms = int(np.prod([values.shape[k] for k in axes]))
    return jnp.sum(values / scale**2, axis=axes, keepdims=True), terms


def robust(
    values: Float[Array, "stencil y x z map"], scale: Float[Array, " map"], block: Block
) -> Float[Array, "stencil y x z map"]:
    """(nu + n) / (nu + q): how much each difference counts."""
    if np.isinf(block.freedom):
        return jnp.ones_like(values)
    q, terms = _sizes(values, scale, block.joint)
    return jnp.broadcast_to((block.freedom + terms) / (block.freedom + q), values.shape)


def _penalty(values: Array, scale: Array, block: Block) -> Float[Array, ""]:
    q, terms = _sizes(values, scale, block.joint)
    if np.isinf(block.freedom):
        return jnp.sum(q) / 2
    return (block.freedom + terms) / 2 * jnp.sum(jnp.log1p(q / block.freedom))


class LatticeSmoothness(AbstractTerm):
    """See above. strain, log_width: second differences per voxel^2, of strain in 1e-3 and of ln FWHM; area, background: first
    differences in tens of their softness, which is about a typical area. form_freedom, amount_freedom: nu of the two families.
    """

    weight: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=1.0)
    strain: float = 0.5
    log_width: float = 0.04
    area: float = 0.1
    background: float = 0.2
    form_freedom: float = 0.5
    amount_freedom: float = 6.0

    def __check_init__(self):
        for name in ("strain", "log_width", "area", "background", "form_freedom", "amount_freedom"):
            if not getattr(self, name) > 0:
                raise ValueError(f"`{name}` is {getattr(self, name)!r}; expected a number above 0.")

    def scales(self, lattice: Lattice) -> Float[np.ndarray, " unknown"]:
        sizes = (self.strain, self.log_width, self.area, self.background)
        maps = (lattice.strain, lattice.log_width, lattice.area, lattice.background)
        return np.concatenate([np.full(m.shape[0], size) for m, size in zip(maps, sizes)])

    def __call__(self, parameters: Parameters, batch: dict[str, Batch]) -> Float[Array, ""]:
        lattice = lattice_of(parameters, self)
        u, _ = to_vectors(lattice)
        # The density only says where to look; it is not to shrink so that maps may be rough.
        rho = jax.lax.stop_gradient(density(lattice, typical_area(lattice)))
        scale = jnp.asarray(self.scales(lattice), u.dtype)
        total = jnp.zeros((), u.dtype)
        for block in blocks(lattice, self.form_freedom, self.amount_freedom):
            values = squares(u, block, confidence(rho, block))
            total = total + _penalty(values, scale[block.first : block.stop], block)
        return total
