"""One Gauss-Newton step for maps of a lattice under Poisson noise, a draw from the posterior about it, and what the data decide.

With J the Jacobian of the expected counts m, W = 1/m (Fisher scoring) and the prior's majorant P = sum_s D_s^T w_s D_s,

    (J^T W J + P) step = J^T W (y - m) - P u           (J^T W J + P) draw = J^T W^(1/2) n_1 + sum_s D_s^T w_s^(1/2) n_2

n_1, n_2 white noise, which makes `draw` a sample of the Gaussian about the solution, of covariance H^-1, for the price of one
more solution; draw^T J^T W J draw is on average trace(J^T W J H^-1), the number of parameters that the data decide.

J = A dI/du: the second factor, one column for each unknown of a voxel, is held; A is the ray transform. The systems are
solved by conjugate gradients. What makes them slow is not the data but the prior, whose stiffness goes as the fourth power of
frequency. The preconditioner is the prior as it is and, for the data, only the Fisher information of each voxel with itself,
a small dense block, solved by a few inner conjugate gradients, which cost no ray transform. These are not quite linear, so
the outer ones are flexible.

Notay, SIAM J. Sci. Comput. 22, 1444 (2000), doi:10.1137/S1064827599362314; Papandreou & Yuille, NIPS 23, 1858 (2010) (draws).
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..forward.diffraction_tomography import DiffractionTomography
from ..lattice import Lattice, from_vectors, to_vectors
from ..numerics.stencils import differences, squared_coefficients
from ..priors.lattice_smoothness import Block

OVERLAP = (
    1.65  # hats of a voxel square-sum to 0.55 of their sum; times three for what neighbours see together
)
RIDGE = 1e-4  # in units of changes that matter: what nothing decides stays where it is
INNER = 16
LEAST = 1e-3  # expected counts below which the weight grows no more

Vector = tuple[Array, Array]  # maps (y, x, z, unknown), shared
Pull = list[Array]  # (stencil, y, x, z, map) of each block


class Step(NamedTuple):
    """Step and draw, each (maps, shared); freedom: trace of the file's head; numbers of iterations."""

    step: Vector
    draw: Vector
    freedom: Float[Array, ""]
    iterations: tuple[Array, Array]


def _dot(a: Vector, b: Vector) -> Array:
    return jnp.vdot(a[0], b[0]) + jnp.vdot(a[1], b[1])


def _plus(factor: Array, a: Vector, b: Vector) -> Vector:
    return jax.tree.map(lambda x, y: factor * x + y, a, b)


def all_differences(u: Float[Array, "y x z unknown"], blocks: tuple[Block, ...], of: Callable = differences):
    return [of(u[..., block.first : block.stop], block.order) for block in blocks]


def _prior(u, blocks, pull: Pull):
    """P u."""
    found, back = jax.vjp(lambda v: all_differences(v, blocks), u)
    return back([w * d for w, d in zip(pull, found)])[0] + RIDGE * u


def _flexible(apply: Callable, inverse: Callable, b: Vector, tolerance, most: int):
    """Conjugate gradients from zero, until r^T M^-1 r has fallen by `tolerance`."""

    # The first turn only prepares, so that both operators are compiled once.
    def body(state):
        x, r, p, rz, first, k = state
        image = apply(p)
        length = jnp.where(k < 0, 0, _dot(p, r) / jnp.where(k < 0, 1, _dot(p, image)))
        x, behind = _plus(length, p, x), _plus(-length, image, r)
        after = inverse(behind)
        now = _dot(behind, after)
        p = _plus(jnp.where(k < 0, 0, (now - _dot(r, after)) / rz), p, after)
        return x, behind, p, now, jnp.where(k < 0, now, first), k + 1

    def going(state):
        return (state[5] < most) & (state[3] > tolerance * state[4])

    zero = jax.tree.map(jnp.zeros_like, b)
    one = jnp.ones((), b[1].dtype)
    x, *_, k = jax.lax.while_loop(going, body, (zero, b, zero, one, 0 * one, -1))
    return x, k


def _inner(apply: Callable, jacobi: Callable, r: Array) -> Array:
    x = jacobi(r)
    q = r - apply(x)
    z = jacobi(q)

    def body(_, state):
        x, q, p, qz = state
        image = apply(p)
        length = qz / jnp.maximum(jnp.vdot(p, image), jnp.finfo(p.dtype).tiny)
        q = q - length * image
        z = jacobi(q)
        now = jnp.vdot(q, z)
        return x + length * p, q, z + now / jnp.maximum(qz, jnp.finfo(p.dtype).tiny) * p, now

    return jax.lax.fori_loop(0, INNER, body, (x, q, z, jnp.vdot(q, z)))[0]


class Jacobian(NamedTuple):
    """dI/du of every voxel: by its own unknowns, and by those that all share."""

    own: Float[Array, "unknown part y x z bin"]
    shared: Float[Array, "shared part y x z bin"]

    def push(self, v: Vector) -> Float[Array, "part y x z bin"]:
        own = jnp.einsum("ucyxzk,yxzu->cyxzk", self.own, v[0])
        return own + jnp.einsum("gcyxzk,g->cyxzk", self.shared, v[1])

    def pull(self, image: Float[Array, "part y x z bin"]) -> Vector:
        own = jnp.einsum("ucyxzk,cyxzk->yxzu", self.own, image)
        return own, jnp.einsum("gcyxzk,cyxzk->g", self.shared, image)


