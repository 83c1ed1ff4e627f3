"""Batched least squares against SciPy's, problem by problem, and small systems against NumPy's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import least_squares

from jxrecon.classical.levenberg_marquardt import levenberg_marquardt
from jxrecon.classical.small_matrices import inverse, solved, swept

BATCH = 12


@jax.jit
def rosenbrock(p, at):
    """A curved valley whose bottom is at (at, at^2)."""
    x, y = p
    residual = jnp.stack([10 * (y - x * x), at - x])
    slope = jnp.stack([jnp.stack([-20 * x, 10 + 0 * x]), jnp.stack([-1 + 0 * x, 0 * x])])
    return residual, slope


@jax.jit
def exponentials(p, y):
    """a exp(-b t) + c exp(-d t)."""
    a, b, c, d = p
    t = jnp.linspace(0, 4, len(y))[:, None]
    first, second = jnp.exp(-b * t), jnp.exp(-d * t)
    return a * first + c * second - y, jnp.stack([first, -a * t * first, second, -c * t * second], axis=1)


@jax.jit
def power(p, y):
    """a t^b: far from a line."""
    a, b = p
    t = jnp.linspace(0.5, 3, len(y))[:, None]
    value = t**b
    return a * value - y, jnp.stack([value, a * jnp.log(t) * value], axis=1)


def noisy_data(function, truth, channels):
    random = np.random.default_rng(3)
    p = np.array(truth)[:, None] * random.uniform(0.9, 1.1, (len(truth), BATCH))
    clean = np.asarray(function(jnp.asarray(p), jnp.zeros((channels, BATCH)))[0])
    return jnp.asarray(clean + 0.01 * random.normal(size=clean.shape))


PROBLEMS = {
    "rosenbrock": (rosenbrock, (-1.2, 1.0), lambda: jnp.linspace(0.5, 2, BATCH)),
    "exponentials": (
        exponentials,
        (1.0, 1.0, 1.0, 4.0),
        lambda: noisy_data(exponentials, (2.0, 0.6, 1.5, 3.0), 60),
    ),
    "power": (power, (1.0, 1.0), lambda: noisy_data(power, (0.4, 3.0), 30)),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_problem_of_a_batch_ends_where_scipy_does(float64, name):
    function, start, make = PROBLEMS[name]
    data = make()
    begin = jnp.tile(jnp.array(start)[:, None], (1, BATCH))
    found = jax.jit(lambda p, d: levenberg_marquardt(function, p, d, tolerance=1e-12, steps=200))(begin, data)
    assert np.all(found.converged)
    for k in range(BATCH):
        one = data[..., k : k + 1]
        peer = least_squares(
            lambda p, one=one: np.asarray(function(jnp.asarray(p)[:, None], one)[0])[:, 0],
            start,
            lambda p, one=one: np.asarray(function(jnp.asarray(p)[:, None], one)[1])[..., 0],
            method="lm",
            xtol=1e-14,
            ftol=1e-14,
        )
        np.testing.assert_allclose(found.parameters[:, k], peer.x, rtol=1e-5)
        assert float(found.cost[k]) <= 2 * peer.cost * (1 + 1e-9) + 1e-12
        errors = np.sqrt(np.diag(np.linalg.inv(peer.jac.T @ peer.jac)))
        np.testing.assert_allclose(found.errors[:, k], errors, rtol=1e-4)


def test_bounds_hold_and_the_rest_is_at_its_best_there(float64):
    function, start, make = PROBLEMS["exponentials"]
    data = make()
    low, high = np.array([0, 0, 0, 2.0]), np.array([9, 1.5, 1.2, 9.0])
    begin = jnp.tile(jnp.array(start)[:, None], (1, BATCH))
    found = jax.jit(
        lambda p, d: levenberg_marquardt(function, p, d, lower=low, upper=high, tolerance=1e-12, steps=200)
    )(begin, data)
    assert float(found.parameters[2].max()) <= 1.2
    for k in range(BATCH):
        one = data[:, k : k + 1]
        peer = least_squares(
            lambda p, one=one: np.asarray(function(jnp.asarray(p)[:, None], one)[0])[:, 0],
            start,
            bounds=(low, high),
            xtol=1e-14,
            ftol=1e-14,
            gtol=1e-14,
        )
        assert float(found.cost[k]) <= 2 * peer.cost * (1 + 1e-6)


def test_a_parameter_that_data_say_nothing_of_has_no_error_bar_and_stays(float64):
    def function(p, y):
        one = jnp.ones_like(y)
        return p[0] - y, jnp.stack([one, 0 * one], axis=1)

    y = jnp.asarray(np.random.default_rng(0).normal(3, 1, (20, BATCH)))
    found = levenberg_marquardt(function, jnp.full((2, BATCH), 0.5), y)
    np.testing.assert_allclose(found.parameters[0], y.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found.errors[0], 1 / np.sqrt(20))
    assert np.all(found.parameters[1] == 0.5) and np.all(np.isinf(found.errors[1]))


def test_a_problem_without_finite_values_is_not_converged_and_harms_no_other():
    function, start, make = PROBLEMS["power"]
    data = make().astype(jnp.float32).at[:, 4].set(jnp.nan)
    begin = jnp.tile(jnp.array(start, jnp.float32)[:, None], (1, BATCH))
    found = levenberg_marquardt(function, begin, data)
    assert np.flatnonzero(~np.asarray(found.converged)).tolist() == [4]


@pytest.mark.parametrize("size", [1, 5, 30])
def test_small_systems_against_numpy(float64, size):
    random = np.random.default_rng(size)
    root = random.normal(size=(7, size, size + 3))
    matrix, right = root @ np.swapaxes(root, 1, 2), random.normal(size=(7, size))
    last = np.moveaxis(matrix, 0, -1)
    x, sound = solved(jnp.asarray(last), jnp.asarray(right.T))
    np.testing.assert_allclose(x.T, np.linalg.solve(matrix, right[..., None])[..., 0], rtol=1e-7, atol=1e-9)
    inverted, definite = inverse(jnp.asarray(last))
    np.testing.assert_allclose(np.moveaxis(inverted, -1, 0), np.linalg.inv(matrix), rtol=1e-7, atol=1e-9)
    assert np.all(sound) and np.all(definite)


def test_sweeping_a_copy_of_a_column_leaves_it_out(float64):
    columns = np.random.default_rng(2).normal(size=(50, 3))
    columns = np.concatenate([columns, columns[:, :1], columns @ [[1.0], [2.0], [3.0]]], axis=1)
    done, sound = swept(jnp.asarray(columns.T @ columns)[..., None], 4)
    np.testing.assert_allclose(done[:4, 4, 0], [1, 2, 3, 0], atol=1e-9)
    assert not sound[0] and abs(float(done[4, 4, 0])) < 1e-9
