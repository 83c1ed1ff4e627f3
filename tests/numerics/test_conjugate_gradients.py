"""Conjugate gradients against NumPy's dense solutions: trees, warm starts, ends that are what they say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jxrecon.numerics.conjugate_gradients import dot, fixed_steps, flexible, inverses


def problem(size: int = 12):
    rng = np.random.default_rng(4)
    root = rng.normal(size=(size, size))
    matrix = root @ root.T + np.diag(rng.uniform(1, 50, size))
    return matrix, rng.normal(size=size)


def solved(matrix, b, first, **limits):
    """In two parts, with an inner iteration for the preconditioner."""
    h, diagonal = jnp.asarray(matrix), jnp.asarray(np.diag(matrix))
    split = lambda v: (v[:5], v[5:])  # noqa: E731
    whole = jnp.concatenate
    near = h + jnp.diag(0.3 * diagonal)

    def inverse(r):
        return split(fixed_steps(lambda x: near @ x, lambda x: x / diagonal, whole(r), 4))

    run = jax.jit(lambda b, x: flexible(lambda v: split(h @ whole(v)), inverse, split(b), split(x), **limits))
    x, r, turns = run(jnp.asarray(b), jnp.asarray(first))
    np.testing.assert_allclose(whole(r), b - matrix @ np.asarray(whole(x)), atol=1e-9)
    return np.asarray(whole(x)), int(turns)


def test_solution_is_that_of_the_dense_system(float64):
    matrix, b = problem()
    x, turns = solved(matrix, b, np.zeros(12), share=1e-20, enough=0.0, most=50)
    np.testing.assert_allclose(x, np.linalg.solve(matrix, b), rtol=1e-7, atol=1e-12)
    assert turns < 25


def test_a_start_near_the_solution_takes_fewer_turns_to_the_same_distance(float64):
    matrix, b = problem()
    right = np.linalg.solve(matrix, b)
    near = right + 1e-3 * np.random.default_rng(1).normal(size=12)
    enough = 1e-6
    found = [solved(matrix, b, first, share=0.0, enough=enough, most=50) for first in (np.zeros(12), near)]
    for x, _ in found:
        assert (x - right) @ matrix @ (x - right) < 2 * enough
    assert found[1][1] < found[0][1]
    assert solved(matrix, b, right, share=0.0, enough=enough, most=50)[1] == 0


def test_most_turns_are_the_last(float64):
    matrix, b = problem()
    assert solved(matrix, b, np.zeros(12), share=0.0, enough=0.0, most=3)[1] == 3


def test_fixed_steps_are_exact_once_there_are_enough(float64):
    matrix, b = problem(5)
    h = jnp.asarray(matrix)
    x = fixed_steps(lambda v: h @ v, lambda v: v, jnp.asarray(b), 5)
    np.testing.assert_allclose(x, np.linalg.solve(matrix, b), rtol=1e-8)


@pytest.mark.parametrize("size", [1, 4, 12])
def test_inverses(float64, size):
    matrices = np.stack([problem(size)[0] * s for s in (1.0, 1e-3, 1e4)])
    np.testing.assert_allclose(
        inverses(jnp.asarray(matrices)) @ matrices, np.broadcast_to(np.eye(size), matrices.shape), atol=1e-9
    )


def test_products_of_trees():
    a = {"p": jnp.arange(3.0), "q": (jnp.ones((2, 2)),)}
    assert float(dot(a, a)) == 5 + 4
