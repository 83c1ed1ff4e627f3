"""The axis of known balls to a tenth of a pixel; of a measured tooth, where its mass and its mirror images say too."""

import h5py
import numpy as np
import pytest
from tilt_phantom import series

from jxrecon.classical.rotation_axis import axis_offset, pair_offset
from jxrecon.errors import InputError


def noisy(truth, rad: float = 0.05) -> np.ndarray:
    rng = np.random.default_rng(0)
    return truth.path + rad / truth.phase_per_density * rng.standard_normal(truth.path.shape)


@pytest.mark.parametrize("views, start", [(60, None), (20, None), (60, 0.0)])
def test_axis_of_balls(views, start):
    truth = series(64, views, axis_px=3.3, shift_px=0.0)
    assert abs(axis_offset(noisy(truth), truth.angle, start=start) - 3.3) < 0.1


def test_known_shifts_are_taken_out_first():
    truth = series(64, 40, axis_px=-2.6, shift_px=1.5)
    known = truth.shift - [0, -2.6]
    assert abs(axis_offset(noisy(truth), truth.angle, known) + 2.6) < 0.1


def test_pairs_alone():
    """3 degrees short of half a turn: half of that, times 2 px from the axis, is 0.05 px."""
    truth = series(64, 60, axis_px=3.3, shift_px=0.0)
    assert abs(pair_offset(noisy(truth), truth.angle, 0 * truth.shift) - 3.3) < 0.1
    with pytest.raises(InputError, match="half a turn"):
        pair_offset(truth.path[:30], truth.angle[:30], 0 * truth.shift[:30])


def test_axis_of_the_measured_tooth(measured_data):
    """Near column 296: the centre of mass of a complete specimen says 296.3, pairs 295.6."""
    with h5py.File(measured_data / "tomography/tooth.h5") as file:
        exchange = file["exchange"]
        data, white, dark = (exchange[name][:].astype(float) for name in ("data", "data_white", "data_dark"))
        angle = np.deg2rad(exchange["theta"][:])
    path = -np.log((data - dark.mean(0)) / (white.mean(0) - dark.mean(0)))[::3, :1]
    column = axis_offset(path, angle[::3]) + (path.shape[2] - 1) / 2
    assert abs(column - 296) < 0.5
