"""Scans that share an object keep their common origin; those that share a probe have each their own."""

import numpy as np
import pytest

from jxrecon.data.preprocess import Preprocess
from jxrecon.data.several import Several
from jxrecon.errors import InputError


@pytest.fixture
def two(plain_file, known):
    """The second scan has 7 other frames, 30 pixels further right, and a dead pixel of its own."""
    mask = np.ones((16, 20), bool)
    mask[1, 2] = False
    other = known.positions_px[:7] + [0, 30]
    return [str(plain_file()), str(plain_file(intensity=known.counts[5:], positions_px=other, mask=mask))]


def test_shared_object(two, known):
    geometry, measurement = Several(two, share="object").read()
    together = np.concatenate([known.positions_px, known.positions_px[:7] + [0, 30]])
    np.testing.assert_allclose(measurement.positions_px, known.centred(together), atol=1e-9)
    assert measurement.view.tolist() == [0] * 12 + [1] * 7
    assert measurement.specimen.tolist() == [0, 0] and measurement.optics.tolist() == [0, 1]
    index = np.array([0, 11, 12, 18])
    expected = known.counts[[0, 11, 5, 11]].astype(np.float32)
    expected[2:, 1, 2] = -1
    np.testing.assert_array_equal(measurement.frames.read(index), expected)
    np.testing.assert_array_equal(measurement.frames.read(index[[2, 0]]), expected[[2, 0]])
    assert measurement.mask.all() and measurement.metadata["frames_used"] == 19
    assert measurement.metadata["scans"] == two


def test_shared_probe(two, known):
    _, measurement = Several(two, share="probe").read()
    assert measurement.specimen.tolist() == [0, 1] and measurement.optics.tolist() == [0, 0]
    np.testing.assert_allclose(measurement.positions_px[:12], known.positions_px, atol=1e-9)
    np.testing.assert_allclose(
        measurement.positions_px[12:], known.centred(known.positions_px[:7]), atol=1e-9
    )


def test_both_shared_with_settings_for_all(two):
    _, measurement = Several(two, share="both", preprocess=Preprocess(stop=5, crop=8)).read()
    assert measurement.frames.shape == (10, 8, 8)
    assert measurement.specimen.tolist() == measurement.optics.tolist() == [0, 0]


def test_scans_must_fit_together(two, plain_file, known):
    other = plain_file(intensity=known.counts[:, :8])
    with pytest.raises(InputError, match="need equal frames"):
        Several([two[0], str(other)]).read()
    with pytest.raises(InputError, match="same geometry"):
        Several([two[0], str(plain_file(distance_m=2.5))]).read()
    with pytest.raises(InputError, match="`data.paths` is empty"):
        Several().read()
