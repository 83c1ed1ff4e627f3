"""The prior of lattice maps: what costs nothing, what costs little, its gradient, and its quadratic majorant."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_lattice import lattice

from jxrecon.lattice import from_vectors, to_vectors
from jxrecon.objective import Objective
from jxrecon.parameters import Parameters, Positions, Probe
from jxrecon.priors.lattice_smoothness import (
    LatticeSmoothness,
    blocks,
    confidence,
    density,
    robust,
    squares,
    typical_area,
)

SIZE = 8


def unknowns(maps) -> Parameters:
    probe = Probe(jnp.ones((1, 1, 2, 2), jnp.complex64))
    positions = Positions(jnp.zeros((1, 2)), jnp.zeros((1, 2)), jnp.zeros(4))
    return Parameters(None, probe, positions, jnp.ones(1), lattice=maps)


def flat(dtype=np.float32):
    maps = lattice(SIZE, dtype=dtype)
    even = lambda x: jnp.broadcast_to(x[:, :1, :1], x.shape)  # noqa: E731
    fields = ("strain", "log_width", "area", "background")
    return dataclasses.replace(maps, **{name: even(getattr(maps, name)) for name in fields})


def value(maps, prior=None) -> float:
    return float(eqx.filter_jit(prior or LatticeSmoothness())(unknowns(maps), {}))


def test_gradients_of_strain_cost_nothing_and_curvature_does():
    maps = flat()
    ramp = jnp.arange(SIZE, dtype=jnp.float32)[None, :, None, None] * 1e-3
    assert value(maps) == pytest.approx(0, abs=1e-3)
    assert value(dataclasses.replace(maps, strain=maps.strain + ramp)) == pytest.approx(0, abs=1e-2)
    assert value(dataclasses.replace(maps, strain=maps.strain + 1e3 * ramp**2)) > 1


def test_an_edge_costs_hardly_more_when_it_is_ten_times_higher():
    maps = flat()
    edge = (jnp.arange(SIZE) > 3)[None, :, None, None] * jnp.ones_like(maps.area)
    low, high = (value(dataclasses.replace(maps, area=maps.area + h * edge)) for h in (2.0, 20.0))
    assert 0 < low < high < 3 * low


def test_strain_is_not_smoothed_through_air():
    maps = flat()
    split = dataclasses.replace(maps, strain=maps.strain.at[:, 4:].add(5e-3))
    apart = dataclasses.replace(split, area=maps.area.at[:, 3:5].set(-1e3))
    gradual = LatticeSmoothness(form_freedom=1e6, area=1e6)
    assert value(apart, gradual) < 0.1 * value(split, gradual)


def test_gradient_is_that_of_finite_differences_at_fixed_density(float64):
    maps, prior = lattice(SIZE, dtype=np.float64), LatticeSmoothness(weight=jnp.asarray(1.0))
    u, shared = to_vectors(maps)
    # Areas stay: the density that weighs the differences is held fixed in the gradient.
    along = jnp.asarray(np.random.default_rng(0).normal(size=u.shape)).at[..., 5:8].set(0)
    at = jax.jit(lambda t: prior(unknowns(from_vectors(maps, u + t * along, shared)), {}))
    difference = (at(1e-5) - at(-1e-5)) / 2e-5
    assert float(jax.grad(at)(0.0)) == pytest.approx(float(difference), rel=1e-6)


def test_the_majorant_touches_the_prior_and_lies_above_it(float64):
    maps, prior = lattice(SIZE, dtype=np.float64), LatticeSmoothness(weight=jnp.asarray(1.0))
    u, shared = to_vectors(maps)
    rho, scale = density(maps, typical_area(maps)), jnp.asarray(prior.scales(maps))
    along = jnp.asarray(np.random.default_rng(1).normal(size=u.shape)).at[..., 5:8].set(0)

    @jax.jit
    def majorant(v):
        total = 0.0
        for block in blocks(maps, prior.form_freedom, prior.amount_freedom):
            s = scale[block.first : block.stop]
            weight = robust(squares(u, block, confidence(rho, block)), s, block)
            total = total + jnp.sum(weight * squares(v, block, confidence(rho, block)) / s**2) / 2
        return total

    at = jax.jit(lambda t: prior(unknowns(from_vectors(maps, u + t * along, shared)), {}))
    slope = jax.grad(lambda t: majorant(u + t * along))(0.0)
    assert float(slope) == pytest.approx(float(jax.grad(at)(0.0)), rel=1e-9)
    for step in (-0.5, -0.05, 0.05, 0.5):
        assert float(at(step) - at(0.0)) <= float(majorant(u + step * along) - majorant(u)) + 1e-9


def test_it_is_a_term_under_jit_and_refuses_scales_of_zero():
    two = dataclasses.replace(LatticeSmoothness(), weight=2.0)
    maps = lattice(SIZE)
    total, _ = eqx.filter_jit(lambda p: Objective({"prior": two})(p, {}))(unknowns(maps))
    assert float(total) == pytest.approx(2 * value(maps), rel=1e-5)
    with pytest.raises(ValueError, match="`strain` is 0"):
        LatticeSmoothness(strain=0.0)
