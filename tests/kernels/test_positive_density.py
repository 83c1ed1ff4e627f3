"""The positive map of a volume against its reference, and its derivatives against automatic differentiation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jxrecon.kernels.positive_density import positive_density
from jxrecon.numerics.positive import positive


@pytest.mark.parametrize("rows", [3, 16, 37])
def test_values_and_derivatives_are_those_of_the_reference(rows):
    with jax.enable_x64(True):
        rng = np.random.default_rng(rows)
        x = jnp.asarray(rng.normal(0, 0.1, (rows, 4, 5)))
        weights, softness = jnp.asarray(rng.normal(size=x.shape)), jnp.asarray(0.03)

        def value_and_slopes(function):
            return jax.value_and_grad(lambda x, s: jnp.sum(weights * function(x, s)), (0, 1))(x, softness)

        found, expected = (jax.tree.leaves(value_and_slopes(f)) for f in (positive_density, positive))
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)


def test_slope_never_vanishes_in_single_precision():
    x = jnp.asarray([-1.0, -0.1, 0.0, 0.1, 1.0], jnp.float32)[:, None, None]
    slope = jax.grad(lambda x: jnp.sum(positive_density(x, jnp.asarray(0.02))))(x)
    exact = (1 + np.float64(x) / np.sqrt(np.float64(x) ** 2 + 0.02**2)) / 2
    np.testing.assert_allclose(slope, exact, rtol=1e-4)
    assert (np.asarray(slope) > 0).all()
