"""How the patterns of voxels depend on the unknowns of a lattice: one column for each unknown, held in memory.

A voxel's pattern depends on its own unknowns and on those that all voxels share, so that dI/du is a small matrix for each voxel,
(column, bin), whatever the size of the volume. Products with it are products of small matrices, bins contiguous.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..forward.diffraction_tomography import DiffractionTomography
from ..lattice import Lattice, from_vectors, to_vectors

Vector = tuple[Array, Array]  # maps (y, x, z, unknown), shared


class Jacobian(NamedTuple):
    """dI/du of every voxel: by its own unknowns first, then by those that all share."""

    columns: Float[Array, "y part x z column bin"]

    def push(self, v: Vector) -> Float[Array, "part y x z bin"]:
        shared = jnp.broadcast_to(v[1], (*v[0].shape[:-1], v[1].size))
        return jnp.einsum("ycxzuk,yxzu->cyxzk", self.columns, jnp.concatenate([v[0], shared], axis=-1))

    def pull(self, image: Float[Array, "part y x z bin"], own: int) -> Vector:
        found = jnp.einsum("ycxzuk,cyxzk->yxzu", self.columns, image)
        return found[..., :own], jnp.sum(found[..., own:], axis=(0, 1, 2))

    def information(self, seen: Float[Array, "part y x z bin"], own: int) -> Float[Array, "y x z own own"]:
        """Of each voxel about itself, by its first part."""

        def row(at):
            columns, weight = at
            return jnp.einsum(
                "xzpk,xzqk->xzpq", columns[0, ..., :own, :] * weight[..., None, :], columns[0, ..., :own, :]
            )

        return jax.lax.map(row, (self.columns, jnp.maximum(seen[0], 0)))


def voxel_jacobian(
    model: DiffractionTomography, lattice: Lattice
) -> tuple[Float[Array, "part y x z bin"], Jacobian]:
    """(patterns of voxels, their derivatives), row by row: single channels, before they are put together, are many."""
    maps, shared = to_vectors(lattice)
    own = maps.shape[-1]
    every = jnp.eye(own + shared.size, dtype=maps.dtype)

    def row(at):
        u, support = at
        like = lattice if support is None else eqx.tree_at(lambda p: p.support, lattice, support)
        here, push = jax.linearize(lambda v: model.voxels(from_vectors(like, *v)), (u, shared))
        along = jax.vmap(lambda e: push((jnp.broadcast_to(e[:own], u.shape), e[own:])), out_axes=-2)
        return here[:, 0], along(every)[:, 0]

    support = None if lattice.support is None else lattice.support[:, None]
    here, columns = jax.lax.map(row, (maps[:, None], support))
    return jnp.moveaxis(here, 0, 1), Jacobian(columns)
