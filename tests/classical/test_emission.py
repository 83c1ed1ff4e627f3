"""MLEM: fixed points, counts, and that it never loses likelihood."""

import jax.numpy as jnp
import numpy as np
import pytest

from jxrecon.classical.emission import mlem
from jxrecon.kernels.ray_transform import project

N, VIEWS = 17, 24


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:N, :N] - (N - 1) / 2
    volume = (np.hypot(x, y)[..., None] < 6) * rng.uniform(1, 3, (N, N, 2))
    angle = jnp.asarray(np.arange(VIEWS) * np.pi / VIEWS, jnp.float32)
    expected = project(jnp.asarray(volume, jnp.float32), angle, jnp.zeros(VIEWS), width=N)
    return volume, angle, expected


def likelihood(volume, angle, counts):
    m = np.maximum(np.asarray(project(volume, angle, jnp.zeros(VIEWS), width=N), float), 1e-9)
    return np.sum(counts * np.log(m) - m)


def test_likelihood_never_falls_and_counts_are_kept(data):
    _, angle, expected = data
    counts = jnp.asarray(np.random.default_rng(1).poisson(np.asarray(expected) * 20), jnp.float32)
    found = [mlem(counts, angle, jnp.zeros(VIEWS), iterations=k) for k in (1, 2, 5, 20)]
    values = [likelihood(v, angle, np.asarray(counts)) for v in found]
    assert np.all(np.diff(values) > 0)
    total = project(found[-1], angle, jnp.zeros(VIEWS), width=N).sum()
    assert float(total) == pytest.approx(float(counts.sum()), rel=1e-3)
    assert float(found[-1].min()) >= 0


def test_without_noise_it_comes_to_what_made_the_counts(data):
    volume, angle, expected = data
    found = np.asarray(mlem(expected, angle, jnp.zeros(VIEWS), iterations=300))
    assert np.linalg.norm(found - volume) < 0.12 * np.linalg.norm(volume)


def test_what_was_not_measured_does_not_matter(data):
    _, angle, expected = data
    broken = expected.at[3, 5:9].set(-1.0)
    rays = np.delete(np.arange(VIEWS), 3)
    without = mlem(expected[rays], angle[rays], jnp.zeros(VIEWS - 1), iterations=100)
    found = mlem(broken, angle, jnp.zeros(VIEWS), iterations=100)
    assert np.linalg.norm(found - without) < 0.1 * np.linalg.norm(without)
    whole = mlem(expected.at[3].set(-1.0), angle, jnp.zeros(VIEWS), iterations=100)
    np.testing.assert_allclose(whole, without, rtol=2e-2, atol=2e-2)
