"""Shifts along v and u against the ones that were put in; a translation of the volume is free.

Data are chords of balls on a finer grid: no projector of the package made them.
"""

import jax.numpy as jnp
import numpy as np
import pytest
from tilt_phantom import series

from jxrecon.classical.horizontal_alignment import (
    centre_of_mass_shift,
    horizontal_alignment,
    projection_matching,
    without_translation,
)
from jxrecon.kernels.ray_transform import project

SIZE = 56


def errors(found, truth) -> np.ndarray:
    """rms over the views along v and u, in pixels."""
    left = without_translation(found - truth.shift, truth.angle)
    return np.sqrt(np.mean(left**2, axis=0))


def disturbed(truth, noise_rad: float, plane_rad: float) -> np.ndarray:
    """Line integrals with phase noise, and with an offset and ramps across the field that the air reference left."""
    rng = np.random.default_rng(2)
    at = np.linspace(-0.5, 0.5, SIZE)
    planes = plane_rad * rng.standard_normal((3, len(truth.angle), 1, 1))
    plane = 0.3 * planes[0] + planes[1] * at[:, None] + planes[2] * at
    dirt = noise_rad * rng.standard_normal(truth.path.shape) + plane
    return (truth.path + dirt / truth.phase_per_density) * (truth.weight > 0)


@pytest.mark.parametrize("views, noise_rad, plane_rad, worst", [(60, 0, 0, 0.06), (60, 0.05, 0.2, 0.08)])
def test_shifts_of_three_pixels_come_back(views, noise_rad, plane_rad, worst):
    """From a vertical start that is wrong by 0.5 px rms; planes of 0.2 rad move the centres of mass by half a pixel."""
    truth = series(SIZE, views)
    path = disturbed(truth, noise_rad, plane_rad)
    vertical = truth.shift[:, 0] + 0.5 * np.random.default_rng(0).standard_normal(views)
    found = horizontal_alignment(path, truth.weight, truth.angle, vertical, factors=(2, 1))
    assert errors(found.shift, truth).max() < worst
    assert found.residual[-1] < found.residual[0] and found.step_px[-1] < 0.01
    assert set(found.factor) == {2, 1}


def test_few_views_and_no_start_at_all():
    """15 views, nothing known: shifts of 2 px rms and an axis that is 1.5 px off the middle."""
    truth = series(SIZE, 15, shift_px=2.0, axis_px=1.5)
    path = disturbed(truth, 0.05, 0.0)
    found = projection_matching(path, truth.weight, truth.angle, np.zeros((15, 2)), factors=(1,), passes=40)
    assert errors(found.shift, truth).max() < 0.15


@pytest.mark.parametrize("plane_rad, worst", [(0.0, 0.01), (0.02, 0.1)])
def test_centre_of_mass(plane_rad, worst):
    truth = series(SIZE, 40)
    shift = centre_of_mass_shift(disturbed(truth, 0.0, plane_rad), truth.weight, truth.angle)
    assert errors(np.stack([truth.shift[:, 0], shift], axis=1), truth)[1] < worst


def test_gauge_is_a_translation_of_the_volume():
    """Shifts that a translated volume explains are taken out whole, whatever the angles."""
    angle = np.random.default_rng(0).uniform(0, 2, 12)
    turned = jnp.asarray(angle, jnp.float32)
    centres = []
    at = jnp.arange(21)
    for y, x in ((10, 10), (12, 7)):
        blob = jnp.exp(-((at[:, None] - y) ** 2 + (at - x) ** 2) / 8)
        mass = np.asarray(project(blob[..., None], turned, 0 * turned, width=31))[..., 0]
        centres.append(mass @ (np.arange(31) - 15) / mass.sum(1))
    shift = np.stack([np.full(12, 0.7), centres[1] - centres[0]], axis=1)
    np.testing.assert_allclose(without_translation(shift, angle), 0, atol=3e-3)
    axis = np.stack([np.zeros(12), np.ones(12)], axis=1)
    assert np.abs(without_translation(axis, angle)).max() > 0.1
