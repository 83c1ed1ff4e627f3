"""Element maps through absorption: shares of a simulated disc come back, and are wrong without a model of absorption."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jxrecon.classical.fluorescence_emission import absorbing_mlem, uncorrected, without_absorption
from jxrecon.forward.fluorescence import Fluorescence, beam_matrix

WIDTH, VIEWS = 24, 30


@pytest.fixture(scope="module")
def scan():
    """(model, truth, expected counts) of a disc with two elements, of which the second absorbs itself four times as much."""
    rows = jnp.ones((2, 2, 1))
    model = Fluorescence(
        angle=jnp.linspace(0, np.pi, VIEWS, endpoint=False),
        shift=jnp.full(VIEWS, 0.5),
        monitor=jnp.ones((VIEWS, WIDTH)),
        direction=jnp.array([[-np.pi / 2], [np.pi / 2]]),
        response=jnp.concatenate(
            [rows * jnp.array([[[30.0], [5.0]]]), rows * jnp.array([[[0.0], [30.0]]])], axis=2
        ),
        absorption_in=jnp.array([0.01, 0.01]),
        absorption_out=jnp.array([[0.01, 0.04], [0.01, 0.04]]),
        beam=jnp.asarray(beam_matrix(WIDTH, 2.0), jnp.float32),
        element=(0, 1),
        width=WIDTH,
    )
    place = np.arange(WIDTH) - (WIDTH - 1) / 2
    inside = np.hypot(place[:, None], place) < 8
    truth = np.stack([inside * 1.0, inside * 0.5], axis=-1)[:, :, None].astype(np.float32)
    return model, truth, jax.jit(lambda x: model(x))(truth)


def ratio(amount):
    inner = np.asarray(amount)[8:16, 8:16, 0]
    return float(np.mean(inner[..., 1]) / np.mean(inner[..., 0]))


def test_shares_come_back(scan):
    model, truth, counts = scan
    found = absorbing_mlem(model, counts, iterations=60)
    assert ratio(found) == pytest.approx(0.5, rel=5e-3)
    assert np.asarray(found).min() >= 0
    predicted = jax.jit(lambda x: model(x))(found)
    assert np.linalg.norm(predicted - counts) < 0.01 * np.linalg.norm(counts)


def test_without_a_model_of_absorption_they_are_biased(scan):
    model, _, counts = scan
    assert ratio(uncorrected(model, counts)) < 0.42
    assert ratio(absorbing_mlem(without_absorption(model), counts, iterations=40)) < 0.42


def test_the_baseline_is_right_where_nothing_absorbs(scan):
    model, truth, _ = scan
    free = without_absorption(model)
    found = uncorrected(free, jax.jit(lambda x: free(x))(truth))
    assert ratio(found) == pytest.approx(0.5, rel=1e-3)
    assert found[8:16, 8:16, 0, 0].mean() == pytest.approx(1, rel=0.03)


def test_smoothing_takes_noise_and_leaves_steps(scan):
    model, truth, counts = scan
    noisy = jnp.asarray(np.random.default_rng(2).poisson(counts), jnp.float32)
    rough, smooth = (
        np.asarray(absorbing_mlem(model, noisy, iterations=60, smoothing=s, edge=0.05)) for s in (0.0, 0.2)
    )
    assert np.all(smooth[8:16, 8:16].std((0, 1)) < 0.5 * rough[8:16, 8:16].std((0, 1)))
    error = [np.linalg.norm(x - truth) for x in (rough, smooth)]
    assert error[1] < 0.75 * error[0]


def test_what_was_not_measured_is_left_out(scan):
    model, _, counts = scan
    gap = counts.at[3].set(-1.0)
    assert ratio(absorbing_mlem(model, gap, iterations=60)) == pytest.approx(0.5, rel=0.01)
