"""Priors of a volume: areas, quadratic limits, regions; each as a term of an objective, with its gradient."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import problems
import pytest

from jxrecon.errors import InputError
from jxrecon.objective import Objective
from jxrecon.parameters import Volume
from jxrecon.priors.air import Air, empty_region
from jxrecon.priors.density import ball, cylinder
from jxrecon.priors.positivity import Positivity
from jxrecon.priors.support import Support
from jxrecon.priors.tikhonov import Tikhonov
from jxrecon.priors.total_variation import TotalVariation

SHAPE = (10, 12, 14)
PRIORS = [TotalVariation(), Tikhonov(), Support(), Support(form="cylinder", radius=0.5), Air(), Positivity()]
BARE = problems.unknowns(8, 4, 1, full=False, dtype=np.float32)


def unknowns(density, **fields):
    return dataclasses.replace(BARE, object=None, volume=Volume(jnp.asarray(density), **fields))


def value(prior, density) -> float:
    return float(prior(unknowns(density), {}))


def names(prior) -> str:
    return type(prior).__name__


def distance(shape):
    return np.sqrt(
        sum(x**2 for x in np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in shape), indexing="ij"))
    )


def test_every_prior_is_here():
    files = {p.stem for p in Path(__file__).parents[2].glob("configs/prior/*.yaml")}
    here = {"".join("_" * c.isupper() + c.lower() for c in names(p)).strip("_") for p in PRIORS}
    assert here <= files


@pytest.mark.parametrize("prior", PRIORS, ids=names)
def test_gradient_is_that_of_finite_differences(float64, prior):
    prior = jax.tree.map(lambda x: jnp.asarray(x, float) if isinstance(x, jax.Array) else x, prior)
    rng = np.random.default_rng(0)
    density, direction = rng.normal(0.3, 0.5, (2, *SHAPE))
    at = lambda d: prior(unknowns(d), {})  # noqa: E731
    along = float(jnp.vdot(jax.grad(at)(jnp.asarray(density)), direction))
    step = 1e-6
    difference = (at(density + step * direction) - at(density - step * direction)) / (2 * step)
    assert along == pytest.approx(float(difference), rel=1e-6)


@pytest.mark.parametrize("prior", PRIORS, ids=names)
def test_it_is_a_term_like_any_other_under_jit(prior):
    density = np.random.default_rng(1).normal(0.3, 0.5, SHAPE).astype(np.float32)
    two = dataclasses.replace(prior, weight=2.0)
    total, values = jax.jit(lambda p: Objective({"prior": two})(p, {}))(unknowns(density))
    assert float(total) == pytest.approx(2 * value(prior, density), rel=1e-5)
    assert float(values["prior"]) > 0


@pytest.mark.parametrize("prior", PRIORS, ids=names)
def test_it_reads_the_physical_density_and_says_when_there_is_none(prior):
    raw = jnp.asarray(np.random.default_rng(2).normal(0.3, 0.5, SHAPE), jnp.float32)
    soft = unknowns(raw, softness=jnp.asarray(0.05))
    assert float(prior(soft, {})) == pytest.approx(value(prior, soft.volume.electron_density()), rel=1e-5)
    with pytest.raises(InputError, match=f"`{names(prior)}` is one of a volume"):
        prior(BARE, {})


def test_a_prior_of_smoothness_does_not_see_a_constant():
    for prior in (TotalVariation(), Tikhonov()):
        assert value(prior, np.full(SHAPE, 0.93, np.float32)) == pytest.approx(0, abs=1e-5)
        density = np.random.default_rng(3).normal(size=SHAPE)
        assert value(prior, density) == pytest.approx(value(prior, density + 0.5), rel=1e-5)


@pytest.mark.parametrize("width, most", [(0.1, 1.16), (0.5, 1.03), (1.5, 1.003)])
def test_total_variation_is_the_area_of_a_ball(width, most):
    """Coarea formula: area times step, mean over the radii of a logistic edge. The stairs of a sharp one are a tenth longer."""
    radius = 20.0
    body = 0.9 / (1 + np.exp(np.clip((distance((56, 56, 56)) - radius) / width, -60, 60)))
    area = 4 * np.pi * (radius**2 + (np.pi * width) ** 2 / 3)
    found = value(TotalVariation(eps=1e-4), body.astype(np.float32)) / (0.9 * area)
    assert 0.997 < found < most


def test_total_variation_is_quadratic_below_eps_and_linear_above():
    ramp = np.broadcast_to(np.arange(14.0), SHAPE)
    faces = 10 * 12 * 13
    small, large = 1e-3, 1e3
    assert value(TotalVariation(eps=1.0), small * ramp) == pytest.approx(faces * small**2 / 2, rel=0.02)
    assert value(TotalVariation(eps=1.0), large * ramp) == pytest.approx(faces * (large - 1), rel=1e-3)
    with pytest.raises(ValueError, match="`eps` is 0"):
        TotalVariation(eps=0.0)


def test_tikhonov_is_the_sum_of_squared_slopes():
    y, x, z = np.meshgrid(*map(np.arange, SHAPE), indexing="ij")
    slopes = 0.1 * y - 0.2 * x + 0.3 * z
    expected = 0.01 * 9 * 12 * 14 + 0.04 * 10 * 11 * 14 + 0.09 * 10 * 12 * 13
    assert value(Tikhonov(), slopes) == pytest.approx(expected, rel=1e-5)
    assert value(Tikhonov(), 3 * slopes) == pytest.approx(9 * expected, rel=1e-5)


def test_regions_are_balls_and_cylinders_about_the_axis():
    inside = np.asarray(ball((40, 44, 48), 0.8))
    assert inside.sum() == pytest.approx(4 / 3 * np.pi * 16**3, rel=0.01)
    np.testing.assert_array_equal(inside, inside[::-1, ::-1, ::-1])
    tube = np.asarray(cylinder((40, 44, 48), 0.8))
    assert tube.sum() == pytest.approx(np.pi * 16**2 * 48, rel=0.01)
    assert (tube == tube[..., :1]).all()


def test_penalties_are_the_squares_outside_and_none_inside():
    density = np.full((20, 20, 20), 0.5)
    outside = 20**3 - float(ball((20, 20, 20), 0.9).sum())
    assert value(Support(), density) == pytest.approx(0.25 * outside, rel=1e-5)
    tube = 20**3 - float(cylinder((20, 20, 20), 0.95).sum())
    assert value(Air(), -density) == pytest.approx(0.25 * tube, rel=1e-5)
    mask = np.zeros((20, 20, 20), bool)
    mask[:5] = True
    assert value(Support(mask=jnp.asarray(mask)), density) == pytest.approx(0.25 * 15 * 400, rel=1e-5)
    assert value(Air(air=jnp.asarray(mask)), density) == pytest.approx(0.25 * 5 * 400, rel=1e-5)
    for wrong in (Support(mask=jnp.asarray(mask)), Air(air=jnp.asarray(mask))):
        with pytest.raises(ValueError, match=r"has \(20, 20, 20\) voxels, the volume \(10, 12, 14\)"):
            value(wrong, np.zeros(SHAPE))
    with pytest.raises(Exception, match="'cube'"):
        Support(form="cube")


def test_air_is_found_away_from_matter():
    rng = np.random.default_rng(4)
    radius = distance((40, 40, 40))
    guess = 0.9 * (radius < 10) + rng.normal(0, 0.05, radius.shape)
    air = empty_region(guess, threshold=0.3, margin=3)
    assert air[radius > 15].all() and not air[radius < 12].any()
    prior = Air().guessed(guess)
    assert value(prior, guess) == pytest.approx(0.05**2 * float(prior.air.sum()), rel=0.05)
    assert empty_region(np.zeros((4, 4, 4)), 0.1).all()


def test_positivity_costs_only_what_is_negative():
    density = np.array([-0.2, 0.0, 0.7, -0.1]).reshape(1, 2, 2)
    assert value(Positivity(), density) == pytest.approx(0.05, rel=1e-5)
    slope = jax.grad(lambda d: Positivity()(unknowns(d), {}))(jnp.asarray(density, jnp.float32))
    np.testing.assert_allclose(slope.ravel(), [-0.4, 0, 0, -0.2], atol=1e-6)
