"""Kernels of morphology against their references, values and gradients; linear ones against their transposes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from jxrecon.kernels.directional_variation import directional_variation, directional_variation_reference
from jxrecon.kernels.euler_number import euler_number, euler_number_reference
from jxrecon.kernels.even_convolution import even_convolution, even_convolution_reference
from jxrecon.kernels.gradient_penalty import (
    huber_variation,
    huber_variation_reference,
    phase_field,
    phase_field_reference,
)
from jxrecon.kernels.lineal_path import lineal_path, lineal_path_reference
from jxrecon.kernels.partial_volume import mixture, mixture_reference, scaled_tail
from jxrecon.kernels.shell_means import shell_means, shell_sums, shell_sums_reference
from jxrecon.kernels.soft_opening import ball, ball_volume, opening, opening_reference
from jxrecon.kernels.two_point import two_point, two_point_reference

SHAPE = (7, 10, 8)
RNG = np.random.default_rng(0)
OTHER, WEIGHTS = RNG.uniform(size=SHAPE), RNG.normal(size=4)
SHARES = np.array([0.3, 0.5, 0.2])


def along(values):
    """One number of a curve."""
    return values @ jnp.asarray(WEIGHTS, values.dtype)


def of_mixture(function, solid):
    as_u = lambda u, *values: [jnp.asarray(v, u.dtype) for v in values]  # noqa: E731
    return lambda u: function(3 * u - 1, *as_u(u, SHARES, 0.05, solid, 0.08))


PAIRS = {
    "huber": (lambda u: huber_variation(u, 0.4), lambda u: huber_variation_reference(u, 0.4)),
    "phase field": (lambda u: phase_field(u, 1.5), lambda u: phase_field_reference(u, 1.5)),
    "directional": (
        lambda u: directional_variation(u, jnp.asarray(OTHER, u.dtype), 0.1, 0.2),
        lambda u: directional_variation_reference(u, jnp.asarray(OTHER, u.dtype), 0.1, 0.2),
    ),
    "euler": (euler_number, euler_number_reference),
    "lineal path": (lambda u: along(lineal_path(u, 4)), lambda u: along(lineal_path_reference(u, 4))),
    "two point": (lambda u: along(two_point(u, 4)), lambda u: along(two_point_reference(u, 4))),
    "shells": (
        lambda u: along(shell_sums(u, jnp.asarray(7 * OTHER - 2, u.dtype), 4) ** 2),
        lambda u: along(shell_sums_reference(u, jnp.asarray(7 * OTHER - 2, u.dtype), 4) ** 2),
    ),
    "opening": (
        lambda u: jnp.vdot(OTHER.astype(u.dtype), opening(0.5 + 0.36 * u, 1.5)),
        lambda u: jnp.vdot(OTHER.astype(u.dtype), opening_reference(0.5 + 0.36 * u, 1.5)),
    ),
    "convolution": (
        lambda u: jnp.sum(even_convolution(u, ball(2.0)) ** 3),
        lambda u: jnp.sum(even_convolution_reference(u, ball(2.0)) ** 3),
    ),
    "mixture": (of_mixture(mixture, 0.9), of_mixture(mixture_reference, 0.9)),
    "local mixture": (
        of_mixture(mixture, 0.8 + 0.2 * OTHER),
        of_mixture(mixture_reference, 0.8 + 0.2 * OTHER),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_fast_and_reference_agree(float64, name):
    u = jnp.asarray(RNG.uniform(size=SHAPE))
    (value, slope), (expected, reference) = (jax.jit(jax.value_and_grad(f))(u) for f in PAIRS[name])
    assert float(value) == pytest.approx(float(expected), rel=1e-12)
    np.testing.assert_allclose(slope, reference, atol=1e-12 * float(jnp.abs(reference).max()))


@pytest.mark.parametrize("name", PAIRS)
def test_single_precision_is_enough(name):
    u = RNG.uniform(size=SHAPE)
    value, slope = jax.jit(jax.value_and_grad(PAIRS[name][0]))(jnp.asarray(u, jnp.float32))
    with jax.enable_x64(True):
        expected, exact = jax.jit(jax.value_and_grad(PAIRS[name][0]))(jnp.asarray(u))
    assert value.dtype == slope.dtype == jnp.float32
    assert float(value) == pytest.approx(float(expected), rel=1e-4, abs=1e-4)
    np.testing.assert_allclose(slope, exact, atol=2e-4 * np.abs(np.asarray(exact)).max())


@pytest.mark.parametrize("radius", [1.0, 2.0, 3.0])
def test_convolution_is_a_sum_over_the_ball_and_its_own_transpose(float64, radius):
    shape = (11, 9, 10)
    u, v = (jnp.asarray(RNG.normal(size=shape)) for _ in "uv")
    octant, reach = ball(radius), len(ball(radius)) - 1
    sums = np.zeros(shape)
    for d in np.ndindex(*(2 * reach + 1,) * 3):
        d = np.array(d) - reach
        sums += octant[tuple(np.abs(d))] * np.roll(u, d, (0, 1, 2))
    found = even_convolution(u, octant)
    np.testing.assert_allclose(found, sums, atol=1e-12)
    assert float(jnp.vdot(v, found)) == pytest.approx(
        float(jnp.vdot(u, even_convolution(v, octant))), rel=1e-12
    )
    (back,) = jax.vjp(lambda u: even_convolution(u, octant), u)[1](v)
    np.testing.assert_allclose(back, even_convolution(v, octant), atol=1e-12)
    assert ball_volume(radius) == pytest.approx(4 / 3 * np.pi * (radius**3), rel=0.3)


def test_shell_means_have_their_transpose(float64):
    t = jnp.asarray(8 * OTHER - 2)
    u, weights = jnp.asarray(RNG.normal(size=SHAPE)), jnp.asarray(WEIGHTS)
    means, back = jax.vjp(lambda u: shell_means(u, t, 4)[0], u)
    assert float(jnp.vdot(means, weights)) == pytest.approx(float(jnp.vdot(u, back(weights)[0])), rel=1e-12)
    ones, voxels = shell_means(jnp.ones(SHAPE), t, 4)
    np.testing.assert_allclose(ones, 1, rtol=1e-12)
    assert float(voxels.sum()) == pytest.approx(
        float(jnp.clip(2 - jnp.abs(t - 1.5) + 0.5, 0, 1).sum()), rel=1e-12
    )
    empty, none = shell_means(u, jnp.full(SHAPE, 9.0), 4)
    assert not np.asarray(empty).any() and not np.asarray(none).any()


def test_tails_neither_underflow_nor_lose_digits(float64):
    h = np.linspace(0, 300, 20001)
    exact = special.erfcx(h / np.sqrt(2))
    np.testing.assert_allclose(scaled_tail(jnp.asarray(h)), exact, rtol=5e-15)
    np.testing.assert_allclose(scaled_tail(jnp.asarray(h, jnp.float32)), exact, rtol=5e-7)


def test_a_mixture_integrates_to_one_and_its_slopes_by_all_parameters_are_right(float64):
    x = jnp.linspace(-0.6, 1.6, 40001)
    single = jax.vmap(lambda v: of_mixture(mixture_reference, 0.9)((v[None, None, None] + 1) / 3))
    assert np.trapezoid(np.exp(-jax.jit(single)(x)), x) == pytest.approx(1, abs=1e-12)
    u, solid = jnp.asarray(3 * RNG.uniform(size=SHAPE) - 1), jnp.asarray(0.8 + 0.2 * OTHER)
    for level in (jnp.asarray(0.9), solid):
        at = (u, jnp.asarray(SHARES), jnp.asarray(0.05), level, jnp.asarray(0.08))
        fast, plain = (
            jax.jit(jax.grad(f, argnums=(0, 1, 2, 3, 4)))(*at) for f in (mixture, mixture_reference)
        )
        for one, other in zip(fast, plain):
            np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-11 * float(jnp.abs(other).max()))


def test_a_mixture_is_finite_however_far_from_both_levels():
    x = jnp.asarray([-50.0, -1.0, 0.45, 2.0, 80.0], jnp.float32)[:, None, None]
    value, slope = jax.value_and_grad(of_mixture(mixture, 0.9))((x + 1) / 3)
    assert np.isfinite(value) and np.isfinite(slope).all()
    # Beyond a level it is the normal distribution's parabola.
    assert float(slope[-1, 0, 0]) / 3 == pytest.approx((80 - 0.9) / 0.08**2, rel=1e-3)
    assert abs(float(slope[2, 0, 0])) < 1e-2


def test_what_does_not_fit_is_refused():
    u = jnp.ones((6, 8, 8))
    with pytest.raises(ValueError, match="displacements of 3 voxels do not fit"):
        two_point(u, 4)
    with pytest.raises(ValueError, match="lines of 7 voxels do not fit"):
        lineal_path(u, 7)
