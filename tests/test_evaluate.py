"""R-factors of the whole scan: the same by NumPy, on every number of devices, resident and streaming, of one view and many."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import problems
import pytest

from jxrecon.batches import Batches, fold_of_pixels
from jxrecon.evaluate import example_frames, r_factors

N, SCAN = 8, 23
SETUP, TRUTH = problems.geometry(N), problems.unknowns(N, SCAN, 2, dtype=np.float32, full=False)
MODEL = problems.model(TRUTH, SETUP)
GUESS = problems.replaced(TRUTH, object=jnp.ones_like(TRUTH.object))
FRAMES = np.random.default_rng(0).poisson(np.fft.fftshift(problems.predicted(MODEL, TRUTH), axes=(1, 2)))
MASK = np.ones((N, N), bool)
MASK[2, 5] = False


def measurement(views: int):
    frames = FRAMES.astype(np.float32)
    frames[:, 2, 5] = 1e7  # hot: it must be left out
    frames[3, 1, :] = -1
    one = problems.measurement(frames, np.asarray(TRUTH.positions.nominal, float), mask=MASK)
    number = np.zeros(views, np.int32)
    return dataclasses.replace(
        one, view=np.arange(SCAN) % views, specimen=number, optics=number, angle_deg=np.zeros(views)
    )


def by_numpy() -> tuple[float, float]:
    """R over fitted and over held-out pixels."""
    predicted = np.fft.fftshift(problems.predicted(MODEL, GUESS), axes=(1, 2))
    fold, folds = fold_of_pixels((N, N), 0.2, 0)
    good = np.broadcast_to(MASK, FRAMES.shape).copy()
    good[3, 1, :] = False
    held = fold == (np.arange(SCAN) % folds)[:, None, None]
    difference, amplitude = np.abs(np.sqrt(predicted) - np.sqrt(FRAMES)), np.sqrt(FRAMES)
    fitted, other = (difference[x].sum() / amplitude[x].sum() for x in (good & ~held, good & held))
    return float(fitted), float(other)


@pytest.mark.parametrize("devices", [1, 4])
@pytest.mark.parametrize("views", [1, 3])
@pytest.mark.parametrize("resident_gib", [4.0, 22 * N * N * 4 / 2**30], ids=["resident", "streaming"])
def test_r_factors_are_those_of_numpy(devices, views, resident_gib):
    data = measurement(views)
    options = {"batch_size": 8, "devices": devices, "held_out": 0.2, "resident_gib": resident_gib}
    batches = Batches({"scan": (SETUP, data)}, **options)
    objective = problems.objective(MODEL.bind(SETUP, data))
    found = r_factors(objective, GUESS, batches)["data"]
    expected = by_numpy()
    assert (batches.chunks_per_epoch == 1) == (resident_gib == 4.0)
    assert found["r_factor"] == pytest.approx(expected[0], rel=1e-4)
    assert found["r_factor_heldout"] == pytest.approx(expected[1], rel=1e-4)
    assert abs(expected[0] - expected[1]) > 1e-4


def test_examples_have_the_beam_at_the_centre_and_bad_pixels_marked():
    data = measurement(1)
    term = problems.objective(MODEL).terms["data"]
    numbers, measured, predicted = example_frames(term, TRUTH, Batches({"scan": (SETUP, data)}))  # type: ignore[arg-type]
    np.testing.assert_array_equal(numbers, [0, 11, 22])
    expected = np.fft.fftshift(problems.predicted(MODEL, TRUTH), axes=(1, 2))[numbers]
    np.testing.assert_allclose(predicted, expected, rtol=1e-4, atol=1e-4 * expected.max())
    assert np.all(measured[:, ~MASK] == -1)
    np.testing.assert_array_equal(measured[:, MASK], FRAMES[numbers][:, MASK])
