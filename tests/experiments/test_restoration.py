"""`experiments/priors.py`: its data term against a direct sum, and one restoration that a prior makes better."""

import dataclasses
import importlib
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from jxrecon.parameters import Volume

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


@pytest.fixture
def restoration(monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    return importlib.import_module("restoration")


def test_blur_is_that_of_scipy(restoration):
    n = restoration.SIZE
    density = np.random.default_rng(0).random((n, n, n)).astype(np.float32)
    blurred = gaussian_filter(density.astype(np.float64), 1.5, mode="wrap", truncate=8)
    parameters = dataclasses.replace(restoration.start(False), volume=Volume(jnp.asarray(density)))
    one = jnp.ones(density.shape, jnp.float32)

    def misfit(measured):
        return restoration.BlurMisfit(jnp.asarray(measured, jnp.float32), one, jnp.float32(1.5))(
            parameters, {}
        )

    assert misfit(blurred) < 1e-6 * misfit(density)


def test_scores_of_the_truth_and_of_a_solid_ball(restoration, monkeypatch):
    """A ball with holes: the truth is right in all, a ball without holes misses every pore."""
    n = 2 * restoration.SIZE + 32
    z, y, x = np.meshgrid(*[np.arange(n) - n / 2] * 3, indexing="ij", sparse=True)
    ball = (z**2 + y**2 + x**2 < 55**2).astype(float)
    holes = (np.cos(z / 5) * np.cos(y / 5) * np.cos(x / 5) > 0.8) & (z**2 + y**2 + x**2 < 40**2)
    monkeypatch.setattr(restoration, "specimen", lambda seed, chemistry: (ball * ~holes, 1.0))

    def found(volume):
        cube = restoration.pooled(volume)[8:-8, 8:-8, 8:-8]
        return restoration.scores(cube, 0, False)

    perfect, blind = found(ball * ~holes), found(ball)
    assert perfect["rmse"] == 0 and perfect["dice"] == 1 and perfect["bias"] == 0
    assert perfect["half_period_nm"] == pytest.approx(restoration.VOXEL_NM)
    assert blind["dice"] == 0 and blind["bias"] < -0.005 and blind["rmse"] > 0.05
