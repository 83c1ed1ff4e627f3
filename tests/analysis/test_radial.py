"""Distances, normalised radius, shells and parabolas against balls and profiles that are known."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from jxrecon.analysis.radial import (
    CORE,
    SHELL,
    RadialProfile,
    averaged_profile,
    distance_map,
    fits_of,
    normalised_radius,
    quadratic,
    radial_profile,
    zone_mean,
)

Z, Y, X = np.meshgrid(*(np.arange(64) - 31.5,) * 3, indexing="ij")
RADIUS = np.sqrt(Z**2 + Y**2 + X**2)
BALL = RADIUS < 25


def test_distance_is_scipys_and_a_mask_without_outside_is_refused():
    distance = distance_map(BALL)
    assert np.max(np.abs(distance - np.asarray(distance_transform_edt(BALL)))) < 1e-6
    for nothing in (np.zeros((8, 8, 8), bool), np.ones((8, 8, 8), bool)):
        with pytest.raises(ValueError, match="expected a particle"):
            distance_map(nothing)


def test_radius_of_a_ball():
    rho = normalised_radius(BALL)
    assert np.all(np.isnan(rho[~BALL]))
    assert np.sqrt(np.mean((rho[BALL] - RADIUS[BALL] / 25) ** 2)) < 0.03
    assert np.nanmin(rho) == 0 and 0.97 < np.nanmax(rho) <= 1


def test_beyond_the_volume_is_no_surface():
    half = BALL[32:]
    rho, whole = normalised_radius(half), normalised_radius(BALL)[32:]
    assert np.nanmax(np.abs(rho - whole)) < 0.03


def test_shells_recover_a_profile_and_leave_out_what_is_no_number():
    rho = normalised_radius(BALL)
    density = np.where(BALL, 0.9 - 0.2 * np.nan_to_num(rho) ** 2, 0).astype(np.float32)
    density += np.random.default_rng(0).normal(0, 0.02, density.shape).astype(np.float32)
    density[30, 30, 30] = np.nan
    profile = radial_profile(density, rho)
    heavy = profile.voxels > 200
    assert profile.voxels.sum() == BALL.sum() - 1 and heavy.sum() > 15
    exact = radial_profile(np.where(BALL, 0.9 - 0.2 * np.nan_to_num(rho) ** 2, 0), rho).mean
    assert np.max(np.abs(profile.mean - exact)[heavy]) < 0.005
    assert np.median(profile.spread[heavy]) == pytest.approx(0.02, abs=0.005)
    fit = fits_of(profile.rho, profile.mean, profile.voxels)["weighted"]
    assert [fit.p2, fit.p1, fit.p0] == pytest.approx([-0.2, 0, 0.9], abs=0.02)
    # the mean of a volume-weighted parabola is that of the particle
    assert np.average(fit(profile.rho), weights=profile.voxels) == pytest.approx(
        np.nanmean(density[BALL]), abs=1e-3
    )


def test_zones():
    rho = normalised_radius(BALL)
    density = np.where(np.nan_to_num(rho) < 0.6, 0.9, 0.7)
    assert zone_mean(density, rho, CORE) == pytest.approx(0.9)
    assert zone_mean(density, rho, SHELL) == pytest.approx(0.7)
    assert np.isnan(zone_mean(density, rho, (2, 3)))


def test_a_parabola_by_volume_does_not_follow_the_core():
    rho = (np.arange(20) + 0.5) / 20
    voxels = np.diff((np.arange(21) / 20) ** 3) * 1e6
    mean = 0.95 - 0.15 * rho
    mean[:3] -= 0.2  # a crack through the core
    fits = fits_of(rho, mean, voxels)
    shift = {name: abs(fit(np.array([0.9]))[0] - (0.95 - 0.135)) for name, fit in fits.items()}
    slope = {name: fit.p1 + 0.4 * fit.p2 for name, fit in fits.items()}  # at rho = 0.2
    assert slope["unweighted"] > 0 > slope["weighted"]
    assert shift["weighted"] < 0.01
    assert np.allclose([getattr(quadratic(rho, 1 - rho**2), k) for k in ("p2", "p1", "p0")], [-1, 0, 1])
    with pytest.raises(ValueError, match="a parabola wants three"):
        quadratic(rho[:2], mean[:2])


def test_particles_are_averaged_alike_and_bars_are_half_the_deviation():
    rho = np.array([0.25, 0.75])
    values = np.array([[0.8, 0.9], [0.9, 0.9], [np.nan, 0.6]])
    profiles = [RadialProfile(rho, v, v * 0, np.array([10, 30])) for v in values]
    found = averaged_profile(profiles)
    assert found.mean == pytest.approx([0.85, 0.8]) and found.count == 3
    assert found.half_std == pytest.approx([0.025, np.std([0.9, 0.9, 0.6]) / 2])
    assert found.share == pytest.approx([0.25, 0.75])
