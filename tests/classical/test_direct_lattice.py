"""A Gauss-Newton step solves its equations, a draw has the right spread, and the path finds smooth maps in noise."""

import dataclasses
import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_lattice import TWO_THETA_DEG, lattice, model

from jxrecon.classical.direct_lattice import START, direct_steps
from jxrecon.classical.lattice_newton import all_differences, newton_step
from jxrecon.classical.two_step_lattice import first_lattice
from jxrecon.lattice import from_vectors, to_vectors
from jxrecon.priors.lattice_smoothness import blocks

SIZE, VIEWS = 6, 8


def problem(maps, here, brightness: float):
    bright = dataclasses.replace(
        maps,
        area=maps.area * brightness,
        background=maps.background * brightness,
        softness=maps.softness * brightness,
        floor=maps.floor * brightness,
    )
    counts = np.random.default_rng(0).poisson(np.asarray(eqx.filter_jit(here)(bright), float))
    return bright, jnp.asarray(counts, maps.area.dtype)


def pulls(maps, plan, strength):
    shapes = jax.eval_shape(lambda u: all_differences(u, plan), to_vectors(maps)[0])
    return [jnp.full(s.shape, strength, maps.area.dtype) for s in shapes]


def test_step_solves_the_normal_equations(float64):
    here = model(SIZE, views=VIEWS, dtype=np.float64)
    maps, counts = problem(lattice(SIZE, dtype=np.float64), here, 20.0)
    plan = blocks(maps)
    pull = pulls(maps, plan, 5.0)
    found = newton_step(here, maps, counts, pull, jax.random.key(0), blocks=plan, tolerance=1e-16, most=400)
    u, shared = to_vectors(maps)
    at = jax.jit(lambda t: here(from_vectors(maps, u + t * found.step[0], shared + t * found.step[1])))
    expected, tangent = at(0.0), (at(1e-5) - at(-1e-5)) / 2e-5
    back = jax.jit(lambda image: jax.vjp(lambda v: here(from_vectors(maps, *v)), (u, shared))[1](image))
    ((by_maps, by_shared),) = back((counts - expected - tangent) / expected)
    ((before, _),) = back((counts - expected) / expected)
    prior = jax.jit(
        jax.grad(lambda v: sum(jnp.sum(w * d**2) / 2 for w, d in zip(pull, all_differences(v, plan))))
    )
    scale = float(jnp.abs(before).max())
    np.testing.assert_allclose(by_maps, prior(u + found.step[0]), atol=2e-4 * scale)
    np.testing.assert_allclose(by_shared, 0, atol=2e-4 * scale)


def test_the_data_decide_fewer_parameters_under_a_stronger_prior():
    here = model(SIZE, views=VIEWS)
    maps, counts = problem(lattice(SIZE), here, 20.0)
    plan = blocks(maps)
    free = [
        float(newton_step(here, maps, counts, pulls(maps, plan, s), jax.random.key(1), blocks=plan).freedom)
        for s in (1e-2, 1e1, 1e4)
    ]
    assert 0 < free[2] < free[1] < free[0] < to_vectors(maps)[0].size + 6


@pytest.fixture(scope="module")
def smooth():
    """Maps of a disc that vary slowly, and their counts."""
    size = 16
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    inside = (np.hypot(x, y) < 6.5)[None, ..., None]
    plain = lattice(size)
    ramp = jnp.asarray((x / 8)[None, ..., None], jnp.float32)
    maps = dataclasses.replace(
        plain,
        strain=3e-3 * jnp.concatenate([ramp, -(ramp**2)]),
        log_width=0.1 * jnp.concatenate([ramp] * 3),
        area=jnp.where(jnp.asarray(inside), 1.0, -50.0) * jnp.ones_like(plain.area),
        background=jnp.full_like(plain.background, 0.05),
        mixing=jnp.zeros(3),
    )
    here = dataclasses.replace(model(size, views=24), monitor=jnp.ones((24, 1, size)))
    return *problem(maps, here, 8.0), here, inside[0]


def error(found, truth, inside) -> float:
    return float(jnp.sqrt(jnp.mean(((found.strain - truth.strain) ** 2)[:, inside])))


def test_two_steps_then_directly(smooth):
    truth, counts, here, inside = smooth
    start = first_lattice(np.asarray(counts), here, TWO_THETA_DEG, fwhm_deg=0.3)
    before = error(start, truth, inside)
    assert before < 2e-3
    steps = list(itertools.islice(direct_steps(here, counts, start, key=jax.random.key(0)), 4))
    assert error(steps[-1].lattice, truth, inside) < 0.5 * before
    assert steps[-1].deviance < steps[0].deviance < 1.2 * counts.size
    assert 0 < steps[-1].freedom < to_vectors(start)[0].size
    assert np.allclose(steps[0].scales[:2], START.strain)
    drawn = from_vectors(steps[-1].lattice, steps[-1].draw, jnp.zeros(6)).strain[:, inside]
    # The draw is as large as what is still wrong, within a factor of two or so.
    assert 0.4 < float(jnp.std(drawn)) / error(steps[-1].lattice, truth, inside) < 2.5
