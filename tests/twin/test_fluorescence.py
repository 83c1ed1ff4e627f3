"""The simulated fluorescence scan: against quadrature, against the reconstruction's model, and its bookkeeping."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate

from jxrecon.forward.material import Material
from jxrecon.tasks.fluorescence_tomography import model_of
from jxrecon.twin.fluorescence import (
    COMPANION,
    SimulatedFluorescence,
    attenuation_per_m,
    concentration,
)
from jxrecon.twin.particle import preset

TINY = preset("tiny", voxel_m=240e-9, radius_m=3.4e-6, grain_m=450e-9, layer_m=1.1e-6)
SMALL = SimulatedFluorescence(particle=TINY, views=12, finer=2, supersample=1, poisson=False)


def test_concentrations_and_absorption_are_those_of_the_formula():
    rho = concentration(np.array(0.95))
    shares = rho / [54.938, 58.933, 58.693]
    np.testing.assert_allclose(shares / shares.sum(), np.array([0.54, 0.10, 0.19]) / 0.83, rtol=1e-4)
    nmc = Material()
    for energy in (5.895, 7.472, 17.3):
        whole = nmc.attenuation_per_m(0.95, energy)
        assert attenuation_per_m(rho, energy) == pytest.approx(whole, rel=2e-3), COMPANION


def test_a_disc_by_quadrature():
    """One layer, thin enough for a needle beam: each detector and line at some places."""
    twin = SimulatedFluorescence(particle=TINY, finer=3, beam_m=0.12e-6, poisson=False, counts_per_voxel=1e6)
    fine, width, radius = twin.step_m / 3, 41, 7e-6
    place = (np.arange(4 * 3 * width) - (12 * width - 1) / 2) * fine / 4
    inside = (np.hypot(place[:, None], place) < radius).reshape(3 * width, 4, 3 * width, 4).mean((1, 3))
    response = np.zeros((2, 3, 6))
    response[:, 0, 0] = response[:, 1, 2] = response[:, 2, 4] = 1  # K-alpha alone
    found = twin._layer(0.95 * inside, np.array([0.4]), response)[0]
    rho = concentration(np.array(0.95))
    mu_in = attenuation_per_m(rho, 17.3)
    for k, energy in enumerate((5.895, 6.9252, 7.4723)):
        mu_out = attenuation_per_m(rho, energy)
        for step in (9, 20, 31):
            u = (step - 20) * twin.step_m
            half = np.sqrt(radius**2 - u**2)
            for d, side in enumerate((1, -1)):
                path = lambda t: np.sqrt(radius**2 - t**2) - side * u  # noqa: B023, E731
                light = lambda t: np.exp(-mu_in * (t + half) - mu_out * path(t))  # noqa: B023, E731
                exact = rho[k] * scipy.integrate.quad(light, -half, half)[0] / twin.step_m
                assert found[d, step, k] == pytest.approx(exact, rel=0.01)


def test_counts_per_voxel_are_what_was_asked_for():
    scan = SMALL.read()
    co = 0.95 / 0.95 * concentration(np.array(0.95))[1] * scan.response[:, 1, 2].sum() * SMALL.views
    assert co == pytest.approx(SMALL.counts_per_voxel, rel=1e-6)
    assert scan.counts.shape == (12, 2, 20, 1, 3)


@pytest.mark.parametrize("absorbs", [True, False])
def test_the_model_of_a_reconstruction_predicts_it(absorbs):
    scan = dataclasses.replace(SMALL, self_absorption=absorbs).read()
    model = model_of(scan)
    if not absorbs:
        nothing = {n: 0 * getattr(model, n) for n in ("absorption_in", "absorption_out")}
        model = dataclasses.replace(model, **nothing)
    found = np.asarray(jax.jit(lambda x: model(x))(jnp.asarray(scan.truth, jnp.float32)))
    assert np.linalg.norm(found - scan.counts) < 0.02 * np.linalg.norm(scan.counts)
    np.testing.assert_allclose(found.sum((0, 2, 3)), scan.counts.sum((0, 2, 3)), rtol=5e-3)


def test_seeds_make_sets():
    noisy = dataclasses.replace(SMALL, poisson=True, views=2)
    first, again, other = noisy.read(), noisy.read(), dataclasses.replace(noisy, seed=1).read()
    np.testing.assert_array_equal(first.counts, again.counts)
    assert np.any(first.counts != other.counts)
    assert np.all(first.counts == np.round(first.counts))


def test_other_directions_are_refused():
    with pytest.raises(ValueError, match="-90 and 90"):
        SimulatedFluorescence(detector_deg=(45.0,))
