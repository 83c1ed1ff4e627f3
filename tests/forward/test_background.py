"""What lies under reflections and what scales them: bases of the background, Lorentz and polarisation factors."""

import jax.numpy as jnp
import numpy as np
import pytest

from jxrecon.forward.background import b_splines, background, chebyshev
from jxrecon.forward.intensities import lorentz, polarisation_of_synchrotron, polarisation_of_tube

TWO_THETA = np.linspace(5.0, 25.0, 101)


def test_chebyshev_polynomials():
    basis = chebyshev(TWO_THETA, 6)
    angle = np.arccos(np.clip((TWO_THETA - 15) / 10, -1, 1))
    np.testing.assert_allclose(basis, np.cos(np.arange(6)[:, None] * angle), atol=1e-12)


@pytest.mark.parametrize("degree, terms", [(3, 4), (3, 9), (1, 5)])
def test_splines_are_local_and_sum_to_one(degree, terms):
    basis = b_splines(TWO_THETA, terms, degree)
    assert basis.shape == (terms, 101) and (basis >= 0).all()
    np.testing.assert_allclose(basis.sum(axis=0), 1, rtol=1e-12)
    assert (np.count_nonzero(basis, axis=0) <= degree + 1).all()
    # They hold all polynomials of their degree.
    target = (TWO_THETA / 10) ** degree
    fitted = np.linalg.lstsq(basis.T, target, rcond=None)[0]
    np.testing.assert_allclose(fitted @ basis, target, atol=1e-10)


def test_background_is_a_sum_of_its_terms(float64):
    basis = chebyshev(TWO_THETA, 3)
    coefficients = np.random.default_rng(0).normal(size=(2, 4, 3))
    found = background(jnp.asarray(coefficients), basis)
    np.testing.assert_allclose(found, np.einsum("yxk,kc->yxc", coefficients, basis), rtol=1e-12, atol=1e-14)


def test_too_few_terms_are_an_error():
    with pytest.raises(ValueError, match="expected 1"):
        chebyshev(TWO_THETA, 0)
    with pytest.raises(ValueError, match="are 4 or more"):
        b_splines(TWO_THETA, 3)


def test_lorentz_and_polarisation():
    angles = np.array([20.0, 60.0, 90.0])
    # 4 / (sin theta sin 2 theta) of the text-books, which carries a factor of 8 more
    theta = np.radians(angles / 2)
    np.testing.assert_allclose(lorentz(angles) * 2, 4 / np.sin(theta) / np.sin(2 * theta), rtol=1e-12)
    np.testing.assert_allclose(
        lorentz(angles, summed=True), lorentz(angles) * np.sin(2 * theta) / 2, rtol=1e-12
    )
    np.testing.assert_allclose(polarisation_of_tube(angles), (1 + np.cos(2 * theta) ** 2) / 2)
    np.testing.assert_allclose(polarisation_of_synchrotron(angles), polarisation_of_tube(angles))
    np.testing.assert_allclose(polarisation_of_synchrotron(angles, 1.0), 1.0)
    # A monochromator at 2 theta = 90 degrees leaves light polarised across the plane alone.
    np.testing.assert_allclose(polarisation_of_tube(angles, 90.0), 1.0)
    assert polarisation_of_tube(np.array([90.0]), 26.6)[0] == pytest.approx(
        1 / (1 + np.cos(np.radians(26.6)) ** 2)
    )
