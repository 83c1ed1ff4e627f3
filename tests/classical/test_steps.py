"""Single steps of the engines against numpy and against what defines them."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import problems
import pytest

from jxrecon.classical import difference_map as dm
from jxrecon.classical.engine import Scan, constrained, from_detector, moved, random_orders, to_detector
from jxrecon.classical.lsq_ml import Settings as LsqSettings
from jxrecon.classical.lsq_ml import batches, best_steps, directions, lsq_ml_update
from jxrecon.classical.pie import Settings, pie_update

N = 16


def random_complex(rng, *shape):
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def some_frame(rng, fresnel_number=None, fractions=(0.3, -0.2)) -> Scan:
    counts = rng.poisson(50.0, (N, N)).astype(float)
    counts[3, 4:7] = -1
    return Scan(
        jnp.asarray(counts),
        jnp.array([5, 3]),
        jnp.asarray(fractions),
        jnp.asarray(50.0),
        fresnel_number,
    )


@pytest.mark.parametrize("fresnel_number", [None, (0.4, 0.3)])
def test_detector_and_back_is_the_identity_and_keeps_the_power(fresnel_number, float64):
    rng = np.random.default_rng(0)
    frame = some_frame(rng, fresnel_number)
    waves = jnp.asarray(random_complex(rng, 2, N, N))
    detected = to_detector(waves, frame)
    np.testing.assert_allclose(from_detector(detected, frame), waves, atol=1e-12)
    np.testing.assert_allclose(jnp.sum(abs(detected) ** 2), jnp.sum(abs(waves) ** 2), rtol=1e-12)


def test_near_field_detector_stands_still_with_the_probe(float64):
    """The probe moved by a fraction and an empty object: the frame is that of the probe at rest."""
    rng = np.random.default_rng(1)
    frame = some_frame(rng, (0.4, 0.4))
    probe = jnp.asarray(problems.probe(N, 1))
    rest = dataclasses.replace(frame, fractions=jnp.zeros(2))
    detected = to_detector(moved(probe, frame.fractions), frame)
    np.testing.assert_allclose(detected, to_detector(probe, rest), atol=1e-10)


@pytest.mark.parametrize("fresnel_number", [None, (0.4, 0.3)])
def test_modulus_constraint(fresnel_number, float64):
    """Measured amplitudes where there is a measurement, the model's elsewhere, one factor for all modes."""
    rng = np.random.default_rng(2)
    frame = some_frame(rng, fresnel_number)
    waves = jnp.asarray(5 * random_complex(rng, 2, N, N))
    new, misfit = constrained(waves, frame)
    before, after = to_detector(waves, frame), to_detector(new, frame)
    valid = np.asarray(frame.intensity) >= 0
    model = np.sum(abs(np.asarray(before)) ** 2, axis=0)
    total = np.sum(abs(np.asarray(after)) ** 2, axis=0)
    np.testing.assert_allclose(total[valid], frame.intensity[valid], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(total[~valid], model[~valid], rtol=1e-10)
    np.testing.assert_allclose(after[0] / before[0], after[1] / before[1], rtol=1e-9)
    measured = np.sqrt(np.asarray(frame.intensity)[valid])
    expected = np.sum(abs(np.sqrt(model[valid]) - measured)) / np.sum(measured)
    np.testing.assert_allclose(misfit.r_factor, expected, rtol=1e-10)


def test_dark_frames_and_dark_models_give_numbers(float64):
    frame = some_frame(np.random.default_rng(3))
    for counts in (jnp.zeros((N, N)), -jnp.ones((N, N)), frame.intensity):
        here = dataclasses.replace(frame, intensity=counts)
        assert np.all(np.isfinite(constrained(jnp.zeros((1, N, N), complex), here)[0]))


@pytest.mark.parametrize(("a", "b"), [(1.0, 1.0), (0.1, 0.5)])
def test_pie_step_as_in_the_paper(a, b, float64):
    """One frame at a whole pixel, written out in numpy; a = b = 1 is ePIE."""
    rng = np.random.default_rng(4)
    frame = some_frame(rng, fractions=(0.0, 0.0))
    frame = dataclasses.replace(frame, intensity=jnp.asarray(rng.poisson(50.0, (N, N)) + 1.0))
    object, probe = random_complex(rng, 30, 28), random_complex(rng, 1, N, N)
    patch = object[5 : 5 + N, 3 : 3 + N]
    spectrum = np.fft.fft2(probe[0] * patch, norm="ortho")
    spectrum = np.sqrt(np.asarray(frame.intensity)) * spectrum / abs(spectrum)
    change = np.fft.ifft2(spectrum, norm="ortho") - probe[0] * patch
    power, brightness = abs(probe[0]) ** 2, abs(patch) ** 2
    expected = object.copy()
    expected[5 : 5 + N, 3 : 3 + N] += 0.9 * probe[0].conj() * change / ((1 - a) * power + a * power.max())
    expected_probe = probe[0] + 0.8 * patch.conj() * change / ((1 - b) * brightness + b * brightness.max())
    found, found_probe, _ = pie_update(
        frame, jnp.asarray(object), jnp.asarray(probe), Settings(0.9, 0.8, a, b), jnp.ones(())
    )
    # `constrained` adds a millionth of the mean count to model and measurement.
    np.testing.assert_allclose(found, expected, atol=5e-3)
    np.testing.assert_allclose(found_probe[0], expected_probe, atol=5e-3)


@pytest.mark.parametrize("modes", [1, 2])
def test_noise_free_truth_is_a_fixed_point_of_the_difference_map(modes, simulated, float64):
    case = simulated(modes=modes, noise=False, count=12, dtype=np.float64)
    object, probe = jnp.asarray(case.object), jnp.asarray(case.probe)

    @jax.jit
    def step(object, probe, beta):
        waves = dm.model_waves(case.scan, object, probe)
        found = dm.overlap(case.scan, waves, object, probe, 3, True)
        return waves, found, dm.reflected(case.scan, waves, found[0], found[1], beta)

    for beta in (1.0, 0.75):
        waves, found, (new, misfit) = step(object, probe, beta)
        np.testing.assert_allclose(found[0], object, atol=1e-8)
        np.testing.assert_allclose(found[1], probe, atol=1e-8 * abs(case.probe).max())
        np.testing.assert_allclose(new, waves, atol=1e-7 * abs(case.probe).max())
        assert misfit.r_factor < 1e-6


def test_overlapped_object_is_the_least_squares_object(simulated, float64):
    """The gradient of sum |psi - P O|^2 vanishes there, where the light is."""
    case = simulated(count=12, dtype=np.float64)
    rng = np.random.default_rng(6)
    probe, flat = jnp.asarray(case.probe), jnp.ones(case.object.shape, complex)
    waves = dm.model_waves(case.scan, jnp.asarray(case.object), probe)
    waves = waves + random_complex(rng, *waves.shape)

    def distance(object):
        return jnp.sum(abs(waves - dm.model_waves(case.scan, object, probe)) ** 2)

    found = dm.overlapped_object(case.scan, waves, flat, probe)
    slope = abs(jax.grad(distance)(found))
    assert jnp.max(slope) < 1e-3 * jnp.max(abs(jax.grad(distance)(flat)))


def test_steps_are_the_least_squares_optimum(float64):
    """Against numpy's least squares; and no small change of either step lowers the residue."""
    rng = np.random.default_rng(7)
    missing, by_object, by_probe = (jnp.asarray(random_complex(rng, 2, N, N)) for _ in range(3))
    by_probe = by_probe + 2 * by_object
    steps = best_steps(missing, by_object, by_probe)
    columns = jnp.stack([by_object.ravel(), by_probe.ravel()], axis=1)
    real = np.concatenate([columns.real, columns.imag])
    side = np.concatenate([missing.real.ravel(), missing.imag.ravel()])
    np.testing.assert_allclose(steps, np.linalg.lstsq(real, side, rcond=None)[0], rtol=1e-10)

    def residue(a, b):
        return float(jnp.sum(abs(missing - a * by_object - b * by_probe) ** 2))

    a, b = (float(s) for s in steps)
    h = 1e-4
    for da, db in ((h, 0), (0, h)):
        slope = (residue(a + da, b + db) - residue(a - da, b - db)) / (2 * h)
        assert abs(slope) < 1e-6 * residue(a, b)


def test_steps_of_a_frame_without_light_are_zero():
    dark = jnp.zeros((1, N, N), jnp.complex64)
    np.testing.assert_array_equal(best_steps(dark, dark, dark, 1e-3), [0, 0])


def test_lsq_ml_batch_falls_and_padding_counts_for_nothing(simulated, float64):
    case = simulated(count=12, dtype=np.float64)
    object, probe = jnp.ones(case.object.shape, complex), jnp.asarray(case.start)
    weight = jnp.array([1.0, 1, 1, 1, 0])

    @jax.jit
    def step(numbers, object, probe):
        return lsq_ml_update(case.scan[numbers], weight, object, probe, LsqSettings(), jnp.ones(()))

    new = step(jnp.array([0, 1, 2, 3, 7]), object, probe)
    other = step(jnp.array([0, 1, 2, 3, 9]), object, probe)
    np.testing.assert_allclose(new[0], other[0], atol=1e-10)
    np.testing.assert_allclose(new[1], other[1], atol=1e-8)
    np.testing.assert_allclose(new[2].r_factor, other[2].r_factor, rtol=1e-10)
    after = step(jnp.array([0, 1, 2, 3, 7]), new[0], new[1])
    assert after[2].r_factor < 0.8 * new[2].r_factor


def test_lsq_ml_directions_descend(simulated, float64):
    """dO and dP are descent directions of the amplitude misfit: it falls along each of them for a small step."""
    case = simulated(count=6, dtype=np.float64)
    object, probe = jnp.ones(case.object.shape, complex), jnp.asarray(case.start)
    (d_object, d_probe, _), _ = jax.jit(lambda o, p: directions(case.scan, jnp.ones(6), o, p, 0.05))(
        object, probe
    )

    @jax.jit
    def misfit(object, probe):
        waves = dm.model_waves(case.scan, object, probe)
        model = jnp.sum(abs(jax.vmap(to_detector)(waves, case.scan)) ** 2, axis=1)
        return jnp.sum((jnp.sqrt(model) - jnp.sqrt(case.scan.intensity)) ** 2)

    here = misfit(object, probe)
    assert misfit(object + 0.01 * d_object, probe) < here
    assert misfit(object, probe + 0.01 * d_probe) < here


def test_batches_hold_every_frame_once():
    index, weight = batches(random_orders(3, 10, seed=1), 4)
    assert index.shape == (3, 3, 4)
    assert weight.sum() == 10
    for epoch in index:
        assert sorted(np.asarray(epoch)[np.asarray(weight) > 0].tolist()) == list(range(10))
    assert not np.array_equal(index[0], index[1])
