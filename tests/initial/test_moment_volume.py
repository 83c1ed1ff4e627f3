"""The moments of frames against frames that were added up, and what a thick ball's say of it."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import problems
import pytest

from jxrecon.errors import InputError
from jxrecon.forward.moments import Moments, beam_spectra
from jxrecon.initial.flat_volume import FlatVolume
from jxrecon.initial.moment_volume import MomentVolume, finer_volume, moments_of, scaled
from jxrecon.twin.acquisition import TiltAngles
from jxrecon.twin.detector import PhotonCounter
from jxrecon.twin.scan import FermatSpiral
from jxrecon.twin.scene import BallWithHoles
from jxrecon.twin.tilt_series import SimulatedTiltSeries

SIZE = 64


def series(density: float, **changes) -> SimulatedTiltSeries:
    """A ball of 48 pixels whose middle retards the wave by `density` times 0.926 rad."""
    scene = BallWithHoles(shape=(SIZE,) * 3, radius_m=0.96e-6, density=density, holes=0)
    fields = {
        "scan": FermatSpiral(40, 9.5),
        "angles": TiltAngles(24),
        "detector": PhotonCounter(poisson=False),
    }
    return SimulatedTiltSeries(scene=scene, **(fields | changes))


def test_moments_of_frames_are_those_of_waves():
    """One view of a smooth specimen: sums over the detector against sums over the specimen."""
    rng, n, count = np.random.default_rng(0), 32, 6
    y, x = np.mgrid[:n, :n] - n // 2
    probe = np.exp(-(y**2 + x**2) / 20 + 0.05j * (y**2 - x**2))[None]
    rows, columns = np.mgrid[:80, :80] - 40
    image = 20 * np.exp(-((rows - 3) ** 2 + (columns + 4) ** 2) / 300)
    place = np.round(rng.uniform(-15, 15, (count, 2)))
    phase, absorption = 0.5, 0.03
    found = np.empty((count, 3))
    for j, (v, u) in enumerate(place.astype(int)):
        patch = image[40 + v - n // 2 :, 40 + u - n // 2 :][:n, :n]
        wave = probe * np.exp(-(1j * phase + absorption) * patch)
        frame = np.fft.fftshift(np.abs(np.fft.fft2(wave, norm="ortho")) ** 2, axes=(1, 2)).sum(axis=0)
        found[j] = frame.sum(), (frame * y).sum(), (frame * x).sum()
    found *= np.array([1, 2 * np.pi / n, 2 * np.pi / n]) / np.sum(np.abs(probe) ** 2)
    spectra = jnp.asarray(beam_spectra(probe, 80, 1))
    model = Moments(spectra, jnp.asarray(place + 40), jnp.zeros(count, int), phase, absorption, 1)
    predicted = model(jnp.asarray(image.T[None]))
    assert np.abs(found[:, 1:]).max() > 0.2  # radians per pixel
    np.testing.assert_allclose(predicted, found, atol=2e-3)


def test_moments_of_a_frame_leave_out_what_was_not_measured():
    some = np.random.default_rng(1).poisson(5.0, (2, 32, 32)).astype(np.float32)
    mask = np.ones((32, 32), bool)
    mask[3] = False
    some[1, 5, 7] = -1

    found = moments_of(problems.measurement(some, np.zeros((2, 2)), mask=mask))
    expected = np.where(mask & (some >= 0), some, 0)
    rows = np.arange(32) - 16
    np.testing.assert_allclose(found[:, 0], expected.sum(axis=(1, 2)), rtol=1e-6)
    np.testing.assert_allclose(found[:, 1], (expected * rows[:, None]).sum(axis=(1, 2)), rtol=1e-6)
    np.testing.assert_allclose(found[:, 4], (expected * rows**2).sum(axis=(1, 2)), rtol=1e-6)
    values, weight = scaled(found, 2.0, (32, 32))
    assert float(values[0, 0]) == pytest.approx(found[0, 0] / 2) and float(weight.min()) > 0


@pytest.mark.parametrize("density", [1.0, 10.0])
def test_a_ball_of_many_turns_is_found_as_a_thin_one(density):
    """10 e/A^3 are 9.3 rad: more than a whole turn, from nothing and without a phase."""
    twin = series(density)
    geometry, measurement, truth = twin.measured()
    start = MomentVolume(FlatVolume(size=SIZE, softness=0.02 * density))
    parameters = start(geometry, measurement)
    found = np.asarray(parameters.volume.electron_density()).transpose(2, 0, 1) / density
    true = truth["electron_density_true"] / density
    z, y, x = np.mgrid[:SIZE, :SIZE, :SIZE] - (SIZE - 1) / 2
    radius = np.sqrt(z**2 + y**2 + x**2)
    assert found[radius < 18].mean() == pytest.approx(true[radius < 18].mean(), abs=0.05)
    assert found[radius > 30].mean() < 0.05
    error = (found - true).sum(axis=2)  # of the line integrals along x, whose largest is 48
    assert np.sqrt(np.mean(error**2)) < 4
    rate = density * twin.scene.voxel_m * twin.material.phase_per_density(twin.energy_keV)
    assert 48 * rate > 0.9 * density and np.abs(rate * error).max() < np.pi  # no ray is on another branch
    power = float(jnp.sum(jnp.abs(parameters.probe.modes) ** 2))
    assert power == pytest.approx(twin.photons, rel=0.02)


def test_a_volume_is_read_about_its_middle():
    ramp = np.arange(5.0)[:, None, None] + np.zeros((5, 4, 4))
    fine = finer_volume(ramp, (10, 8, 8), 2)
    np.testing.assert_allclose(fine[1:-1, 0, 0], np.arange(0.25, 4, 0.5), atol=1e-12)
    np.testing.assert_allclose(finer_volume(ramp, (5, 4, 4), 1), ramp)


def test_the_near_field_is_refused():
    geometry, measurement, _ = series(1.0).measured()
    near = dataclasses.replace(geometry, regime="near_field")
    with pytest.raises(InputError, match="far field"):
        MomentVolume()(near, measurement)
