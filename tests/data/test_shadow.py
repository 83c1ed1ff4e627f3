"""A picture that moves with the probe, made and found again."""

import numpy as np
import pytest

from jxrecon.data.shadow import find_shadow


@pytest.fixture
def scene():
    rng = np.random.default_rng(4)
    positions = rng.uniform(-30, 30, (40, 2)) * 1e-6
    smooth = np.fft.rfft2(rng.normal(size=(256, 256)))
    frequency = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.rfftfreq(256)[None])
    return positions, 100 + 60 * np.fft.irfft2(smooth * np.exp(-((frequency / 0.1) ** 2))) * 8


@pytest.mark.parametrize("matrix", [[[-1e6, 0], [0, -1e6]], [[0, 5e5], [-1e6, 0]]])
def test_shift_per_step(scene, matrix):
    positions, picture = scene
    shifts = np.round(positions @ np.array(matrix).T).astype(int)
    frames = np.stack([np.roll(picture, s, (0, 1))[64:192, 64:192] for s in shifts])
    shadow = find_shadow(frames, positions)
    assert shadow.seen
    np.testing.assert_allclose(shadow.shift_px_per_m, matrix, atol=6e4)
    expected = np.sqrt(abs(np.linalg.det(matrix))) * 75e-6
    assert shadow.magnification((75e-6, 75e-6)) == pytest.approx(expected, rel=0.05)


def test_pictures_that_stand_still_or_have_nothing_in_common(scene):
    positions, picture = scene
    rng = np.random.default_rng(0)
    still = rng.poisson(np.broadcast_to(np.abs(picture[:128, :128]), (40, 128, 128))).astype(float)
    assert not find_shadow(still, positions).seen
    assert find_shadow(still[:5], positions[:5]) is None
