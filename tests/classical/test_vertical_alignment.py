"""Vertical shifts by mass fluctuation, against the ones that were put in (their common mean is free)."""

import numpy as np
import pytest
from tilt_phantom import series

from jxrecon.classical.vertical_alignment import mass_profiles, vertical_alignment


def rms_error(found, truth) -> float:
    return float(np.std(found.shift - truth.shift[:, 0]))


def noisy(truth, rad: float, rng=None):
    rng = np.random.default_rng(0) if rng is None else rng
    return truth.path + rad / truth.phase_per_density * rng.standard_normal(truth.path.shape)


@pytest.mark.parametrize("noise, worst", [(0.0, 0.01), (0.1, 0.04)])
def test_shifts_of_three_pixels_come_back(noise, worst):
    truth = series(64, 40)
    found = vertical_alignment(noisy(truth, noise), truth.weight)
    assert rms_error(found, truth) < worst
    assert abs(found.shift.mean()) < 1e-9
    assert found.residual[-1] < 0.5 * found.residual[0]


def test_offsets_and_ramps_along_v_do_not_matter():
    """Residual planes of 0.1 rad across the field in every view, as a poor air reference leaves them."""
    truth = series(64, 20)
    rng = np.random.default_rng(1)
    plane = rng.normal(0, 0.1, (20, 2, 1, 1)) / truth.phase_per_density
    path = truth.path + plane[:, 0] + plane[:, 1] * np.linspace(-0.5, 0.5, 64)[:, None]
    assert rms_error(vertical_alignment(path, truth.weight), truth) < 0.05


def test_large_shifts_and_a_shifted_field_of_view():
    truth = series(64, 20, shift_px=5.0, margin=0)
    assert rms_error(vertical_alignment(truth.path, np.ones((64, 64))), truth) < 0.1


def test_mass_is_the_same_from_every_side():
    truth = series(64, 10, shift_px=0.0)
    profiles, known = mass_profiles(truth.path, truth.weight)
    assert np.abs(profiles - profiles.mean(0)).max() < 2e-3 * profiles.max()
    assert known[:, 8:-8].all() and not known[:, :2].any()
