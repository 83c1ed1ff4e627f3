"""Aberrations of a diffractometer against trigonometry, and the emission lines against the wavelength they are tied to."""

import numpy as np
import pytest

from jxrecon.forward.diffractometer import COPPER_SPECTRUM, axial_shifts_deg, flat_specimen_deg


@pytest.mark.parametrize("two_theta", [20.0, 60.0, 90.0, 150.0])
def test_axial_shifts_are_those_of_exact_rays(float64, two_theta):
    """cos(2 theta) = cos(2 phi) cos a cos b - sin a sin b, for evenly spread a and b."""
    opening = 0.02
    shifts, weights = axial_shifts_deg(np.array([two_theta]), opening)
    angle = (np.arange(400) + 0.5) / 200 - 1
    a, b = np.meshgrid(opening * angle, opening * angle)
    exact = np.degrees(
        np.arccos((np.cos(np.radians(two_theta)) + np.sin(a) * np.sin(b)) / (np.cos(a) * np.cos(b)))
    )
    moved = exact - two_theta
    assert np.sum(weights) == pytest.approx(1, abs=1e-12)
    assert float(shifts[0] @ weights) == pytest.approx(moved.mean(), abs=0.01 * np.ptp(moved))
    spread = float(np.sqrt(np.square(shifts[0]) @ weights))
    assert spread == pytest.approx(np.sqrt(np.mean(moved**2)), rel=0.01)


def test_flat_specimen_has_the_mean_and_variance_of_wilson():
    divergence, two_theta = np.radians(1.0), np.array([21.4, 100.0])
    rays = ((np.arange(2000) + 0.5) / 2000) ** 2  # of evenly spread rays: their squares
    longest = np.degrees(divergence**2 / 4 / np.tan(np.radians(two_theta) / 2))
    mean, width = flat_specimen_deg(two_theta, divergence)
    np.testing.assert_allclose(mean, -longest * rays.mean(), rtol=1e-5)
    np.testing.assert_allclose(width, 2 * np.sqrt(2 * np.log(2)) * longest * rays.std(), rtol=1e-5)


def test_the_copper_lines_peak_at_the_wavelength_they_are_tied_to():
    wavelength = np.linspace(1.5404e-10, 1.5408e-10, 40001)
    total = sum(
        share / (width * line) / (1 + 4 * ((wavelength - line) / (width * line)) ** 2)
        for line, share, width in COPPER_SPECTRUM
    )
    assert wavelength[np.argmax(total)] == pytest.approx(1.5405929e-10, rel=2e-6)
