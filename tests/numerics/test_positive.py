"""The map to positive numbers: its inverse, its slope, its ends."""

import jax
import jax.numpy as jnp
import numpy as np

from jxrecon.numerics.positive import positive, raw

X = np.concatenate([-np.geomspace(1e-4, 1e4, 40)[::-1], [0.0], np.geomspace(1e-4, 1e4, 40)])


def test_values_are_those_of_the_formula_and_come_back(float64):
    x = jnp.asarray(X)
    p = positive(x, 0.05)
    assert np.all(np.asarray(p) > 0)
    # for negative x the sum would cancel: p = s^2 / (2 (sqrt(x^2 + s^2) - x))
    exact = np.where(X > 0, (X + np.hypot(X, 0.05)) / 2, 0.05**2 / (2 * (np.hypot(X, 0.05) - X)))
    np.testing.assert_allclose(p, exact, rtol=1e-12)
    seen = exact > 0.05 / 20
    np.testing.assert_allclose(raw(p, 0.05)[seen], X[seen], rtol=1e-10, atol=1e-12)


def test_far_from_zero_it_is_the_identity_and_at_zero_half_the_softness():
    assert abs(float(positive(jnp.asarray(1.0), 0.02)) - 1.0001) < 1e-6
    assert abs(float(positive(jnp.asarray(0.0), 0.02)) - 0.01) < 1e-8
    assert float(positive(raw(jnp.asarray(0.0), 0.02), 0.02)) == np.float32(0.001)


def test_the_slope_is_finite_and_never_vanishes():
    x = jnp.asarray(X, jnp.float32)
    slope = jax.vmap(jax.grad(lambda x: positive(x, 0.05)))(x)
    expected = np.where(
        X > 0, (1 + X / np.hypot(X, 0.05)) / 2, 0.05**2 / (2 * np.hypot(X, 0.05) * (np.hypot(X, 0.05) - X))
    )
    np.testing.assert_allclose(slope, expected, rtol=1e-4)
    assert np.all(np.asarray(slope) > 0)
