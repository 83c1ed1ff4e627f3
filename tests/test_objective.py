"""The sum of terms: padding, masks and held-out pixels count for nothing, weights and batches count as they should."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import problems
import pytest

from jxrecon.batches import fold_of_pixels
from jxrecon.kernels.accumulate import accumulate_views
from jxrecon.noise import Amplitude
from jxrecon.objective import AbstractTerm, DataTerm, Objective

SETUP, TRUTH = problems.geometry(8), problems.unknowns(8, 6, 1, dtype=np.float32, full=False)
MODEL = problems.model(TRUTH, SETUP)
COUNTS = problems.predicted(MODEL, TRUTH) * 1.3 + 2


class Power(AbstractTerm):
    """sum |object|^2: depends on no frame."""

    weight: jax.Array = eqx.field(converter=jnp.asarray)

    def __call__(self, parameters, batch):
        return jnp.sum(jnp.abs(parameters.object) ** 2)


def loss(batch, objective=None) -> float:
    return float((objective or problems.objective(MODEL))(TRUTH, {"scan": batch})[0])


def slope(batch) -> np.ndarray:
    objective = problems.objective(MODEL)
    return np.asarray(jax.grad(lambda p: objective(p, {"scan": batch})[0])(TRUTH).object)


def whole(counts=COUNTS):
    return problems.batch(counts, np.float32)["scan"]


def part(batch, chosen):
    cut = lambda x: x[:, chosen]  # noqa: E731
    return dataclasses.replace(
        batch, index=cut(batch.index), intensity=cut(batch.intensity), weight=cut(batch.weight)
    )


def test_a_frame_of_weight_zero_counts_for_nothing():
    batch = whole()
    padded = dataclasses.replace(batch, weight=batch.weight.at[0, 4:].set(0))
    short = part(batch, slice(4))
    assert loss(padded) == pytest.approx(loss(short), rel=1e-5) != pytest.approx(loss(batch), rel=1e-2)
    np.testing.assert_allclose(slope(padded), slope(short), atol=1e-5 * np.abs(slope(short)).max())


def test_batches_scaled_to_the_scan_average_to_the_whole():
    batch = whole()
    thirds = [dataclasses.replace(part(batch, slice(i, i + 2)), scale=jnp.asarray(3.0)) for i in (0, 2, 4)]
    assert np.mean([loss(b) for b in thirds]) == pytest.approx(loss(batch), rel=1e-5)


def test_held_out_pixels_neither_enter_the_loss_nor_the_gradient():
    fold, folds = fold_of_pixels((8, 8), 0.25, seed=1)
    batch = dataclasses.replace(whole(), fold=jnp.asarray(fold), folds=jnp.asarray(folds, jnp.int32))
    held = fold == (np.arange(6) % folds)[:, None, None]
    assert 0 < held.sum() < held.size / 2 and not np.array_equal(held[0], held[1])
    spoilt = dataclasses.replace(batch, intensity=jnp.where(held[None], 1e6, batch.intensity))
    assert loss(spoilt) == loss(batch) < loss(whole())
    np.testing.assert_array_equal(slope(spoilt), slope(batch))
    fitted = dataclasses.replace(batch, intensity=jnp.where(held[None], batch.intensity, 1e6))
    assert loss(fitted) > 10 * loss(batch)


def test_bad_pixels_count_for_nothing_even_if_they_are_not_numbers():
    mask = np.ones((8, 8), bool)
    mask[3, 4] = False
    batch = dataclasses.replace(whole(), mask=jnp.asarray(mask))
    spoilt = dataclasses.replace(batch, intensity=batch.intensity.at[..., 3, 4].set(jnp.inf))
    missing = dataclasses.replace(whole(), intensity=batch.intensity.at[..., 3, 4].set(-1))
    assert loss(spoilt) == loss(batch) == loss(missing) < loss(whole())
    np.testing.assert_array_equal(slope(spoilt), slope(missing))


def test_every_term_is_weighted_and_a_prior_is_shared_among_devices():
    terms = {"data": DataTerm("scan", MODEL, Amplitude(), 2.0), "power": Power(0.5)}
    total, values = Objective(terms)(TRUTH, {"scan": whole()})
    power = float(jnp.sum(jnp.abs(TRUTH.object) ** 2))
    assert float(values["data"]) == pytest.approx(2 * loss(whole()), rel=1e-6)
    assert float(values["power"]) == pytest.approx(0.5 * power, rel=1e-6)
    assert float(total) == pytest.approx(float(values["data"] + values["power"]), rel=1e-6)
    _, quarter = Objective(terms)(TRUTH, {"scan": whole()}, 0.25)
    assert float(quarter["data"]) == float(values["data"])
    assert float(quarter["power"]) == pytest.approx(0.125 * power, rel=1e-6)


def test_views_of_one_batch_add_up():
    batch = whole()
    halves = [part(batch, slice(i, i + 3)) for i in (0, 3)]
    pair = lambda name: jnp.concatenate([getattr(h, name) for h in halves])  # noqa: E731
    names = ("view", "index", "intensity", "weight")
    both = dataclasses.replace(batch, **{name: pair(name) for name in names})
    assert both.intensity.shape[:2] == (2, 3)
    assert loss(both) == pytest.approx(loss(batch), rel=1e-5)
    np.testing.assert_allclose(slope(both), slope(batch), atol=1e-5 * np.abs(slope(batch)).max())


def test_the_sum_over_views_passes_its_factor_on():
    views = jnp.arange(3.0)

    def total(a):
        return 5.0 * accumulate_views(lambda a, _, view, __: jnp.sum((a * view) ** 2), a, None, views, None)

    assert float(jax.grad(total)(jnp.asarray(2.0))) == pytest.approx(5 * 2 * 2 * 5)


def test_a_measurement_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"`objective.terms.data.measurement` is 'scan'; .*\['other'\]"):
        problems.objective(MODEL).bind({"other": (SETUP, problems.measurement(COUNTS, np.zeros((6, 2))))})
