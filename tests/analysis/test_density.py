"""Masks of bodies of known size, histograms of known distributions."""

import numpy as np
import pytest

from jxrecon.analysis.density import density_histogram, grown, particle_mask, typical_density

Z, Y, X = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in (60, 64, 66)), indexing="ij")
RADIUS = np.sqrt(Z**2 + Y**2 + X**2)
RNG = np.random.default_rng(0)


def ball(radius, density=0.95):
    return density * np.clip(radius - RADIUS + 0.5, 0, 1)


def test_the_mask_is_the_body_with_its_pores_and_without_specks():
    body = ball(20) - ball(7)  # a hollow ball
    body[2:4, 2:4, 2:4] = 0.9
    mask = particle_mask(body + RNG.normal(0, 0.1, body.shape))
    assert np.mean(mask[RADIUS < 19]) == 1.0
    assert not mask[RADIUS > 21.5].any()
    assert mask.sum() == pytest.approx(4 / 3 * np.pi * 20**3, rel=0.03)


def test_margins_are_distances():
    mask = RADIUS < 12
    assert grown(mask, 5).sum() == pytest.approx(4 / 3 * np.pi * 17**3, rel=0.08)
    assert grown(mask, -5).sum() == pytest.approx(4 / 3 * np.pi * 7**3, rel=0.08)
    np.testing.assert_array_equal(particle_mask(ball(12), margin=4), grown(particle_mask(ball(12)), 4))
    assert not grown(np.zeros((4, 4, 4), bool), 3).any()


def test_a_threshold_of_ones_own_and_nothing_at_all():
    glass = ball(25, 0.66) + ball(12, 0.3)
    assert particle_mask(glass, threshold=0.8).sum() == pytest.approx(4 / 3 * np.pi * 12**3, rel=0.08)
    assert not particle_mask(np.zeros((8, 8, 8))).any()
    assert not particle_mask(np.full((8, 8, 8), -1.0)).any()
    assert typical_density(ball(12)) == pytest.approx(0.95, rel=0.05)  # whatever the amount of air


def test_peaks_and_moments_of_a_mixture():
    # 30 % of glass at 0.66, 70 % of solid at 0.95
    values = np.where(RNG.random(400_000) < 0.3, 0.66, 0.95) + RNG.normal(0, 0.04, 400_000)
    density = np.concatenate([values, np.zeros(100)]).reshape(-1, 1, 100)
    mask = np.ones(density.shape, bool)
    mask[-1] = False
    found = density_histogram(density, mask)
    np.testing.assert_allclose(found.peaks, [0.66, 0.95], atol=0.006)
    assert found.mean == pytest.approx(0.863, abs=1e-3)
    assert found.spread == pytest.approx(np.sqrt(0.04**2 + 0.3 * 0.7 * 0.29**2), abs=1e-3)
    assert found.share.sum() == pytest.approx(1.0, abs=0.01)
    assert found.metrics()["density_peak"] == pytest.approx(0.95, abs=0.006)
    centres = found.centres
    assert np.sum(found.share[centres < 0.8]) == pytest.approx(0.3, abs=0.005)


def test_quantiles_are_those_of_a_uniform_distribution():
    density = np.linspace(0.5, 1.1, 100_001).reshape(1, 1, -1)
    found = density_histogram(density, np.ones(density.shape, bool), limits=(0.5, 1.1), bins=60)
    np.testing.assert_allclose(
        found.quantiles, 0.5 + 0.6 * np.array([0.05, 0.25, 0.5, 0.75, 0.95]), atol=1e-9
    )
    np.testing.assert_allclose(found.share, 1 / 60, rtol=1e-3)
    assert len(found.edges) == 61


def test_an_empty_mask_is_refused_and_one_value_is_a_histogram():
    with pytest.raises(ValueError, match="holds no voxel"):
        density_histogram(np.ones((4, 4, 4)), np.zeros((4, 4, 4), bool))
    found = density_histogram(np.full((4, 4, 4), 0.9), np.ones((4, 4, 4), bool))
    assert found.mean == pytest.approx(0.9) and found.spread == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(found.peaks, [0.9], atol=1e-3)
