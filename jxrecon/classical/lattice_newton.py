"""One Gauss-Newton step for maps of a lattice under Poisson noise, a draw from the posterior about it, and what the data decide.

With J the Jacobian of the expected counts m, W = 1/m (Fisher scoring) and the prior's majorant P = sum_s D_s^T w_s D_s,

    (J^T W J + P) step = J^T W (y - m) - P u           (J^T W J + P) draw = J^T W^(1/2) n_1 + sum_s D_s^T w_s^(1/2) n_2

n_1, n_2 white noise, which makes `draw` a sample of the Gaussian about the solution, of covariance H^-1, for the price of one
more solution; draw^T J^T W J draw is on average trace(J^T W J H^-1), the number of parameters that the data decide.

J = A dI/du: the second factor is held (`voxel_jacobian`); A is the ray transform. The systems are
solved by conjugate gradients. What makes them slow is not the data but the prior, whose stiffness goes as the fourth power of
frequency. The preconditioner is the prior as it is and, for the data, only the Fisher information of each voxel with itself,
a small dense block, solved by a few inner conjugate gradients, which cost no ray transform. These are not quite linear, so
the outer ones are flexible (`numerics.conjugate_gradients`). They end when r^T M^-1 r, which is the squared distance to the
solution in standard errors, summed over the unknowns, is a small part of what it was or of what the caller says.

Papandreou & Yuille, NIPS 23, 1858 (2010) (draws).
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..forward.diffraction_tomography import DiffractionTomography
from ..forward.pattern_misfit import deviance
from ..lattice import Lattice, to_vectors
from ..noise import Poisson
from ..numerics.conjugate_gradients import dot, fixed_steps, flexible, inverses
from ..numerics.stencils import differences, squared_coefficients
from ..priors.lattice_smoothness import Block
from .voxel_jacobian import Jacobian, Vector, voxel_jacobian

# Hats of a voxel square-sum to 0.55 of their sum; times three for what neighbours see together.
OVERLAP = 1.65
RIDGE = 1e-4  # in units of changes that matter: what nothing decides stays where it is
INNER = 16
LEAST = 1e-3  # expected counts below which the weight grows no more

Pull = list[Array]  # (stencil, y, x, z, map) of each block


class Linearised(NamedTuple):
    """The model about one lattice: loss, weights W of the rays, A^T of W (y - m), of W^(1/2) n_1 and of W, information on what
    all voxels share."""

    loss: Float[Array, ""]
    jacobian: Jacobian
    weight: Float[Array, "view v u bin"]
    residual: Float[Array, "part y x z bin"]
    white: Float[Array, "part y x z bin"]
    seen: Float[Array, "part y x z bin"]
    fisher: Float[Array, "shared shared"]


class Noise(NamedTuple):
    """White noise of the rays and of each block's stencils."""

    rays: Float[Array, "view v u bin"]
    stencils: Pull


class Step(NamedTuple):
    """Step and draw, each (maps, shared); freedom: trace of the file's head; numbers of iterations."""

    step: Vector
    draw: Vector
    freedom: Float[Array, ""]
    iterations: tuple[Array, Array]


def all_differences(u: Float[Array, "y x z unknown"], blocks: tuple[Block, ...], of: Callable = differences):
    return [of(u[..., block.first : block.stop], block.order) for block in blocks]


def white_noise(
    lattice: Lattice, counts: Float[Array, "view v u bin"], blocks: tuple[Block, ...], key: Array
) -> Noise:
    """Drawn by NumPy, which compiles nothing."""
    generator = np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel())
    maps = to_vectors(lattice)[0]
    shapes = [s.shape for s in jax.eval_shape(lambda u: all_differences(u, blocks), maps)]

    def normal(shape):
        return jnp.asarray(generator.standard_normal(shape, np.float32), maps.dtype)

    return Noise(normal(counts.shape), [normal(shape) for shape in shapes])


def _prior(u, blocks, pull: Pull):
    """P u."""
    found, back = jax.vjp(lambda v: all_differences(v, blocks), u)
    return back([w * d for w, d in zip(pull, found)])[0] + RIDGE * u


def _preconditioner(information, blocks, pull: Pull, shared_inverse) -> Callable:
    def squared(v):
        return all_differences(v, blocks, squared_coefficients)

    diagonal = jax.vjp(squared, information[..., 0])[1](pull)[0] + RIDGE
    alone = inverses(information + diagonal[..., None] * jnp.eye(diagonal.shape[-1], dtype=diagonal.dtype))

    def jacobi(r):
        return jnp.einsum("...pq,...q->...p", alone, r)

    def apply(u):
        return jnp.einsum("...pq,...q->...p", information, u) + _prior(u, blocks, pull)

    return lambda v: (fixed_steps(apply, jacobi, v[0], INNER), shared_inverse @ v[1])


