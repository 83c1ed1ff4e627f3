"""Sums of split peaks against their reference, `profile_sum` where both sides are alike, areas, and finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jxrecon.kernels.profile_sum import profile_sum, windows_around
from jxrecon.kernels.split_profile_sum import split_profile_sum, split_profile_sum_reference

TWO_THETA = 8.0 + 0.01 * np.arange(400)
REFERENCE = np.array([8.65, 10.3, 10.42])
WINDOWS = windows_around(TWO_THETA, REFERENCE, 0.6)
NAMES = ("offset", "left", "right", "mixing", "area")


def peaks(seed=0, voxels=(2, 3)):
    generator = np.random.default_rng(seed)
    shape = (*voxels, len(REFERENCE))
    limits = ((-0.02, 0.02), (0.05, 0.1), (0.08, 0.16), (0.1, 0.9), (1.0, 5.0))
    return [jnp.asarray(generator.uniform(*pair, shape)) for pair in limits]


def test_values_and_gradients_are_those_of_the_reference(float64):
    weights = jnp.asarray(np.random.default_rng(1).normal(size=(2, 3, len(TWO_THETA))))

    def weighted(function):
        return jax.jit(jax.value_and_grad(lambda p: jnp.sum(weights * function(*p, windows=WINDOWS))))

    one, other = (weighted(f)(peaks()) for f in (split_profile_sum, split_profile_sum_reference))
    assert one[0] == pytest.approx(float(other[0]), rel=1e-12)
    for a, b in zip(one[1], other[1]):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


def test_equal_sides_are_the_plain_sum(float64):
    offset, left, _, mixing, area = peaks()
    found = split_profile_sum(offset, left, left, mixing, area, windows=WINDOWS)
    np.testing.assert_allclose(found, profile_sum(offset, left, mixing, area, windows=WINDOWS), rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_gradient_against_finite_differences(float64, name):
    k, start = NAMES.index(name), peaks(3, (1,))
    weights = jnp.asarray(np.random.default_rng(2).normal(size=(1, len(TWO_THETA))))

    def value(parameter):
        changed = [*start[:k], parameter, *start[k + 1 :]]
        return jnp.sum(weights * split_profile_sum(*changed, windows=WINDOWS))

    gradient = jax.grad(value)(start[k])
    for peak in range(len(REFERENCE)):
        step = 1e-6 * jnp.zeros_like(start[k]).at[0, peak].set(1.0)
        difference = (value(start[k] + step) - value(start[k] - step)) / 2e-6
        assert float(gradient[0, peak]) == pytest.approx(float(difference), rel=1e-5, abs=1e-5)


def test_area_height_and_half_widths_are_as_stated(float64):
    x = np.arange(-60.0, 60.0, 0.002) + 100
    wide = windows_around(x, np.array([100.0]), 60.0)
    left, right, area = 0.2, 0.5, 3.0
    one = [jnp.array([v]) for v in (0.0, left, right, 0.3, area)]
    y = np.asarray(split_profile_sum(*one, windows=wide))
    assert 0.002 * y.sum() == pytest.approx(area, rel=3e-3)  # 0.3 % of a Lorentzian's area is further out
    half = x[y >= y.max() / 2]
    assert 100 - half[0] == pytest.approx(left / 2, abs=0.003) and half[-1] - 100 == pytest.approx(
        right / 2, abs=0.003
    )
