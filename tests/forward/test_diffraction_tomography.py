"""Patterns of rays: what is summed, what is linear in it, what the beam, the absorption and the depth do; every derivative."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_lattice import CELL, HKL, TWO_THETA_DEG, WAVELENGTH_M, lattice, model

from jxrecon.errors import InputError
from jxrecon.forward.angular_factors import radial_texture
from jxrecon.forward.cell import bragg_deg
from jxrecon.forward.diffraction_tomography import (
    bins_around,
    blurred,
    gaussian_beam,
    peak_patterns,
    ray_patterns,
    voxel_patterns,
)
from jxrecon.forward.pattern_misfit import PatternMisfit
from jxrecon.lattice import from_vectors, to_vectors
from jxrecon.objective import Objective
from jxrecon.parameters import Parameters, Positions, Probe

SIZE, SLICES = 7, 2
ANGLE = np.arange(6) * np.pi / 6


def textured(strength=(0.2, -0.1, 0.3), dtype=np.float32):
    """Factors that follow the radius."""
    factors = radial_texture(ANGLE, 3, (SIZE, SIZE, SLICES))
    factors = dataclasses.replace(factors, coefficient=jnp.asarray(strength)[:, None])
    return jax.tree.map(lambda a: jnp.asarray(a, dtype), factors)


ALL = {
    "beam": gaussian_beam(2.0),
    "absorption": np.full((SIZE, SIZE, SLICES), 0.02),
    "distance": 400.0,
    "bins": bins_around(TWO_THETA_DEG, bragg_deg(HKL, CELL, WAVELENGTH_M), 0.8),
    "around": np.exp(-TWO_THETA_DEG / 10)[None, None, None],
    "factors": textured(),
}
CASES = {"plain": {}, **{name: {name: value} for name, value in ALL.items()}, "all": ALL}


@pytest.fixture(params=CASES, ids=list(CASES))
def fields(request):
    return CASES[request.param]


def counts_of(here, maps):
    return eqx.filter_jit(here)(maps)


def unknowns(maps) -> Parameters:
    probe = Probe(jnp.ones((1, 1, 2, 2), jnp.complex64))
    positions = Positions(jnp.zeros((1, 2)), jnp.zeros((1, 2)), jnp.zeros(4))
    return Parameters(None, probe, positions, jnp.ones(1), lattice=maps)


def test_counts_of_a_view_are_areas_and_backgrounds_of_its_voxels():
    maps, here = lattice(SIZE, SLICES), model(SIZE, SLICES, views=1)
    wide = dataclasses.replace(here, monitor=jnp.ones((1, SLICES, SIZE)))
    step = TWO_THETA_DEG[1] - TWO_THETA_DEG[0]
    peaks = counts_of(wide, eqx.tree_at(lambda p: p.background, maps, maps.background - 1e3))
    # Tails of the outer peaks end outside the channels.
    assert float(peaks.sum() * step) == pytest.approx(float(maps.areas().sum()), rel=0.05)
    none = counts_of(wide, eqx.tree_at(lambda p: p.area, maps, maps.area - 1e6))
    spectrum = jnp.exp(maps.shape @ here.basis).sum()
    assert float(none.sum()) == pytest.approx(float(maps.backgrounds().sum() * spectrum), rel=1e-3)


def test_a_single_view_of_one_row_is_the_map_itself():
    maps, here = lattice(SIZE, SLICES, rows=1), model(SIZE, SLICES, views=1)
    patterns = voxel_patterns(maps, here.powder, here.basis)[0].swapaxes(0, 1)
    np.testing.assert_allclose(counts_of(here, maps)[0], patterns * here.monitor[0][..., None], rtol=1e-5)


def test_transform_and_its_transpose_agree(float64, fields):
    here = model(SIZE, SLICES, dtype=np.float64, **fields)
    voxels = eqx.filter_jit(here.voxels)(lattice(SIZE, SLICES, dtype=np.float64))
    transform = eqx.filter_jit(here.transform)
    image = transform(voxels)
    rng = np.random.default_rng(1)
    x, y = (jnp.asarray(rng.normal(size=a.shape)) for a in (voxels, image))
    left, right = jnp.vdot(transform(x), y), jnp.vdot(x, eqx.filter_jit(here.transposed)(y, voxels))
    assert float(left) == pytest.approx(float(right), rel=1e-11)
    np.testing.assert_allclose(transform(2 * x - voxels), 2 * transform(x) - image, atol=1e-9)


NAMES = ("strain", "log_width", "area", "mixing", "background", "shape")


@pytest.mark.parametrize("name", NAMES)
def test_derivative_by_every_unknown_is_that_of_finite_differences(float64, name):
    here, maps = model(SIZE, SLICES, dtype=np.float64, **ALL), lattice(SIZE, SLICES, dtype=np.float64)
    counts = jnp.asarray(np.random.default_rng(2).poisson(counts_of(here, maps)) * 1.0)
    term = PatternMisfit(here, counts)
    along = jnp.asarray(np.random.default_rng(3).normal(size=getattr(maps, name).shape))

    @jax.jit
    def value(step):
        moved = eqx.tree_at(lambda p: getattr(p, name), maps, getattr(maps, name) + step * along)
        return term(unknowns(moved), {})

    size = 1e-6 if name == "strain" else 1e-5
    difference = (value(size) - value(-size)) / (2 * size)
    slope = jax.jit(jax.grad(lambda p: term(unknowns(p), {})))(maps)
    assert float(jnp.vdot(getattr(slope, name), along)) == pytest.approx(float(difference), rel=2e-6)


def test_parallax_is_that_of_voxels_at_their_true_distance(float64):
    """One voxel far from the axis, at an angle at which it lies downstream by its own column."""
    size, far = 9, 60000.0
    maps = lattice(size, dtype=np.float64)
    only = jnp.full((3, size, size, 1), -1e9).at[:, 4, 0].set(1.0)
    maps = eqx.tree_at(lambda p: (p.area, p.background), maps, (only, maps.background - 1e9))
    here = model(size, views=1, dtype=np.float64, distance=far)
    # x = -4 there: zeta = -x sin(90 degrees) = 4
    here = dataclasses.replace(here, angle=jnp.asarray([np.pi / 2]), monitor=jnp.ones((1, 1, size)))
    patterns = eqx.filter_jit(lambda n: peak_patterns(maps, here.powder, n).sum(axis=(0, 1, 2)))
    moved, still = (patterns(jnp.asarray(n)) for n in (4 / far, 0.0))
    found = counts_of(here, maps).sum(axis=(0, 1, 2))
    off, off_still = (np.abs(np.asarray(found - other)).max() for other in (moved, still))
    assert off < 0.03 * off_still


def test_absorption_weakens_a_ray_by_its_whole_path():
    here, maps = model(SIZE, SLICES, views=1), lattice(SIZE, SLICES)
    mu = np.full((SIZE, SIZE, SLICES), 0.03, np.float32)
    weakened = dataclasses.replace(here, absorption=jnp.asarray(mu))
    np.testing.assert_allclose(
        counts_of(weakened, maps), counts_of(here, maps) * np.exp(-0.03 * SIZE), rtol=1e-5
    )


def test_the_beam_keeps_counts_and_has_its_width():
    beam = gaussian_beam(2.0)
    line = jnp.zeros((1, 1, 41, 1)).at[0, 0, 20, 0].set(1.0)
    image = np.asarray(blurred(line, jnp.asarray(beam, jnp.float32)))[0, 0, :, 0]
    assert image.sum() == pytest.approx(1, rel=1e-6) and image[20] == pytest.approx(2 * image[21], rel=1e-5)
    with pytest.raises(ValueError, match="odd number"):
        model(SIZE, beam=np.ones(4) / 4)


def test_bins_are_sums_and_lose_no_channel():
    values = np.random.default_rng(4).normal(size=(5, TWO_THETA_DEG.size))
    binned = ALL["bins"](jnp.asarray(values, jnp.float32))
    assert 60 < binned.shape[1] < TWO_THETA_DEG.size
    np.testing.assert_allclose(binned.sum(axis=1), values.sum(axis=1), rtol=1e-4)
    here = model(SIZE, bins=ALL["bins"])
    maps = lattice(SIZE)
    np.testing.assert_allclose(counts_of(here, maps), here.binned(counts_of(model(SIZE), maps)), rtol=2e-5)


def test_slices_are_independent():
    maps, here = lattice(SIZE, SLICES), model(SIZE, SLICES)
    both = counts_of(here, maps)
    one = jax.tree.map(lambda x: x[..., 1:] if x.ndim == 4 else x, maps)
    alone = counts_of(dataclasses.replace(here, monitor=here.monitor[:, 1:]), one)
    np.testing.assert_allclose(both[:, 1:], alone, rtol=1e-5)
    patterns = jnp.ones((SIZE, SIZE, 2, 3)).at[:, :, 1].set(2.0)
    rays = ray_patterns(patterns, here.angle, here.shift, SIZE)
    np.testing.assert_allclose(rays[:, 1], 2 * rays[:, 0], rtol=1e-6)


def test_misfit_is_a_term_of_the_objective_and_skips_what_was_not_measured():
    here, maps = model(SIZE), lattice(SIZE)
    counts = counts_of(here, maps)
    zero = Objective({"patterns": PatternMisfit(here, counts)})(unknowns(maps), {})[1]["patterns"]
    assert float(zero) == pytest.approx(0, abs=1e-2)
    broken = counts.at[0, 0, 0].set(-1.0)
    assert float(PatternMisfit(here, broken)(unknowns(maps), {})) == pytest.approx(0, abs=1e-2)
    with pytest.raises(InputError, match="speaks of the lattice"):
        PatternMisfit(here, counts)(unknowns(None), {})


def test_vectors_are_another_form_of_the_same_lattice():
    maps = lattice(SIZE, SLICES)
    vectors = to_vectors(maps)
    back = from_vectors(maps, *vectors)
    for one, other in zip(jax.tree.leaves(maps), jax.tree.leaves(back)):
        np.testing.assert_allclose(one, other, rtol=1e-5)
    assert vectors[0].shape == (SIZE, SIZE, SLICES, 9)
