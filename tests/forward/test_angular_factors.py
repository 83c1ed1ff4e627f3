"""Intensities that depend on the angle, what lies around the specimen, absorption of the way in: each voxel by itself."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_lattice import TWO_THETA_DEG, lattice, model

from jxrecon.classical.angular_fit import fitted_factors
from jxrecon.forward.angular_factors import fourier, radial_texture
from jxrecon.kernels.ray_transform import middle

SIZE, VIEWS = 7, 6
ANGLE = np.arange(VIEWS) * np.pi / VIEWS


def counts_of(here, maps):
    return np.asarray(eqx.filter_jit(here)(maps), float)


def with_factors(factors, coefficient):
    new = dataclasses.replace(factors, coefficient=jnp.asarray(coefficient, jnp.float32))
    return dataclasses.replace(model(SIZE, views=VIEWS), factors=new)


def scaled(maps, factor):
    """Areas (peak y x z) times a factor; the map of areas is linear far above its softness."""
    areas = np.asarray(maps.areas()) * factor
    return eqx.tree_at(
        lambda p: (p.area, p.softness), maps, (jnp.asarray(areas, jnp.float32), jnp.asarray(1e-4))
    )


@pytest.fixture(scope="module")
def maps():
    return scaled(lattice(SIZE), 1.0)


def view_by_view(maps, factor):
    """Counts where each view has areas of its own: factor (view peak y x z)."""
    here = model(SIZE, views=VIEWS)
    run = eqx.filter_jit(lambda m, p: m(p))
    return np.stack([np.asarray(run(here, scaled(maps, factor[k])))[k] for k in range(VIEWS)])


def test_waves_have_no_mean_and_scale_the_views_of_each_reflection(maps):
    factors = fourier(ANGLE, 3, 2)
    assert np.allclose(np.mean(factors.function, axis=0), 0, atol=1e-7)
    coefficient = np.random.default_rng(0).normal(0, 0.1, (3, 4))
    here = with_factors(factors, coefficient)
    values = np.asarray(here.factors.values())
    phase = 2 * ANGLE[:, None]
    waves = np.concatenate([np.cos(phase), np.cos(2 * phase), np.sin(phase), np.sin(2 * phase)], axis=1)
    assert np.allclose(values, 1 + (waves - waves.mean(axis=0)) @ coefficient.T, atol=1e-6)
    expected = view_by_view(maps, values[:, :, None, None, None])
    np.testing.assert_allclose(counts_of(here, maps), expected, rtol=2e-4)


def test_a_radial_texture_is_legendre_of_radius_and_beam(maps):
    here = with_factors(radial_texture(ANGLE, 3, (SIZE, SIZE, 1), np.array([0.7])), [[0.4], [-0.2], [0.1]])
    y, x = np.mgrid[:SIZE, :SIZE] - middle(SIZE)
    along = y * np.cos(ANGLE)[:, None, None] - x * np.sin(ANGLE)[:, None, None]
    square = along**2 / (x**2 + y**2 + 0.49)
    factor = 1 + np.array([0.4, -0.2, 0.1])[:, None, None] * (1.5 * square - 0.5)[:, None]
    np.testing.assert_allclose(counts_of(here, maps), view_by_view(maps, factor[..., None]), rtol=2e-4)


def test_voxels_do_not_know_where_they_are(maps):
    """Derivatives are taken row by row."""
    here = with_factors(radial_texture(ANGLE, 3, (SIZE, SIZE, 1)), [[0.4], [-0.2], [0.1]])
    row = jax.tree.map(lambda a: a[:, 2:3] if a.ndim == 4 else a, maps)
    np.testing.assert_allclose(here.voxels(row), here.voxels(maps)[:, 2:3], rtol=1e-5)


@pytest.mark.parametrize("kind", ["waves", "texture"])
def test_factors_are_found_for_given_maps(maps, kind):
    bright = dataclasses.replace(
        scaled(maps, 300.0), background=maps.background * 100, floor=maps.floor * 100
    )
    factors = fourier(ANGLE, 3, 1) if kind == "waves" else radial_texture(ANGLE, 3, (SIZE, SIZE, 1))
    truth = np.random.default_rng(1).normal(0, 0.1, factors.coefficient.shape)
    counts = np.random.default_rng(2).poisson(counts_of(with_factors(factors, truth), bright))
    here = with_factors(factors, np.zeros_like(truth))
    fit = fitted_factors(here, bright, jnp.asarray(counts, jnp.float32))
    assert fit.model.factors is not None
    off = (np.asarray(fit.model.factors.coefficient) - truth) / fit.error
    assert np.all(fit.error < 0.02) and np.sqrt(np.mean(off**2)) < 1.8 and np.abs(off).max() < 3.5
    with pytest.raises(ValueError, match="no `factors`"):
        fitted_factors(model(SIZE, views=VIEWS), bright, jnp.asarray(counts, jnp.float32))


def test_air_is_counted_with_the_monitor_and_is_no_part_of_the_transform(maps):
    air = np.exp(-TWO_THETA_DEG / 10)
    plain = model(SIZE, views=VIEWS)
    here = model(SIZE, views=VIEWS, around=air[None, None, None])
    monitor = np.asarray(plain.monitor)[..., None]
    np.testing.assert_allclose(counts_of(here, maps) - counts_of(plain, maps), monitor * air, rtol=1e-3)
    nothing = jnp.zeros_like(here.voxels(maps))
    assert not np.any(here.transform(nothing))


def test_the_way_in_alone_is_absorbed_by_what_lies_upstream():
    """At the angle 0 the beam goes to larger y; a voxel has half of itself before its middle."""
    mu = 0.04
    maps = scaled(lattice(SIZE), 1.0)
    here = model(SIZE, views=1, absorption=np.full((SIZE, SIZE, 1), mu))
    here = dataclasses.replace(here, incident_only=True, monitor=jnp.ones((1, 1, SIZE)))
    plain = dataclasses.replace(here, absorption=None)
    through = np.exp(-mu * (np.arange(SIZE) + 0.5))[:, None, None]
    patterns = np.asarray(plain.voxels(maps)[0])
    expected = np.einsum("yxzk,yxz->zxk", patterns, np.broadcast_to(through, patterns.shape[:3]))[None]
    # Paths are integrated on a turned grid, which blurs the two sides of the slab.
    np.testing.assert_allclose(counts_of(here, maps)[:, :, 1:-1], expected[:, :, 1:-1], rtol=3e-3)
    x, y = (
        jnp.asarray(np.random.default_rng(3).normal(size=s), jnp.float32)
        for s in ((1, *patterns.shape), expected.shape)
    )
    left, right = jnp.vdot(here.transform(x), y), jnp.vdot(x, here.transposed(y, x))
    assert float(left) == pytest.approx(float(right), rel=1e-4)
