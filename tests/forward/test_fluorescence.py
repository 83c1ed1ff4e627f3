"""Fluorescence with self-absorption: transpose, derivatives, paths, and a disc whose counts quadrature gives."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
from scipy.special import erfc

from jxrecon.forward.fluorescence import Fluorescence, absorption, beam_matrix, path_integrals


def small(dtype=jnp.float64, width=9, views=4, coarse=1, rays=1, mu=0.2):
    """Two elements, three lines, two windows, two detectors."""
    rng = np.random.default_rng(3)
    array = lambda values: jnp.asarray(values, dtype)  # noqa: E731
    return Fluorescence(
        angle=array(np.linspace(0.1, 3.0, views)),
        shift=array(rng.normal(0, 0.3, views)),
        monitor=array(rng.uniform(0.5, 1.5, (views, width))),
        direction=array(np.array([[-np.pi / 2], [np.pi / 2]]) + 0.1 * np.arange(rays)),
        response=array(rng.uniform(0.2, 1, (2, 2, 3))),
        absorption_in=array([0.5 * mu, mu]),
        absorption_out=array(mu * rng.uniform(0.5, 2, (2, 3))),
        beam=array(beam_matrix(width, 2.0)),
        element=(0, 0, 1),
        width=width,
        coarse=coarse,
    )


def amounts(dtype=jnp.float64, width=9, slices=2):
    y, x = (np.arange(width) - (width - 1) / 2,) * 2
    disc = np.hypot(y[:, None], x) < 0.4 * width
    values = np.random.default_rng(4).uniform(0.5, 1.5, (width, width, slices, 2)) * disc[..., None, None]
    return jnp.asarray(values, dtype)


def test_transpose_is_exact(float64):
    model, x = small(), amounts()
    survivals = jax.jit(lambda x: model.survivals(x))(x)
    project = jax.jit(lambda a: model.linear(a, survivals))
    y, back = jax.vjp(project, x)
    p = jnp.asarray(np.random.default_rng(5).normal(size=y.shape))
    other = jnp.asarray(np.random.default_rng(6).normal(size=x.shape))
    left, right = jnp.vdot(project(other), p), jnp.vdot(other, back(p)[0])
    assert abs(left - right) < 1e-12 * abs(left) + 1e-10


@pytest.mark.parametrize("coarse, rays", [(1, 1), (2, 1), (1, 3)])
def test_call_is_linear_with_survivals(float64, coarse, rays):
    model, x = small(coarse=coarse, rays=rays), amounts()
    linear = jax.jit(lambda x: model.linear(x, model.survivals(x)))
    np.testing.assert_allclose(jax.jit(lambda x: model(x))(x), linear(x), rtol=1e-12)


def test_gradient_of_everything_against_finite_differences(float64):
    model, x = small(), amounts()

    @jax.jit
    def value(x, model):
        return jnp.sum(jnp.sin(model(x)))

    gradient, of_model = jax.jit(jax.grad(value, argnums=(0, 1)))(x, model)
    step, rng = 1e-6, np.random.default_rng(7)
    way = jnp.asarray(rng.normal(size=x.shape))
    found = (value(x + step * way, model) - value(x - step * way, model)) / (2 * step)
    assert jnp.vdot(gradient, way) == pytest.approx(float(found), rel=1e-5)
    for name in ("shift", "angle", "monitor", "response", "absorption_in", "absorption_out"):
        old = getattr(model, name)
        way = jnp.asarray(rng.normal(size=old.shape))
        moved = [value(x, dataclasses.replace(model, **{name: old + sign * step * way})) for sign in (1, -1)]
        slope = float(jnp.vdot(getattr(of_model, name), way))
        assert slope == pytest.approx(float((moved[0] - moved[1]) / (2 * step)), rel=2e-5), name


def test_given_absorbers_stand_still(float64):
    model, x = small(), amounts()
    held = jax.jit(jax.grad(lambda a: jnp.sum(model(a, attenuating=x))))(x)
    free, total = jax.jit(lambda x: (jax.grad(lambda a: jnp.sum(model(a)))(x), jnp.sum(model(x))))(x)
    assert jnp.sum(free) < jnp.sum(held)  # more matter absorbs more
    np.testing.assert_allclose(jnp.vdot(held, x), total, rtol=1e-10)


@pytest.mark.parametrize("coarse, size, tolerance", [(1, 40, 0.15), (2, 40, 0.6), (2, 41, 0.6)])
def test_paths_out_of_a_smooth_blob(float64, coarse, size, tolerance):
    """A Gaussian's integral from any point on is an error function; in voxel lengths."""
    s, c = 5.0, (np.arange(size) - (size - 1) / 2)
    y, x = c[:, None], c
    mu = np.exp(-(y**2 + x**2) / (2 * s**2))
    found = jax.jit(lambda direction: path_integrals(jnp.asarray(mu)[..., None], direction, coarse)[..., 0])
    for way in (0.0, 0.7, np.pi / 2, 4.0):
        along, across = x * np.cos(way) + y * np.sin(way), y * np.cos(way) - x * np.sin(way)
        truth = np.exp(-(across**2) / (2 * s**2)) * s * np.sqrt(np.pi / 2) * erfc(along / (s * np.sqrt(2)))
        assert np.max(np.abs(found(jnp.asarray(way)) - truth)) < tolerance  # the longest path is 12.5


