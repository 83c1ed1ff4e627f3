"""Likelihoods: zero and flat at agreement, finite at zero counts, linear in the counts, right curvature."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jxrecon.noise import Amplitude, Gaussian, Poisson

MODELS = [Poisson(), Gaussian(), Amplitude()]
ids = [type(m).__name__ for m in MODELS]
LEVEL = jnp.asarray(2.0)


@pytest.mark.parametrize("noise", MODELS, ids=ids)
def test_agreement_is_the_minimum(float64, noise):
    counts = jnp.asarray([0.0, 0.5, 3.0, 1e4])
    level = jnp.asarray(2.0)
    np.testing.assert_allclose(noise(counts, counts, level), 0, atol=1e-10)
    slope = jax.grad(lambda m: jnp.sum(noise(m, counts, level)))(counts)
    np.testing.assert_allclose(slope, 0, atol=1e-12)


@pytest.mark.parametrize("noise", MODELS, ids=ids)
@pytest.mark.parametrize("measured", [0.0, 5.0])
def test_value_and_slope_are_finite_where_nothing_is_predicted(noise, measured):
    value, slope = jax.value_and_grad(lambda m: noise(m, jnp.asarray(measured), LEVEL))(jnp.asarray(0.0))
    assert np.isfinite(value) and np.isfinite(slope)
    assert slope <= 0


@pytest.mark.parametrize("noise", MODELS, ids=ids)
def test_curvature_is_one_over_the_variance_of_a_count(float64, noise):
    counts = jnp.asarray(1e4)
    second = jax.grad(jax.grad(lambda m: noise(m, counts, jnp.asarray(1e4))))(counts)
    floor = noise.floor * 1e4
    np.testing.assert_allclose(second, 1 / (counts + floor), rtol=1e-6)


@pytest.mark.parametrize("noise", MODELS, ids=ids)
@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_value_is_linear_in_the_counts(float64, noise, factor):
    m, y = jnp.asarray([0.0, 1.0, 7.0]), jnp.asarray([0.0, 3.0, 2.0])
    level = jnp.asarray(2.0)
    scaled = noise(factor * m, factor * y, factor * level)
    np.testing.assert_allclose(scaled, factor * noise(m, y, level), rtol=1e-12)


@pytest.mark.parametrize("mean", [1e2, 1e6, 1e8])
def test_poisson_in_single_precision_keeps_its_digits_at_many_counts(mean):
    rng = np.random.default_rng(0)
    m = np.float32(mean * rng.uniform(0.5, 1.5, 10_000))
    y = np.float32(rng.poisson(m))
    found = Poisson()(jnp.asarray(m), jnp.asarray(y), jnp.asarray(mean, jnp.float32))
    exact = m.astype(float) - y + y * np.log(y.astype(float) / m)
    np.testing.assert_allclose(found, exact, rtol=1e-3, atol=1e-2)


def test_read_noise_is_a_standard_deviation():
    noise = Gaussian(read_noise=3.0, floor=1e-9)
    assert float(noise(jnp.asarray(7.0), jnp.asarray(0.0), jnp.asarray(1.0))) == pytest.approx(49 / (2 * 9))


def test_poisson_is_half_the_deviance_of_scipy(float64):
    from scipy.stats import poisson

    m, y = np.array([0.7, 4.0, 90.0]), np.array([2.0, 3.0, 100.0])
    expected = poisson.logpmf(y, y) - poisson.logpmf(y, m)
    ours = Poisson(floor=1e-12)(jnp.asarray(m), jnp.asarray(y), jnp.asarray(1.0))
    np.testing.assert_allclose(ours, expected, rtol=1e-9)


def test_a_floor_of_nothing_is_refused():
    with pytest.raises(ValueError, match="`floor` is 0.0"):
        Amplitude(floor=0.0)
