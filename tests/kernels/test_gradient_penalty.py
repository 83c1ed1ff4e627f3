"""Fast against reference, values and gradients; gradients against finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jxrecon.kernels.gradient_penalty import (
    squared_gradient,
    squared_gradient_reference,
    total_variation,
    total_variation_reference,
)

PAIRS = {
    "total_variation": (lambda u: total_variation(u, 0.02), lambda u: total_variation_reference(u, 0.02)),
    "squared_gradient": (squared_gradient, squared_gradient_reference),
}
SHAPES = [(5, 6, 7), (1, 4, 3), (4, 1, 1)]
pytestmark = pytest.mark.parametrize("name", PAIRS)


@pytest.mark.parametrize("shape", SHAPES)
def test_fast_and_reference_agree(float64, name, shape):
    fast, reference = PAIRS[name]
    u = jnp.asarray(np.random.default_rng(0).normal(size=shape))
    value, slope = jax.jit(jax.value_and_grad(fast))(u)
    expected, expected_slope = jax.value_and_grad(reference)(u)
    assert float(value) == pytest.approx(float(expected), rel=1e-12) == float(fast(u))
    np.testing.assert_allclose(slope, expected_slope, atol=1e-12)


def test_gradient_is_that_of_finite_differences(float64, name):
    fast, _ = PAIRS[name]
    rng = np.random.default_rng(1)
    u, direction = (jnp.asarray(rng.normal(size=(6, 5, 7))) for _ in "ab")
    along = float(jnp.vdot(jax.grad(fast)(u), direction))
    step = 1e-5
    difference = (float(fast(u + step * direction)) - float(fast(u - step * direction))) / (2 * step)
    assert along == pytest.approx(difference, rel=1e-7)


def test_the_chain_rule_and_single_precision(name):
    fast, reference = PAIRS[name]
    u = jnp.asarray(np.random.default_rng(2).normal(size=(16, 16, 16)), jnp.float32)
    slope = jax.grad(lambda u: 3 * fast(2 * u))(u)
    expected = jax.grad(lambda u: 3 * reference(2 * u))(u)
    assert slope.dtype == jnp.float32
    np.testing.assert_allclose(slope, expected, atol=1e-4 * float(jnp.abs(expected).max()))


def test_what_does_not_change_costs_nothing(name):
    fast, _ = PAIRS[name]
    value, slope = jax.value_and_grad(fast)(jnp.full((4, 5, 6), 0.9, jnp.float32))
    assert float(value) == pytest.approx(0, abs=1e-6) and not np.asarray(slope).any()