def disc(size, radius, points=8):
    """Share of each voxel within a disc."""
    fine = (np.arange(size * points) - (size * points - 1) / 2) / points
    inside = np.hypot(fine[:, None], fine) < radius
    return inside.reshape(size, points, size, points).mean((1, 3))


@pytest.mark.parametrize("angle", [0.0, 0.5])
def test_homogeneous_disc_by_quadrature(float64, angle):
    size, radius, mu_in, mu_out = 61, 25.0, 0.02, 0.05
    one = jnp.ones((1,))
    model = Fluorescence(
        angle=jnp.array([angle]),
        shift=jnp.zeros(1),
        monitor=jnp.ones((1, size)),
        direction=jnp.array([[-np.pi / 2], [np.pi / 2]]),
        response=jnp.ones((2, 1, 1)),
        absorption_in=mu_in * one,
        absorption_out=mu_out * one[None],
        beam=jnp.eye(size),
        element=(0,),
        width=size,
    )
    found = np.asarray(jax.jit(lambda x: model(x))(jnp.asarray(disc(size, radius))[..., None, None]))[
        0, :, :, 0, 0
    ]

    def exact(u, side):
        half = np.sqrt(radius**2 - u**2)
        out = lambda t: np.sqrt(radius**2 - t**2) - side * u  # noqa: E731
        return scipy.integrate.quad(lambda t: np.exp(-mu_in * (t + half) - mu_out * out(t)), -half, half)[0]

    for u in (-20, -8, 0, 8, 20):
        for k, side in enumerate((1, -1)):  # the detector at -90 degrees looks on large u
            assert found[k, u + 30] == pytest.approx(exact(u, side), rel=0.012), (u, side)


def test_absorption_of_nmc():
    """Published coefficients (per cm, 3.6 g/cm^3): 75.8 at 17.3 keV with scattering, 459 at Ni K-alpha."""
    shares = np.array([0.54 * 54.938, 0.10 * 58.933, 0.19 * 58.693]) / 86.832 * 3.6
    found = shares @ absorption(("Mn", "Co", "Ni"), (17.3, 7.472), 0.01, "Li1.41O2.41")
    np.testing.assert_allclose(found, [75.8, 459], rtol=0.035)


def test_a_beam_keeps_its_light():
    beam = beam_matrix(31, 2.1)
    assert beam[15].sum() == pytest.approx(1, abs=1e-12)
    half = beam[15] / beam[15].max()
    assert half[16] == pytest.approx(0.5 ** ((1 / 1.05) ** 2), rel=1e-12)
