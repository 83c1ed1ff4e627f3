"""Differences of known functions, the diagonal of D^T D, and the least value of a stencil."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jxrecon.numerics.stencils import differences, least, squared_coefficients, taps

SHAPES = {"slice": (6, 7, 1), "volume": (5, 6, 4), "row": (1, 8, 1), "map": (1, 6, 5)}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_second_differences_of_a_quadratic_are_its_hessian(shape):
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1).astype(float)
    hessian = np.array([[1.0, 0.3, -0.2], [0.3, -0.5, 0.4], [-0.2, 0.4, 0.7]])
    u = jnp.asarray(np.einsum("...i,ij,...j->...", grid, hessian, grid) / 2 + grid @ [3.0, -1.0, 2.0])[
        ..., None
    ]
    axes = [k for k in range(3) if shape[k] > 1]
    expected = [hessian[k, k] for k in axes if shape[k] > 2]
    expected += [np.sqrt(2) * hessian[i, j] for n, i in enumerate(axes) for j in axes[n + 1 :]]
    found = np.asarray(jax.jit(lambda v: differences(v, 2))(u))[..., 0]
    for values, right in zip(found, expected, strict=True):
        inside = values[np.abs(values) > 1e-4]
        np.testing.assert_allclose(inside, right, atol=1e-4)
        assert inside.size > 0


def test_first_differences_of_a_constant_vanish_and_of_a_ramp_do_not():
    ramp = jnp.arange(6.0)[None, :, None, None] * jnp.ones((5, 1, 1, 1))
    found = np.asarray(differences(ramp, 1))
    assert np.all(found[0] == 0) and np.all(found[1, :, :-1] == 1) and np.all(found[1, :, -1] == 0)
    assert not np.any(differences(jnp.ones((4, 5, 3, 1)), 1))


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_squares_of_coefficients_give_the_diagonal(order, shape):
    u = jnp.zeros((*shape, 1))
    weight = jnp.asarray(
        np.random.default_rng(0).uniform(1, 2, (len(taps(shape, order)), *shape, 1)), jnp.float32
    )
    diagonal = jax.jit(lambda w: jax.vjp(lambda v: squared_coefficients(v, order), u)[1](w)[0])(weight)
    normal = lambda v: jax.vjp(lambda w: differences(w, order), u)[1](weight * differences(v, order))[0]  # noqa: E731
    one = jnp.eye(u.size).reshape(u.size, *u.shape)
    exact = jax.jit(jax.vmap(lambda e: jnp.vdot(e, normal(e))))(one).reshape(u.shape)
    np.testing.assert_allclose(diagonal, exact, rtol=1e-5)


def test_least_is_the_smallest_voxel_of_a_stencil():
    u = jnp.ones((4, 5, 1, 1)).at[1, 2].set(0.25)
    low = np.asarray(least(u, 1))[..., 0, 0]
    assert low[0, 0, 2] == low[0, 1, 2] == low[1, 1, 1] == low[1, 1, 2] == 0.25 and low[0, 0, 0] == 1
