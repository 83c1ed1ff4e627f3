"""Position errors with the gauge removed, against maps of known parameters."""

import numpy as np
import pytest

from jxrecon.analysis.positions import position_rms, remove_affine, remove_similarity, remove_translation

RNG = np.random.default_rng(3)
TRUE = RNG.uniform(-80, 80, (400, 2))
NOISE = RNG.normal(0, 0.1, (400, 2))
TURN = np.deg2rad(1.3)
ROTATED = 1.02 * TRUE @ np.array([[np.cos(TURN), np.sin(TURN)], [-np.sin(TURN), np.cos(TURN)]]) + [5.0, -7.0]
SHEARED = TRUE @ np.array([[1.01, 0.02], [0.0, 0.99]]) + 3.0


@pytest.mark.parametrize(
    "found, remove",
    [(TRUE + [4.0, -9.0], remove_translation), (ROTATED, remove_similarity), (SHEARED, remove_affine)],
)
def test_the_right_gauge_leaves_nothing_but_the_noise(found, remove):
    assert position_rms(found, TRUE, remove) < 1e-9
    # 400 draws of two components of 0.1 px: the rms distance is 0.1414 px to a few per cent.
    assert position_rms(found + NOISE, TRUE, remove) == pytest.approx(0.1 * np.sqrt(2), rel=0.08)


def test_a_rotation_is_no_gauge_of_the_default():
    # rms distance of a pure similarity: |factor - 1| times the rms radius
    radius = np.sqrt(np.mean(np.sum((TRUE - TRUE.mean(0)) ** 2, axis=1)))
    assert position_rms(ROTATED, TRUE) == pytest.approx(abs(1.02 * np.exp(1j * TURN) - 1) * radius, rel=1e-9)
    assert position_rms(SHEARED, TRUE, remove_similarity) > 0.1
