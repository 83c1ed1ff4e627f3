"""What diffraction finds in every voxel of one phase: strain of the cell, widths and areas of peaks, and what lies under them.

All maps are `y x z` with the slices last, behind an axis for what they are maps of; a single slice has z = 1, a scanned thin
specimen y = 1. The cell itself, for zero strain, is a float64 number of the host (`forward.cell`); float32 holds small changes.

    FWHM_k = width_deg exp(log_width_k)      area_k = positive(area_k) in counts x degree      eta_k = 1 / (1 + exp(-mixing_k))
    background(x) = sum_t positive(background_t) exp( sum_j shape_tj B_j(x) )

so nothing has to be bounded. The spectrum of the background is common to all voxels: terms such as air, glass and specimen.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .numerics.positive import positive

STRAIN = 1e-3  # the change that matters


class Lattice(eqx.Module):
    """See above. strain: relative changes of the free lengths of the cell, then radians of its free angles.

    softness and floor: counts x degree, and counts, over which the maps to positive values bend. width_deg: the width for
    log_width = 0. support: 1 where there may be peaks, 0 elsewhere; None for everywhere.
    """

    strain: Float[Array, "free y x z"]
    log_width: Float[Array, "peak y x z"]
    area: Float[Array, "peak y x z"]
    mixing: Float[Array, " peak"]
    background: Float[Array, "term y x z"]
    shape: Float[Array, "term knot"]
    softness: Float[Array, ""]
    floor: Float[Array, ""]
    width_deg: Float[Array, ""]
    support: Float[Array, "y x z"] | None = None

    def areas(self) -> Float[Array, "peak y x z"]:
        """Counts x degree."""
        values = positive(self.area, self.softness)
        return values if self.support is None else values * self.support

    def fwhm_deg(self) -> Float[Array, "peak y x z"]:
        return self.width_deg * jnp.exp(self.log_width)

    def eta(self) -> Float[Array, " peak"]:
        """The Lorentzian's share of each peak."""
        return jax.nn.sigmoid(self.mixing)

    def backgrounds(self) -> Float[Array, "term y x z"]:
        """Counts, of each term."""
        return positive(self.background, self.floor)


def _units(lattice: Lattice) -> Float[Array, " unknown"]:
    one = jnp.ones((), lattice.area.dtype)
    sizes = [(lattice.strain, STRAIN * one), (lattice.log_width, one)]
    sizes += [(lattice.area, 10 * lattice.softness), (lattice.background, 10 * lattice.floor)]
    return jnp.concatenate([jnp.full(maps.shape[0], size) for maps, size in sizes])


def to_vectors(lattice: Lattice) -> tuple[Float[Array, "y x z unknown"], Float[Array, " shared"]]:
    """The unknowns of each voxel, in units of changes that matter, and those that all voxels share."""
    maps = [lattice.strain, lattice.log_width, lattice.area, lattice.background]
    stacked = jnp.moveaxis(jnp.concatenate(maps), 0, -1) / _units(lattice)
    return stacked, jnp.concatenate([lattice.mixing, jnp.ravel(lattice.shape)])


def from_vectors(
    like: Lattice, maps: Float[Array, "y x z unknown"], shared: Float[Array, " shared"]
) -> Lattice:
    """The lattice of which these are the vectors, everything else as in `like`."""
    counts = [like.strain.shape[0], like.log_width.shape[0], like.area.shape[0]]
    cuts = [sum(counts[: k + 1]) for k in range(3)]
    new = jnp.split(jnp.moveaxis(maps * _units(like), -1, 0), cuts)
    mixing, shape = shared[: like.mixing.size], shared[like.mixing.size :]
    return eqx.tree_at(
        lambda p: (p.strain, p.log_width, p.area, p.background, p.mixing, p.shape),
        like,
        (*new, mixing, shape.reshape(like.shape.shape)),
    )
