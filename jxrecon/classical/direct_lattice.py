"""Maps of the lattice straight from sinograms of powder patterns: no pattern of a voxel is reconstructed and fitted.

    minimise over u    sum ( m(u) - y log m(u) )  +  sum_s w_s/2 (D_s u)^2

The prior is `priors.lattice_smoothness`, by iteratively reweighted least squares: a Gauss-Newton step (`lattice_newton`) for
each set of weights w. Nobody chooses its scales. With rough ones, steps are taken until the expected loss on new counts
(Akaike's criterion),

    deviance / 2  +  freedom,

does not fall any more by more than its own standard error sqrt(2 freedom): the maps have settled. Then, for as long as it
falls by more than that, scales of areas and backgrounds become those of the maps, by expectation maximisation,

    scale_m^2 <- mean over the voxels of  w ( (D u_m)^2 + (D draw_m)^2 ),

the draw standing for what is still uncertain; and those of strain and width after them or, where that does not pay, are
doubled. (Left to expectation maximisation alone they would end too small for the few places where a map has a kink.)

Akaike, IEEE Trans. Autom. Control 19, 716 (1974), doi:10.1109/TAC.1974.1100705; Dempster, Laird & Rubin, J. R. Stat. Soc. B
39, 1 (1977), doi:10.1111/j.2517-6161.1977.tb01600.x
"""

from collections.abc import Generator
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..forward.diffraction_tomography import DiffractionTomography
from ..forward.pattern_misfit import deviance
from ..lattice import Lattice, from_vectors, to_vectors
from ..noise import Poisson
from ..priors.lattice_smoothness import (
    Block,
    LatticeSmoothness,
    blocks,
    confidence,
    density,
    robust,
    squares,
    typical_area,
)
from .lattice_newton import expected_counts, newton_step, voxels_of

START = LatticeSmoothness(strain=1.0, log_width=0.06)
MATTER = 0.3  # of the usual density: where scales are learnt
LONGEST, LONGEST_SHARED = 8.0, 1.0  # step, in units of changes that matter
HALVINGS, MOST = 6, 12


class Fitted(NamedTuple):
    """One step of the path. scales: with which it was made; iterations: conjugate gradients of step and draw."""

    lattice: Lattice
    deviance: float
    freedom: float
    scales: Float[np.ndarray, " unknown"]
    iterations: tuple[int, int]
    draw: Float[Array, "y x z unknown"]

    @property
    def risk(self) -> float:
        return self.deviance + self.freedom

    def falls_below(self, other: "Fitted") -> bool:
        """By more than the standard error of its risk."""
        return bool(other.risk - self.risk > np.sqrt(2 * self.freedom))


@jax.jit
def _deviance(expected, counts):
    return deviance(expected, counts, Poisson())


@eqx.filter_jit
def _energy(lattice: Lattice, plan: tuple[Block, ...], pull) -> Float[Array, ""]:
    u, _ = to_vectors(lattice)
    one = jnp.ones((), u.dtype)
    return sum((jnp.sum(w * squares(u, b, one)) / 2 for b, w in zip(plan, pull)), start=0 * one)


@eqx.filter_jit
def _pulls(lattice: Lattice, draw, plan: tuple[Block, ...], scales, typical):
    """w_s of each block, and the scales of the next step."""
    u, _ = to_vectors(lattice)
    rho = density(lattice, typical)
    pull, following = [], []
    for block in plan:
        w, scale = confidence(rho, block), scales[block.first : block.stop]
        values = squares(u, block, w) + squares(draw, block, w)
        weight = robust(values, scale, block)
        where = (confidence(rho, block._replace(dense=True)) > MATTER) | (not block.dense)
        where = jnp.broadcast_to(where, values.shape)
        mean = jnp.sum(jnp.where(where, weight * values, 0), axis=(0, 1, 2, 3)) / jnp.sum(where[..., 0])
        pull.append(weight)
        following.append(jnp.sqrt(mean))
    return pull, jnp.concatenate(following)


@eqx.filter_jit
def _weighted(weights, lattice: Lattice, plan: tuple[Block, ...], scales, typical):
    rho = density(lattice, typical)
    return [
        w * confidence(rho, b) / scales[b.first : b.stop] ** 2 for w, b in zip(weights, plan, strict=True)
    ]


