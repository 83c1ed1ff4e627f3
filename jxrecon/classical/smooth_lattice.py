"""Maps of the lattice under a smoothness whose scales are given: Gauss-Newton steps on the very objective of the common loop.

    L = sum ( m - y + y log(y / m) ) + weight R(u),      R of `priors.lattice_smoothness`

Every step minimises the quadratic majorant of R (iteratively reweighted least squares) and the Fisher scoring of the counts
(`lattice_newton`), shortened until L falls. `classical.direct_lattice` learns its scales and counts in what is uncertain of
the maps; this one does neither, so that its result can be held against that of any other minimiser of L.
"""

from collections.abc import Generator
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..forward.diffraction_tomography import DiffractionTomography
from ..forward.pattern_misfit import PatternMisfit
from ..lattice import Lattice, from_vectors, to_vectors
from ..objective import Objective
from ..parameters import Parameters, Positions, Probe
from ..priors.lattice_smoothness import LatticeSmoothness, blocks
from .lattice_errors import majorant
from .lattice_newton import newton_step

LONGEST, LONGEST_SHARED = 8.0, 1.0  # step, in units of changes that matter
HALVINGS = 8


class Smoothed(NamedTuple):
    """Maps after a step, and L there in nats."""

    lattice: Lattice
    objective: float


def unknowns_of(lattice: Lattice) -> Parameters:
    """Parameters of a problem without frames: whatever belongs to these is a placeholder of one pixel."""
    kind = lattice.area.dtype
    probe = Probe(jnp.ones((1, 1, 1, 1), jnp.result_type(kind, jnp.complex64)))
    positions = Positions(jnp.zeros((1, 2), kind), jnp.zeros((1, 2), kind), jnp.zeros(4, kind))
    return Parameters(None, probe, positions, jnp.ones(1, kind), lattice=lattice)


def smooth_objective(
    model: DiffractionTomography, counts: Float[Array, "view v u bin"], prior: LatticeSmoothness
) -> Objective:
    """L as named terms."""
    return Objective({"patterns": PatternMisfit(model=model, counts=counts), "lattice_smoothness": prior})


@eqx.filter_jit
def value_of(objective: Objective, parameters: Parameters) -> Float[Array, ""]:
    return objective(parameters, {})[0]


def smooth_steps(
    model: DiffractionTomography,
    counts: Float[Array, "view v u bin"],
    lattice: Lattice,
    prior: LatticeSmoothness,
    *,
    key: Array,
    tolerance: float = 0.1,
    most: int = 40,
) -> Generator[Smoothed, None, None]:
    """Every step, until one lowers L by less than `tolerance` nats."""
    objective = smooth_objective(model, counts, prior)
    plan = blocks(lattice, prior.form_freedom, prior.amount_freedom)
    before = float(value_of(objective, unknowns_of(lattice)))
    for _ in range(most):
        pull = [prior.weight * w for w in majorant(lattice, prior.scales(lattice), plan)[0]]
        step = newton_step(model, lattice, counts, pull, key, blocks=plan).step
        maps, shared = to_vectors(lattice)
        way = jnp.clip(step[0], -LONGEST, LONGEST), jnp.clip(step[1], -LONGEST_SHARED, LONGEST_SHARED)
        for k in range(HALVINGS):
            new = from_vectors(lattice, maps + 0.5**k * way[0], shared + 0.5**k * way[1])
            found = float(value_of(objective, unknowns_of(new)))
            if found < before:
                break
        else:
            return
        gain, before, lattice = before - found, found, new
        yield Smoothed(lattice, found)
        if gain < tolerance:
            return