def _shared_fisher(here, jacobian: Jacobian, own: int, expected, measured) -> Float[Array, "shared shared"]:
    """Information on what all voxels share, everything else being known, as if all rays changed by the same part in a bin."""
    whole = jnp.sum(here, axis=(0, 1, 2))
    changes = jnp.sum(jacobian.columns[:, 0, ..., own:, :], axis=(0, 1, 2)) / jnp.maximum(whole, LEAST)
    light = jnp.sum(jnp.where(measured, expected, 0), axis=(0, 1, 2))
    return jnp.matmul(changes * light, changes.T, precision="highest")


@jax.jit
def linearised(
    model: DiffractionTomography,
    lattice: Lattice,
    counts: Float[Array, "view v u bin"],
    noise: Float[Array, "view v u bin"],
) -> Linearised:
    """`counts` in the bins of the model, negative where not measured; n_1."""
    here, jacobian = voxel_jacobian(model, lattice)
    expected = model.transform(here) + model.surroundings()
    loss, expected = deviance(expected, counts, Poisson()), jnp.maximum(expected, LEAST)
    weight = jnp.where(counts >= 0, 1 / expected, 0)
    sides = jnp.stack([weight * (counts - expected), jnp.sqrt(weight) * noise, weight])
    # In a loop, so that it is compiled once.
    residual, white, seen = jax.lax.map(lambda image: model.transposed(image, here), sides)
    own = to_vectors(lattice)[0].shape[-1]
    fisher = _shared_fisher(here[0], jacobian, own, expected, counts >= 0)
    return Linearised(loss, jacobian, weight, residual, white, seen, fisher)


@partial(jax.jit, static_argnames=("blocks", "most"))
def solutions(
    model: DiffractionTomography,
    lattice: Lattice,
    here: Linearised,
    pull: Pull,
    noise: Pull,
    draw: Vector,
    share: Float[Array, "2"],
    enough: Float[Array, "2"],
    *,
    blocks: tuple[Block, ...],
    most: int,
) -> Step:
    """Step and draw, one after the other in a loop, so that everything is compiled once; the second from an earlier `draw`.

    noise: n_2; share, enough: of the two systems, see the file's head.
    """
    weight, jacobian, fisher = here.weight, here.jacobian, here.fisher
    maps, _ = to_vectors(lattice)
    count = maps.shape[-1]
    information = OVERLAP * jacobian.information(here.seen, count)
    ridge = RIDGE * (jnp.trace(fisher) + 1) * jnp.eye(len(fisher), dtype=fisher.dtype)
    inverse = _preconditioner(information, blocks, pull, inverses(fisher + ridge))

    def hessian(v):
        image = model.transposed(weight * model.transform(jacobian.push(v)), here.seen)
        own, shared = jacobian.pull(image, count)
        return own + _prior(v[0], blocks, pull), shared + RIDGE * v[1]

    def solve(side):
        image, own, first, share, enough = side
        found, shared = jacobian.pull(image, count)
        b = found + own, shared
        v, left, k = flexible(hessian, inverse, b, first, share=share, enough=enough, most=most)
        # v^T J^T W J v without another ray transform.
        stiff = _prior(v[0], blocks, pull), RIDGE * v[1]
        return v, dot(v, jax.tree.map(lambda b, r, p: b - r - p, b, left, stiff)), k

    rough = [jnp.sqrt(w) * n for w, n in zip(pull, noise)]
    rough = jax.vjp(lambda v: all_differences(v, blocks), maps)[1](rough)[0]
    first = jax.tree.map(lambda x: jnp.stack([jnp.zeros_like(x), x]), draw)
    known = jnp.stack([RIDGE * maps - _prior(maps, blocks, pull), rough])
    sides = jnp.stack([here.residual, here.white]), known, first, share, enough
    (v, shared), freedom, k = jax.lax.map(solve, sides)
    return Step((v[0], shared[0]), (v[1], shared[1]), freedom[1], (k[0], k[1]))


@jax.jit
def voxels_of(model: DiffractionTomography, lattice: Lattice) -> Float[Array, "part y x z bin"]:
    return model.voxels(lattice)


@jax.jit
def expected_counts(
    model: DiffractionTomography, voxels: Float[Array, "part y x z bin"]
) -> Float[Array, "view v u bin"]:
    """With what lies around the specimen."""
    return model.transform(voxels) + model.surroundings()


def newton_step(
    model: DiffractionTomography,
    lattice: Lattice,
    counts: Float[Array, "view v u bin"],
    pull: Pull,
    key: Array,
    *,
    blocks: tuple[Block, ...],
    tolerance: float = 3e-3,
    most: int = 30,
) -> Step:
    """See the file's head. pull: w_s of each block, in the units of `lattice.to_vectors`; counts negative where not measured."""
    noise, zero = white_noise(lattice, counts, blocks, key), jax.tree.map(jnp.zeros_like, to_vectors(lattice))
    here, dtype = linearised(model, lattice, counts, noise.rays), counts.dtype
    share = jnp.asarray([tolerance, 3 * tolerance], dtype)
    return solutions(
        model, lattice, here, pull, noise.stencils, zero, share, jnp.zeros(2, dtype), blocks=blocks, most=most
    )
