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


def test_any_points_in_space():
    """Three axes, more points than one block; against its waves one by one."""
    rng = np.random.default_rng(2)
    field = draw_field(rng, 0.3, waves=28, axes=3)
    points = rng.uniform(-1, 1, (2500, 3))
    waves = [np.cos(points @ k + p) for k, p in zip(field.wavevector, field.phase, strict=True)]
    assert np.allclose(field.at(points), np.sqrt(2 / 28) * np.sum(waves, axis=0), atol=1e-12)
    single = field.at(points.astype(np.float32))
    assert single.dtype == np.float32 and np.allclose(single, field.at(points), atol=1e-5)


def test_two_axes_on_a_grid_and_at_points():
    field = draw_field(np.random.default_rng(3), 5.0, waves=24)
    y, x = np.linspace(-20, 20, 11), np.linspace(-10, 30, 7)
    points = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1).reshape(-1, 2)
    assert np.allclose(field.at(points), field(y, x).ravel(), atol=1e-12)
