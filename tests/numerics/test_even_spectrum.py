"""Spectra of even kernels against NumPy's transform; correlations of an octant against rolled copies; regridding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jxrecon.numerics.even_spectrum import even_spectrum, octant
from jxrecon.numerics.regrid import regridded

SHAPES = [(8, 9, 10), (9, 8, 7)]


@pytest.mark.parametrize("shape", SHAPES)
def test_spectrum_is_that_of_the_whole_kernel(float64, shape):
    part = np.random.default_rng(0).normal(size=(3, 2, 4))
    whole = np.zeros(shape)
    for d in np.ndindex(part.shape):
        for signs in np.ndindex(2, 2, 2):
            whole[tuple((1 - 2 * s) * k % n for s, k, n in zip(signs, d, shape))] = part[d]
    expected = np.fft.rfftn(whole)
    found = even_spectrum(jnp.asarray(part), shape)
    np.testing.assert_allclose(found, expected.real, atol=1e-12)
    assert np.abs(expected.imag).max() < 1e-12


@pytest.mark.parametrize("shape", SHAPES)
def test_octant_is_the_even_part_of_the_correlation(float64, shape):
    u = np.random.default_rng(1).normal(size=shape)
    spectrum = np.fft.rfftn(u)
    found = octant(jnp.asarray(spectrum.real**2 + spectrum.imag**2), shape, (3, 2, 3)) / u.size
    for d in np.ndindex(3, 2, 3):
        signed = [(1 - 2 * np.array(s)) * d for s in np.ndindex(2, 2, 2)]
        expected = np.mean([np.sum(u * np.roll(u, tuple(s.tolist()), (0, 1, 2))) for s in signed])
        assert float(found[d]) == pytest.approx(expected, rel=1e-10, abs=1e-10)


def test_regridding_keeps_planes_and_means_and_has_its_transpose(float64):
    y, x, z = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in (12, 16, 20)), indexing="ij")
    fine = jnp.asarray(1 + 0.1 * y - 0.2 * x + 0.3 * z)
    down = jax.jit(lambda u: regridded(u, (6, 8, 10)))
    coarse = down(fine)
    inner = (slice(1, -1),) * 3
    Y, X, Z = np.meshgrid(*(2 * (np.arange(n) - (n - 1) / 2) for n in (6, 8, 10)), indexing="ij")
    np.testing.assert_allclose(coarse[inner], (1 + 0.1 * Y - 0.2 * X + 0.3 * Z)[inner], atol=1e-10)
    same = regridded(coarse, (12, 16, 20), 2.0)
    np.testing.assert_allclose(same[4:-4, 4:-4, 4:-4], fine[4:-4, 4:-4, 4:-4], atol=1e-10)
    assert regridded(fine, fine.shape) is fine
    far = regridded(jnp.ones((4, 4, 4)), (12, 12, 12), 2.0)
    assert float(far[6, 6, 6]) == pytest.approx(1) and not np.asarray(far[0]).any()
    v = jnp.asarray(np.random.default_rng(2).normal(size=(6, 8, 10)))
    found, back = jax.vjp(down, fine)
    assert float(jnp.vdot(found, v)) == pytest.approx(float(jnp.vdot(fine, back(v)[0])), rel=1e-12)