@jax.jit
def voxels_of(model: DiffractionTomography, lattice: Lattice) -> Float[Array, "part y x z bin"]:
    return model.voxels(lattice)


@jax.jit
def transformed(
    model: DiffractionTomography, voxels: Float[Array, "part y x z bin"]
) -> Float[Array, "view v u bin"]:
    return model.transform(voxels)


@jax.jit
def expected_counts(
    model: DiffractionTomography, voxels: Float[Array, "part y x z bin"]
) -> Float[Array, "view v u bin"]:
    """With what lies around the specimen."""
    return model.transform(voxels) + model.surroundings()


@jax.jit
def transposed(
    model: DiffractionTomography,
    image: Float[Array, "view v u bin"],
    like: Float[Array, "part y x z bin"],
) -> Float[Array, "part y x z bin"]:
    return model.transposed(image, like)


@jax.jit
def _jacobian(model: DiffractionTomography, lattice: Lattice) -> Jacobian:
    unknowns = to_vectors(lattice)
    maps, shared = unknowns
    count = maps.shape[-1]

    def column(k):
        one = jax.nn.one_hot(k, count, dtype=maps.dtype)
        other = jax.nn.one_hot(k - count, shared.size, dtype=shared.dtype)
        along = (jnp.broadcast_to(one, maps.shape), other)
        return jax.jvp(lambda v: model.voxels(from_vectors(lattice, *v)), (unknowns,), (along,))[1]

    columns = jax.lax.map(column, jnp.arange(count + shared.size))
    return Jacobian(columns[:count], columns[count:])


def _shared_fisher(model, jacobian: Jacobian, weight) -> Float[Array, "shared shared"]:
    """Information on what all voxels share, everything else being known."""
    columns = [transformed(model, column) for column in jacobian.shared]
    rows = [[jnp.vdot(weight * a, b) for b in columns] for a in columns]
    return jnp.array(rows).reshape(len(columns), len(columns))


def _preconditioner(information, blocks, pull: Pull, shared_inverse) -> Callable:
    def squared(v):
        return all_differences(v, blocks, squared_coefficients)

    diagonal = jax.vjp(squared, information[..., 0])[1](pull)[0] + RIDGE
    lower = jnp.linalg.cholesky(information + diagonal[..., None] * jnp.eye(diagonal.shape[-1]))
    inverse = jnp.linalg.inv(lower)
    square = jnp.einsum("...qp,...qr->...pr", inverse, inverse)

    def jacobi(r):
        return jnp.einsum("...pq,...q->...p", square, r)

    def apply(u):
        return jnp.einsum("...pq,...q->...p", information, u) + _prior(u, blocks, pull)

    return lambda v: (_inner(apply, jacobi, v[0]), shared_inverse @ v[1])


@partial(jax.jit, static_argnames=("blocks", "most"))
def _solutions(
    model, jacobian: Jacobian, weight, seen, fisher, pull: Pull, sides, tolerance, *, blocks, most
):
    """Solutions for the right sides, one after the other in a loop, so that everything is compiled once."""
    own = jacobian.own[:, 0]
    information = OVERLAP * jnp.einsum("pyxzk,yxzk,qyxzk->yxzpq", own, jnp.maximum(seen[0], 0), own)
    ridge = RIDGE * (jnp.trace(fisher) + 1) * jnp.eye(len(fisher), dtype=fisher.dtype)
    inverse = _preconditioner(information, blocks, pull, jnp.linalg.inv(fisher + ridge))

    def hessian(v):
        image = model.transposed(weight * model.transform(jacobian.push(v)), seen)
        maps, shared = jacobian.pull(image)
        return maps + _prior(v[0], blocks, pull), shared + RIDGE * v[1]

    def solve(side):
        image, maps, allowed = side
        found, shared = jacobian.pull(image)
        v, k = _flexible(hessian, inverse, (found + maps, shared), allowed, most)
        return v, jacobian.push(v), k

    return jax.lax.map(solve, (*sides, tolerance))


@partial(jax.jit, static_argnames="blocks")
def _sides(maps, weight, pull: Pull, key: Array, *, blocks):
    """-P u, and the two noises of the file's head."""
    rays, *keys = jax.random.split(key, 1 + len(blocks))
    noise = [jnp.sqrt(w) * jax.random.normal(key, w.shape, w.dtype) for w, key in zip(pull, keys)]
    noise = jax.vjp(lambda v: all_differences(v, blocks), maps)[1](noise)[0]
    white = jnp.sqrt(weight) * jax.random.normal(rays, weight.shape, weight.dtype)
    return RIDGE * maps - _prior(maps, blocks, pull), white, noise


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
    here, jacobian = voxels_of(model, lattice), _jacobian(model, lattice)
    expected = jnp.maximum(expected_counts(model, here), LEAST)
    weight = jnp.where(counts >= 0, 1 / expected, 0)
    known, white, noise = _sides(to_vectors(lattice)[0], weight, pull, key, blocks=blocks)
    images = [transposed(model, image, here) for image in (weight * (counts - expected), white)]
    (maps, shared), pushed, k = _solutions(
        model,
        jacobian,
        weight,
        transposed(model, weight, here),
        _shared_fisher(model, jacobian, weight),
        pull,
        (jnp.stack(images), jnp.stack([known, noise])),
        tolerance * jnp.array([1.0, 3.0]),
        blocks=blocks,
        most=most,
    )
    freedom = jnp.sum(weight * transformed(model, pushed[1]) ** 2)
    return Step((maps[0], shared[0]), (maps[1], shared[1]), freedom, (k[0], k[1]))