def _shortened(lattice: Lattice, step, plan, pull, loss) -> tuple[Lattice, float]:
    """The longest of 1, 1/2, 1/4 ... of the step that lowers the objective, and the loss there."""
    maps, shared = to_vectors(lattice)
    before = loss(lattice) + float(_energy(lattice, plan, pull))
    way = jnp.clip(step[0], -LONGEST, LONGEST), jnp.clip(step[1], -LONGEST_SHARED, LONGEST_SHARED)
    for k in range(HALVINGS):
        new = from_vectors(lattice, maps + 0.5**k * way[0], shared + 0.5**k * way[1])
        found = loss(new)
        if found + float(_energy(new, plan, pull)) < before:
            return new, found
    return lattice, loss(lattice)


class _Path:
    """One problem: what all steps have in common."""

    def __init__(self, model, counts, lattice: Lattice, prior: LatticeSmoothness, key: Array):
        self.model, self.counts, self.key = model, counts, key
        self.plan = blocks(lattice, prior.form_freedom, prior.amount_freedom)
        self.typical = typical_area(lattice)

    def loss(self, lattice: Lattice) -> float:
        expected = expected_counts(self.model, voxels_of(self.model, lattice))
        return float(_deviance(expected, self.counts))

    def step(self, lattice: Lattice, scales, weights) -> Fitted:
        """One Gauss-Newton step; always with the same noise, so that risks can be compared."""
        pull = _weighted(weights, lattice, self.plan, scales, self.typical)
        found = newton_step(self.model, lattice, self.counts, pull, self.key, blocks=self.plan)
        lattice, value = _shortened(lattice, found.step, self.plan, pull, self.loss)
        k, k_draw = (int(i) for i in found.iterations)
        return Fitted(lattice, value, float(found.freedom), np.asarray(scales), (k, k_draw), found.draw[0])

    def again(self, fitted: Fitted) -> Fitted:
        """The same scales, weights that the maps have by now."""
        return self.rescaled(fitted, jnp.asarray(fitted.scales))

    def amounts(self, fitted: Fitted) -> Fitted:
        """Scales of areas and backgrounds that the maps have by themselves."""
        return self.rescaled(
            fitted, self._own(fitted).at[: self.plan[0].stop].set(fitted.scales[: self.plan[0].stop])
        )

    def smoother(self, fitted: Fitted) -> Fitted:
        """Scales of strain and width that the maps have by themselves."""
        return self.rescaled(
            fitted, self._own(fitted).at[self.plan[0].stop :].set(fitted.scales[self.plan[0].stop :])
        )

    def rougher(self, fitted: Fitted) -> Fitted:
        """Scales of strain and width twice as large."""
        return self.rescaled(fitted, jnp.asarray(fitted.scales).at[: self.plan[0].stop].multiply(2))

    def _own(self, fitted: Fitted) -> Array:
        return _pulls(fitted.lattice, fitted.draw, self.plan, jnp.asarray(fitted.scales), self.typical)[1]

    def rescaled(self, fitted: Fitted, scales: Array) -> Fitted:
        weights, _ = _pulls(fitted.lattice, fitted.draw, self.plan, scales, self.typical)
        return self.step(fitted.lattice, scales, weights)


def direct_steps(
    model: DiffractionTomography,
    counts: Float[Array, "view v u bin"],
    lattice: Lattice,
    *,
    prior: LatticeSmoothness = START,
    key: Array,
) -> Generator[Fitted, None, Fitted]:
    """All steps that are tried; returns the best. `counts` are in the bins of the model, negative where not measured."""
    path = _Path(model, counts, lattice, prior, key)
    maps = to_vectors(lattice)[0]
    scales = jnp.asarray(prior.scales(lattice), maps.dtype)
    shapes = [jax.eval_shape(lambda u, b=b: squares(u, b, u[0, 0, 0, 0]), maps).shape for b in path.plan]
    best = path.step(lattice, scales, [jnp.ones(shape, maps.dtype) for shape in shapes])
    yield best
    for change in (path.again, path.amounts, path.smoother, path.rougher):
        first = best
        for _ in range(MOST):
            fitted = change(best)
            yield fitted
            if not fitted.falls_below(best):
                break
            best = fitted
        if change == path.smoother and best is not first:
            break
    return best


def direct_lattice(
    model: DiffractionTomography,
    counts: Float[Array, "view v u bin"],
    lattice: Lattice,
    *,
    prior: LatticeSmoothness = START,
    key: Array,
) -> Fitted:
    """Where the path ends."""
    path = direct_steps(model, counts, lattice, prior=prior, key=key)
    while True:
        try:
            next(path)
        except StopIteration as end:
            return end.value
