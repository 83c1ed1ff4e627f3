"""Statistics of random fields."""

import numpy as np
import pytest

from jxrecon.twin.random_field import draw_field


def test_variance_and_correlation():
    """Unit variance, and exp(-r^2 / (2 length^2)) between points r apart."""
    x = np.arange(0, 600, 3.0)
    field = draw_field(np.random.default_rng(0), 6.0, waves=2000)(x, x)
    assert field.mean() == pytest.approx(0, abs=0.05)
    assert field.var() == pytest.approx(1, rel=0.1)
    for steps in (1, 2, 4):
        found = np.mean(field[:, steps:] * field[:, :-steps]) / field.var()
        assert found == pytest.approx(np.exp(-((3.0 * steps) ** 2) / 72), abs=0.05)


def test_it_belongs_to_no_grid():
    field = draw_field(np.random.default_rng(1), 5.0, waves=24)
    y, x = np.linspace(-20, 20, 41), np.linspace(-10, 30, 81)
    wave = [np.cos(k @ (y[7], x[33]) + p) for k, p in zip(field.wavevector, field.phase, strict=True)]
    assert field(y, x)[7, 33] == pytest.approx(np.sqrt(2 / 24) * np.sum(wave), abs=1e-12)
    assert np.allclose(field(y[::2], x[::4]), field(y, x)[::2, ::4], atol=1e-12)
