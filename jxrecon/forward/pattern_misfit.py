"""How well maps of the lattice explain what scanning diffraction counted: a data term of the joint problem.

    L = sum over measured channels of noise( expected counts, counts )

with photon noise by default, zero where both agree, in nats. The patterns are held whole: a few thousand rays and some hundred
channels are less than one view of ptychography.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..errors import InputError
from ..lattice import Lattice
from ..noise import Poisson
from ..objective import AbstractNoise, AbstractTerm, Batch
from ..parameters import Parameters
from .diffraction_tomography import DiffractionTomography


def lattice_of(parameters: Parameters, term: object) -> Lattice:
    """Raises `InputError` where there is none."""
    if parameters.lattice is None:
        raise InputError(
            f"`{type(term).__name__}` speaks of the lattice, and there is none among the unknowns; take it out of "
            "`objective.terms`, or start from maps of the lattice."
        )
    return parameters.lattice


def deviance(
    expected: Float[Array, "view v u bin"], counts: Float[Array, "view v u bin"], noise: AbstractNoise
) -> Float[Array, ""]:
    """The sum of the file's head; `counts` are negative where not measured."""
    measured = counts >= 0
    # The inputs are masked, not the result: 0 * NaN would still poison the gradient.
    m, y = (jnp.where(measured, values, 0) for values in (expected, counts))
    return jnp.sum(noise(m, y, jnp.sum(y) / jnp.maximum(jnp.sum(measured), 1)))


class PatternMisfit(AbstractTerm):
    """See above; `counts` are in the bins of the model."""

    model: DiffractionTomography
    counts: Float[Array, "view v u bin"]
    noise: AbstractNoise = Poisson()
    weight: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=1.0)

    def __call__(self, parameters: Parameters, batch: dict[str, Batch]) -> Float[Array, ""]:
        return deviance(self.model(lattice_of(parameters, self)), self.counts, self.noise)
