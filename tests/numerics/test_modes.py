"""Orthogonal modes against a singular value decomposition, and the freedom that must not be touched."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jxrecon.numerics.modes import orthogonalise, powers


def random_modes(count, seed=0, dtype=np.complex64):
    rng = np.random.default_rng(seed)
    shape = (count, 24, 20)
    strength = 0.4 ** np.arange(count)[:, None, None]
    return ((rng.normal(size=shape) + 1j * rng.normal(size=shape) + 0.8) * strength).astype(dtype)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_powers_are_the_squared_singular_values(count):
    modes = random_modes(count)
    new = orthogonalise(jnp.asarray(modes))
    singular = np.linalg.svd(modes.reshape(count, -1).astype(complex), compute_uv=False)
    np.testing.assert_allclose(powers(new), singular**2, rtol=2e-5)


def test_modes_are_orthogonal_and_their_incoherent_sum_is_unchanged_in_both_spaces():
    modes = random_modes(4)
    new = np.asarray(orthogonalise(jnp.asarray(modes)))
    gram = np.einsum("mvu,nvu->mn", new, new.conj())
    assert np.abs(gram - np.diag(np.diag(gram))).max() < 1e-5 * np.abs(gram).max()
    np.testing.assert_allclose((abs(new) ** 2).sum(0), (abs(modes) ** 2).sum(0), rtol=1e-4)
    far, near = (np.sum(abs(np.fft.fft2(x)) ** 2, axis=0) for x in (new, modes))
    np.testing.assert_allclose(far, near, rtol=1e-3)


def test_orthogonal_sorted_modes_come_back_as_they_were():
    once = orthogonalise(jnp.asarray(random_modes(3)))
    np.testing.assert_allclose(orthogonalise(once), once, atol=2e-6 * float(jnp.abs(once).max()))


def test_counts_of_any_scale_zero_modes_and_optics_axis():
    modes = random_modes(3)
    expected = np.asarray(powers(orthogonalise(jnp.asarray(modes))))
    for scale in (1e-12, 1e12):
        found = powers(orthogonalise(jnp.asarray(modes * np.float32(scale))))
        np.testing.assert_allclose(found / np.float32(scale) ** 2, expected, rtol=1e-4)
    assert np.all(np.asarray(orthogonalise(jnp.zeros((2, 8, 8), jnp.complex64))) == 0)
    both = orthogonalise(jnp.stack([modes, 2 * modes]))
    np.testing.assert_allclose(powers(both), np.stack([expected, 4 * expected]), rtol=1e-4)


def test_lowers_for_a_gpu():
    export = jax.export.export(jax.jit(orthogonalise), platforms=["cuda"])
    assert export(jax.ShapeDtypeStruct((3, 16, 16), jnp.complex64)).platforms == ("cuda",)
