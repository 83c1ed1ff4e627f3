"""SIRT and CGLS converge, to what made the projections, with every alignment."""

import jax.numpy as jnp
import numpy as np
import pytest
from tooth import tooth

from jxrecon.classical.filtered_back_projection import fbp
from jxrecon.classical.iterative import cgls, sirt
from jxrecon.forward.tomography import project_views
from jxrecon.numerics.angles import equally_spaced, golden_ratio
from jxrecon.twin.projector import project

N, ROWS = 33, 4


@pytest.fixture
def volume():
    """Balls of different densities."""
    rng = np.random.default_rng(0)
    z, y, x = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in (ROWS, N, N)), indexing="ij")
    found = np.zeros((ROWS, N, N), np.float32)
    for _ in range(5):
        y0, x0, radius = *rng.uniform(-8, 8, 2), rng.uniform(3, 6)
        inside = (x - x0) ** 2 + (y - y0) ** 2 + z**2 < radius**2
        found[inside] = rng.uniform(0.5, 1)
    return found


def error(found, volume):
    return np.linalg.norm(found - volume) / np.linalg.norm(volume)


ALIGNMENTS = {
    "upright": {},
    "shifted": {"shift": [0.4, -1.3]},
    "rolled": {"roll": 0.15},
    "leaning": {"pitch": 0.2},
    "all": {"shift": [-0.3, 1.7], "roll": -0.1, "pitch": 0.15},
}


CASES = [(sirt, "upright"), (sirt, "all"), *((cgls, name) for name in ALIGNMENTS)]


@pytest.mark.parametrize("method, name", CASES)
def test_their_own_projections_are_reached(volume, method, name):
    angle = golden_ratio(40).astype(np.float32)
    where = {k: np.full((40, *np.shape(v)), v, np.float32) for k, v in ALIGNMENTS[name].items()}
    projections = project_views(
        jnp.asarray(volume), jnp.asarray(angle), **{k: jnp.asarray(v) for k, v in where.items()}
    )
    found, norms = method(projections, angle, **where, iterations=60 if method is sirt else 25)
    norms = np.asarray(norms)
    assert norms[0] == pytest.approx(float(jnp.linalg.norm(projections)), rel=1e-6)
    assert np.all(np.diff(norms) < 0) and norms[-1] < 0.05 * norms[0]
    # What leaves the detector at a tilt comes back less well.
    assert error(found, volume) < (0.3 if name in ("upright", "shifted") else 0.6)


def test_both_improve_on_filtered_back_projection_of_few_views(volume):
    angle = equally_spaced(24)
    projections = np.stack([project(volume, a, 0.0, N) for a in angle]).astype(np.float32)
    first = error(fbp(projections, angle), volume)
    positive, norms = sirt(projections, angle, iterations=100, nonnegative=True)
    assert np.min(positive) >= 0 and np.all(np.diff(norms) < 1e-3)
    free, _ = sirt(projections, angle, iterations=100)
    conjugate, _ = cgls(projections, angle, iterations=12)
    assert np.min(free) < 0
    assert error(positive, volume) < error(free, volume) < first
    assert error(conjugate, volume) < first


def test_nothing_measured_is_nothing(volume):
    nothing = np.zeros((6, ROWS, N), np.float32)
    for found, _ in (
        cgls(nothing, equally_spaced(6), iterations=3),
        sirt(nothing, equally_spaced(6), iterations=3),
    ):
        np.testing.assert_array_equal(found, 0)


def test_a_measured_tooth(measured_data):
    """Few views of the measured tooth, three times binned: closer to the slice from all views than filtered back projection."""
    projections, angle = tooth(measured_data)
    projections = (
        projections[:, :1, :593][:, :, 1:592].reshape(181, 1, 197, 3).mean(-1)
    )  # the axis, 296, in the middle
    whole = np.asarray(fbp(projections, angle, filter="hann"))[0]
    disc = np.hypot(*(np.mgrid[:197, :197] - 98.0)) < 95
    few = projections[::6], angle[::6]
    start = np.asarray(fbp(*few, filter="hann"))[0]
    iterated = np.asarray(sirt(*few, iterations=60, nonnegative=True)[0])[0]
    alike = [np.corrcoef(image[disc], whole[disc])[0, 1] for image in (start, iterated)]
    assert alike[1] > 0.95 and alike[1] > alike[0]
