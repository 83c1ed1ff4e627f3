"""The whole chain on complex projections with every nuisance, each stage against the truth."""

import functools

import numpy as np
import pytest
from tilt_phantom import density, series

from jxrecon.classical.chain import aligned_volume
from jxrecon.classical.filtered_back_projection import fbp
from jxrecon.classical.horizontal_alignment import without_translation

SIZE, VIEWS = 56, 36


@functools.cache
def case():
    """Shifts of 3 px rms, an axis 1.7 px off, ramps of 0.05 rad per pixel, noise of 0.05, garbage where nothing shone."""
    truth = series(SIZE, VIEWS, noise=0.05, axis_px=1.7)
    found = aligned_volume(
        truth.transmission,
        truth.weight,
        truth.angle,
        phase_per_density=truth.phase_per_density,
        filter="hann",
    )
    return truth, found


@pytest.mark.parametrize("turn", [0, 1])
def test_planes_and_phases_of_both_rounds(turn):
    truth, found = case()
    slope = found.ramps[turn].slope_rad_px - truth.slope
    offset = np.angle(found.ramps[turn].scale / truth.scale)
    assert np.abs(slope).max() * SIZE < 0.05 and np.abs(offset).max() < 0.03
    lit = truth.weight > 0
    error = (found.phase[turn].phase + truth.phase_per_density * truth.path)[:, lit]
    assert np.sqrt(np.mean(error**2)) < 0.08 and np.abs(error).max() < 1


def test_shifts_and_axis():
    truth, found = case()
    assert np.std(found.vertical.shift - truth.shift[:, 0]) < 0.03
    for matching in found.matching:
        left = without_translation(matching.shift - truth.shift, truth.angle)
        assert np.sqrt(np.mean(left**2, axis=0)).max() < 0.05
    assert abs(found.axis_px) < 0.1


def test_density_is_as_good_as_with_known_geometry():
    """The particle where the gauge puts it: mean of its inside to 0.5 %, rms error that of true paths at true shifts and 10 %."""
    truth, found = case()
    gauge = found.shift - truth.shift
    swing = np.stack([np.cos(truth.angle), np.sin(truth.angle)], axis=1)
    x, y = np.linalg.lstsq(swing, gauge[:, 1], rcond=None)[0]
    objects = truth.objects.copy()
    objects[:, :3] -= [gauge[:, 0].mean(), y, x]
    noise = 0.05 / truth.phase_per_density * np.random.default_rng(0).standard_normal(truth.path.shape)
    known = np.asarray(fbp(truth.path + noise, truth.angle, truth.shift, filter="hann"))
    errors = []
    for volume, balls in ((found.density, objects), (known, truth.objects)):
        true, at = density(balls, SIZE), np.arange(SIZE) - (SIZE - 1) / 2
        z, y, x, radius, _ = balls[0]
        r2 = (at[:, None, None] - z) ** 2 + (at[:, None] - y) ** 2 + (at - x) ** 2
        inside = r2 < (0.8 * radius) ** 2
        assert abs(volume[inside].mean() / true[inside].mean() - 1) < 0.005
        errors.append(np.sqrt(np.mean((volume - true)[inside] ** 2)))
    assert errors[0] < 1.1 * errors[1]
    assert errors[1] < 0.06
