"""Shifts against the mean of all views: a start, exact for a ball, within a pixel or two for what is not round."""

import numpy as np
import pytest
from tilt_phantom import balls, line_integrals, series

from jxrecon.classical.mean_image_alignment import mean_image_shift


def errors(found, shift, angle) -> np.ndarray:
    """rms along v and u without what an image cannot tell: the translation of the volume, and the rotation axis."""
    design = np.stack([np.ones_like(angle), np.cos(angle), np.sin(angle)], axis=1)
    along_v, along_u = (found - shift).T
    along_u = along_u - design @ np.linalg.lstsq(design, along_u, rcond=None)[0]
    return np.array([np.std(along_v), np.sqrt(np.mean(along_u**2))])


def test_one_ball_comes_back_to_a_tenth_of_a_pixel():
    """A ball off the axis swings as cos and sin, which the gauge takes out."""
    angle, ball = np.arange(20) * np.pi / 20, balls(64)[:1]
    shift = 3 * np.random.default_rng(0).standard_normal((20, 2))
    found = mean_image_shift(line_integrals(ball, angle, 64, shift), np.ones((64, 64)))
    assert errors(found, shift, angle).max() < 0.05


@pytest.mark.parametrize("margin", [2, 9])
def test_a_start_within_half_a_pixel_even_where_the_field_cuts_the_particle(margin):
    """Offsets and ramps of 0.5 rad in every view, noise of 0.1 rad; nothing is known of the air."""
    truth = series(64, 30, margin=margin)
    rng, at = np.random.default_rng(1), np.linspace(-0.5, 0.5, 64)
    planes = 0.5 * rng.standard_normal((3, 30, 1, 1))
    dirt = planes[0] + planes[1] * at[:, None] + planes[2] * at + 0.1 * rng.standard_normal(truth.path.shape)
    path = (truth.path + dirt / truth.phase_per_density) * (truth.weight > 0)
    found = mean_image_shift(path, truth.weight)
    assert errors(found, truth.shift, truth.angle).max() < 0.5
    assert np.sqrt(np.mean(truth.shift**2)) > 2
