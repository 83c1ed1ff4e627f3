"""Intensities that depend on the angle, found together with the maps of a lattice, by turns.

With the maps given, expected counts are linear in the coefficients s of `forward.angular_factors`,

    m = m_0 + sum_j s_j m_j,      minimise  sum ( m - y log m ) + sum_j s_j^2 / (2 spread^2)

by Fisher scoring; with s given, the maps follow from `direct_lattice`. Factors of the angle alone hardly know of the maps, as a
view's sum over all rays is the same for every angle, and one turn is enough. A radial texture is all but a core and a shell:
turns go on until it moves by less than a tenth of its standard error, which is that for known maps and so a lower bound.
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..forward.diffraction_tomography import DiffractionTomography
from ..lattice import Lattice
from .direct_lattice import Fitted, direct_lattice

STEPS = 4  # of scoring
LEAST = 1e-3  # expected counts
SETTLED = 0.1  # of a standard error
SPREAD = 0.5  # of coefficients, before anything is known


class FactorFit(NamedTuple):
    """The model with its new factors, and the standard errors of their coefficients, the maps being given."""

    model: DiffractionTomography
    error: Float[np.ndarray, "peak free"]


@eqx.filter_jit
def _linear(model: DiffractionTomography, lattice: Lattice):
    """m_0, and m_j for each coefficient."""
    assert model.factors is not None
    like = model.factors.coefficient

    def counts(coefficient):
        there = eqx.tree_at(lambda m: m.factors.coefficient, model, coefficient)
        return there(lattice)

    base = counts(jnp.zeros_like(like))
    ones = jnp.eye(like.size, dtype=like.dtype).reshape(-1, *like.shape)
    return base, jax.lax.map(lambda one: counts(one) - base, ones)


@jax.jit
def _scored(base, columns, counts, found):
    """(gradient, information) at the coefficients `found`."""
    expected = jnp.maximum(base + jnp.tensordot(found, columns, 1), LEAST)
    weight = jnp.where(counts >= 0, 1 / expected, 0)
    gradient = jnp.einsum("jtvux,tvux->j", columns, weight * (counts - expected))
    return gradient, jnp.einsum("jtvux,tvux,ktvux->jk", columns, weight, columns)


def fitted_factors(
    model: DiffractionTomography,
    lattice: Lattice,
    counts: Float[Array, "view v u bin"],
    spread: float = SPREAD,
) -> FactorFit:
    """Coefficients for given maps. Counts in the bins of the model, negative where not measured."""
    if model.factors is None:
        raise ValueError("`model` has no `factors`; expected those of `forward.angular_factors`.")
    base, columns = _linear(model, lattice)
    like = model.factors.coefficient
    found, information = np.zeros(like.size), np.eye(like.size)
    for _ in range(STEPS):
        gradient, fisher = _scored(base, columns, counts, jnp.asarray(found, like.dtype))
        information = np.asarray(fisher, float) + np.eye(like.size) / spread**2
        found = found + np.linalg.solve(information, np.asarray(gradient, float) - found / spread**2)
    error = np.sqrt(np.diag(np.linalg.inv(information))).reshape(like.shape)
    coefficient = jnp.asarray(found.reshape(like.shape), like.dtype)
    return FactorFit(eqx.tree_at(lambda m: m.factors.coefficient, model, coefficient), error)


def direct_lattice_with_factors(
    model: DiffractionTomography,
    counts: Float[Array, "view v u bin"],
    lattice: Lattice,
    *,
    key: Array,
    turns: int = 1,
) -> tuple[Fitted, FactorFit]:
    """Maps and factors, by at most so many turns."""
    factors = fitted_factors(model, lattice, counts)
    fitted = direct_lattice(factors.model, counts, lattice, key=key)
    for _ in range(turns):
        before = factors
        factors = fitted_factors(before.model, fitted.lattice, counts)
        fitted = direct_lattice(factors.model, counts, fitted.lattice, key=key)
        if np.all(np.abs(_coefficient(factors) - _coefficient(before)) < SETTLED * factors.error):
            break
    return fitted, factors


def _coefficient(fit: FactorFit) -> np.ndarray:
    assert fit.model.factors is not None
    return np.asarray(fit.model.factors.coefficient)
