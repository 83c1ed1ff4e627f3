"""R factors: worked numbers, streaming, masks, and the noise floor against a Monte Carlo."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jxrecon.analysis.r_factor import noise_residual, r_factor

RNG = np.random.default_rng(1)
MODEL = jnp.asarray(RNG.gamma(1.0, 20.0, (40, 16, 12)), jnp.float32)
COUNTS = jnp.asarray(RNG.poisson(np.asarray(MODEL)), jnp.float32)
HELDOUT = jnp.asarray(RNG.uniform(size=(16, 12)) < 0.2)
FITTED = ~HELDOUT


def test_worked_example():
    predicted = jnp.array([[[4.0, 9.0], [16.0, 0.0]]])
    measured = jnp.array([[[1.0, 16.0], [-1.0, 25.0]]])
    fitted = jnp.array([[True, True], [True, False]])
    found = r_factor(predicted, measured, fitted, ~fitted).metrics()
    # fitted: |2-1| + |3-4| over 1 + 4, the -1 was not measured; held out: |0-5| over 5
    assert found["r_factor"] == pytest.approx(2 / 5)
    assert found["r_factor_heldout"] == pytest.approx(1.0)


def test_blocks_add_up_and_padding_counts_for_nothing():
    whole = r_factor(MODEL, COUNTS, FITTED, HELDOUT).metrics()
    step = jax.jit(r_factor)
    padded = jnp.concatenate([MODEL[30:], jnp.full((5, 16, 12), 1e6)])
    weight = jnp.asarray([1.0] * 10 + [0.0] * 5)
    parts = step(MODEL[:30], COUNTS[:30], FITTED, HELDOUT) + step(
        padded, jnp.concatenate([COUNTS[30:], COUNTS[:5]]), FITTED, HELDOUT, weight
    )
    assert parts.metrics() == pytest.approx(whole, rel=1e-6)
    difference = np.abs(np.sqrt(MODEL) - np.sqrt(COUNTS))
    assert whole["r_factor"] == pytest.approx(
        difference[:, FITTED].sum() / np.sqrt(COUNTS[:, FITTED]).sum(), rel=1e-5
    )


def test_noise_floor_is_what_poisson_counts_give():
    found = r_factor(MODEL, COUNTS, FITTED, HELDOUT).metrics()
    assert found["r_factor"] == pytest.approx(found["r_factor_noise"], rel=0.03)
    assert found["r_factor_heldout"] == pytest.approx(found["r_factor_noise"], rel=0.06)


@pytest.mark.parametrize("mean", [1e-5, 3e-3, 0.4, 1.0, 7.0, 120.0, 4e4])
def test_expected_residual_against_a_monte_carlo(mean):
    draws = np.random.default_rng(0).poisson(mean, 400_000)
    expected = np.mean(np.abs(np.sqrt(mean) - np.sqrt(draws)))
    error = np.std(np.abs(np.sqrt(mean) - np.sqrt(draws))) / np.sqrt(draws.size)
    found = float(noise_residual(jnp.full((1, 1), mean, jnp.float32))[0, 0])
    assert found == pytest.approx(expected, abs=5 * error + 2e-3 * expected)


def test_nothing_held_out_is_not_a_number():
    found = r_factor(MODEL, COUNTS, FITTED | HELDOUT, jnp.zeros_like(HELDOUT)).metrics()
    assert np.isnan(found["r_factor_heldout"]) and np.isfinite(found["r_factor"])
