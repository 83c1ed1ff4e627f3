"""Maps of the lattice straight from sinograms of powder patterns: no pattern of a voxel is reconstructed and fitted.

    minimise over u    sum ( m(u) - y log m(u) )  +  sum_s w_s/2 (D_s u)^2

The prior is `priors.lattice_smoothness`, by iteratively reweighted least squares: a Gauss-Newton step (`lattice_newton`) for
each set of weights w. Nobody chooses its scales. Those of areas and backgrounds become in each step what the maps have, by
expectation maximisation,

    scale_m^2 <- mean over the voxels of  w ( (D u_m)^2 + (D draw_m)^2 ),

the draw standing for what is still uncertain. Those of strain and width begin rough. Steps are taken until strain and widths
move by a small part of their standard errors, which the draw knows. Then, from the same place, a step with the same scales, one
with what expectation maximisation says, one with twice as much: of these that wins whose expected loss on new counts
(Akaike's criterion),

    deviance / 2  +  freedom,

is lower than with the same scales by more than the standard error of the difference, the root of twice that of the freedoms,
as often as there is one. (Left to expectation maximisation alone they would end too small for the few places where a map has a
kink.)

Akaike, IEEE Trans. Autom. Control 19, 716 (1974), doi:10.1109/TAC.1974.1100705; Dempster, Laird & Rubin, J. R. Stat. Soc. B
39, 1 (1977), doi:10.1111/j.2517-6161.1977.tb01600.x
"""

from collections.abc import Generator
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..forward.diffraction_tomography import DiffractionTomography
from ..lattice import Lattice, from_vectors, to_vectors
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
from .lattice_newton import Linearised, linearised, solutions, white_noise

START = LatticeSmoothness(strain=1.0, log_width=0.06)
MATTER = 0.3  # of the usual density: where scales are learnt
LONGEST, LONGEST_SHARED = 8.0, 1.0  # step, in units of changes that matter
HALVINGS, MOST = 6, 12
SETTLED = 0.1  # of a standard error: strain and widths that move by less have arrived
# Of a step, and a draw: r^T M^-1 r beside its start, and beside the number of parameters that the data decide.
SHARE, ENOUGH, ITERATIONS = (1e-2, 1e-2), (1e-2, 0.1), 30


class Fitted(NamedTuple):
    """One step of the path. scales: with which it was made; iterations: conjugate gradients of step and draw; shared: of the
    draw, what all voxels share; moved: how far strain and widths went, in standard errors, the map that went farthest."""

    lattice: Lattice
    deviance: float
    freedom: float
    scales: Float[np.ndarray, " unknown"]
    iterations: tuple[int, int]
    draw: Float[Array, "y x z unknown"]
    shared: Float[Array, " shared"] | None = None
    moved: float = np.inf

    @property
    def risk(self) -> float:
        return self.deviance + self.freedom

    def falls_below(self, other: "Fitted") -> bool:
        """By more than the standard error of the difference."""
        return bool(other.risk - self.risk > np.sqrt(2 * abs(self.freedom - other.freedom)))


@eqx.filter_jit
def _pulls(lattice: Lattice, draw, plan: tuple[Block, ...], scales, typical, known):
    """w_s of each block, once the maps are `known` at all, and the scales that these have by themselves."""
    u, _ = to_vectors(lattice)
    rho = density(lattice, typical)
    pull, following = [], []
    for block in plan:
        w, scale = confidence(rho, block), scales[block.first : block.stop]
        values = squares(u, block, w) + squares(draw, block, w)
        weight = jnp.where(known, robust(values, scale, block), 1)
        where = (confidence(rho, block._replace(dense=True)) > MATTER) | (not block.dense)
        where = jnp.broadcast_to(where, values.shape)
        mean = jnp.sum(jnp.where(where, weight * values, 0), axis=(0, 1, 2, 3)) / jnp.sum(where[..., 0])
        pull.append(weight * w / scale**2)
        following.append(jnp.sqrt(mean))
    return pull, jnp.concatenate(following)


@eqx.filter_jit
def _tried(lattice: Lattice, step, factor, plan: tuple[Block, ...], pull) -> tuple[Lattice, Float[Array, ""]]:
    """The lattice after `factor` of the step, and the prior's energy there."""
    maps, shared = to_vectors(lattice)
    maps = maps + factor * jnp.clip(step[0], -LONGEST, LONGEST)
    new = from_vectors(lattice, maps, shared + factor * jnp.clip(step[1], -LONGEST_SHARED, LONGEST_SHARED))
    one = jnp.ones((), maps.dtype)
    return new, sum((jnp.sum(w * squares(maps, b, one)) / 2 for b, w in zip(plan, pull)), start=0 * one)


@eqx.filter_jit
def _moved(old: Lattice, new: Lattice, draw, plan: tuple[Block, ...], typical) -> Float[Array, ""]:
    """`Fitted.moved`, voxels counted by their density."""
    rho, form = density(new, typical)[..., None], slice(plan[0].first, plan[0].stop)
    way = (to_vectors(new)[0] - to_vectors(old)[0])[..., form]
    sizes = [jnp.sum(rho * u**2, axis=(0, 1, 2)) for u in (way, draw[..., form])]
    return jnp.sqrt(jnp.max(sizes[0] / jnp.maximum(sizes[1], jnp.finfo(rho.dtype).tiny)))


class Learnt(NamedTuple):
    """What one part of a specimen says about the next: scales of the prior, total area that counts as density 1."""

    scales: Float[np.ndarray, " unknown"]
    typical: Float[Array, ""]


def learnt(fitted: Fitted) -> Learnt:
    return Learnt(fitted.scales, eqx.filter_jit(typical_area)(fitted.lattice))


class _Path:
    """One problem: what all steps have in common."""

    def __init__(
        self, model, counts, lattice: Lattice, prior: LatticeSmoothness, key: Array, known: Learnt | None
    ):
        self.model, self.counts = model, counts
        self.plan = blocks(lattice, prior.form_freedom, prior.amount_freedom)
        self.typical = eqx.filter_jit(typical_area)(lattice) if known is None else known.typical
        self.noise = white_noise(lattice, counts, self.plan, key)
        self._known: tuple[Lattice, Linearised] | None = None

    def at(self, lattice: Lattice) -> Linearised:
        """Kept for the next step, which begins where one has ended; only one at a time, it is large."""
        if self._known is None or self._known[0] is not lattice:
            self._known = None
            self._known = lattice, linearised(self.model, lattice, self.counts, self.noise.rays)
        return self._known[1]

    def first(self, lattice: Lattice, scales: Float[np.ndarray, " unknown"]) -> Fitted:
        """Before any step."""
        maps, shared = (np.zeros_like(v) for v in to_vectors(lattice))
        scales = np.asarray(scales, maps.dtype)
        return Fitted(lattice, np.inf, 0.0, scales, (0, 0), jnp.asarray(maps), jnp.asarray(shared))

    def step(self, fitted: Fitted, scales: Float[np.ndarray, " unknown"]) -> Fitted:
        """One Gauss-Newton step; always with the same noise, so that risks can be compared, and draws begin at the last one."""
        before, (pull, _) = fitted.lattice, self._pulls(fitted, scales)
        loss, dtype = float(self.at(before).loss), self.counts.dtype
        found = solutions(
            self.model,
            before,
            self.at(before),
            pull,
            self.noise.stencils,
            (fitted.draw, fitted.shared),
            *(np.asarray(v, dtype) for v in (SHARE, np.multiply(ENOUGH, fitted.freedom))),
            blocks=self.plan,
            most=ITERATIONS,
        )
        draw, shared = found.draw
        lattice, loss = self._shortened(before, found.step, pull, loss)
        moved = float(_moved(before, lattice, draw, self.plan, self.typical))
        counted = int(found.iterations[0]), int(found.iterations[1])
        return Fitted(lattice, loss, float(found.freedom), scales, counted, draw, shared, moved)

    def _shortened(self, lattice: Lattice, step, pull, loss: float) -> tuple[Lattice, float]:
        """The longest of 1, 1/2, 1/4 ... of the step that lowers the objective, and the loss there."""
        before = loss + float(_tried(lattice, step, np.zeros((), step[0].dtype), self.plan, pull)[1])
        for k in range(HALVINGS):
            new, energy = _tried(lattice, step, np.asarray(0.5**k, step[0].dtype), self.plan, pull)
            found = float(self.at(new).loss)
            if found + float(energy) < before:
                return new, found
        return lattice, loss

    def again(self, fitted: Fitted) -> Fitted:
        """Weights and scales of areas and backgrounds that the maps have by now; the scales of strain and width stay."""
        form = self.plan[0].stop
        known = np.isfinite(fitted.moved)
        amounts = (self._own(fitted) if known else fitted.scales)[form:]
        return self.step(fitted, np.concatenate([fitted.scales[:form], amounts]))

    def smoother(self, fitted: Fitted) -> Fitted:
        """Scales of strain and width that the maps have by themselves."""
        form = self.plan[0].stop
        return self.step(fitted, np.concatenate([self._own(fitted)[:form], fitted.scales[form:]]))

    def rougher(self, fitted: Fitted) -> Fitted:
        """Scales of strain and width twice as large."""
        form = self.plan[0].stop
        return self.step(fitted, np.concatenate([2 * fitted.scales[:form], fitted.scales[form:]]))

    def _own(self, fitted: Fitted) -> np.ndarray:
        return np.asarray(self._pulls(fitted, fitted.scales)[1])

    def _pulls(self, fitted: Fitted, scales: np.ndarray):
        known = np.array(np.isfinite(fitted.moved))
        return _pulls(fitted.lattice, fitted.draw, self.plan, scales, self.typical, known)


def direct_steps(
    model: DiffractionTomography,
    counts: Float[Array, "view v u bin"],
    lattice: Lattice,
    *,
    prior: LatticeSmoothness = START,
    key: Array,
    known: Learnt | None = None,
) -> Generator[Fitted, None, Fitted]:
    """All steps that are tried; returns the best. `counts` are in the bins of the model, negative where not measured.

    known: what another part of the specimen has taught; then no other scales of strain and width are looked for.
    """
    path = _Path(model, counts, lattice, prior, key, known)
    best = path.first(lattice, prior.scales(lattice) if known is None else known.scales)
    for _ in range(MOST):
        best = path.again(best)
        yield best
        if best.moved < SETTLED:
            break
    if known is not None:
        return best
    for _ in range(MOST):
        found = []
        for change in (path.again, path.smoother, path.rougher):
            found.append(change(best))
            yield found[-1]
            if found[-1].falls_below(found[0]):
                break
        if not found[-1].falls_below(found[0]):
            return found[0]
        best = found[-1]
    return best


def direct_lattice(
    model: DiffractionTomography,
    counts: Float[Array, "view v u bin"],
    lattice: Lattice,
    *,
    prior: LatticeSmoothness = START,
    key: Array,
    known: Learnt | None = None,
) -> Fitted:
    """Where the path ends."""
    path = direct_steps(model, counts, lattice, prior=prior, key=key, known=known)
    while True:
        try:
            next(path)
        except StopIteration as end:
            return end.value
