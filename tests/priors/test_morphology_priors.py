"""Priors of a porous solid against analytic answers, other programs, and the twin."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import problems
import pytest
from shared_numbers import fitted_numbers
from skimage.measure import euler_number as euler_number_of_skimage

from jxrecon.kernels.soft_opening import local_thickness, opening
from jxrecon.parameters import Morphology, Volume
from jxrecon.priors.air_and_glass import AirAndGlass
from jxrecon.priors.double_well import DoubleWell
from jxrecon.priors.euler_number import EulerNumber
from jxrecon.priors.granulometry import Granulometry
from jxrecon.priors.huber_total_variation import HuberTotalVariation
from jxrecon.priors.lineal_path import LinealPath
from jxrecon.priors.local_thickness import LocalThickness
from jxrecon.priors.minimum_pore_size import MinimumPoreSize
from jxrecon.priors.modica_mortola import ModicaMortola
from jxrecon.priors.partial_volume_mixture import PartialVolumeMixture
from jxrecon.priors.radial_profile import RadialProfile, normalised_radius, quadratic
from jxrecon.priors.solid import UniformSolid
from jxrecon.priors.tikhonov import Tikhonov
from jxrecon.priors.total_variation import TotalVariation
from jxrecon.priors.two_point_correlation import TwoPointCorrelation
from jxrecon.twin.particle import Particle

BARE = problems.unknowns(8, 4, 1, full=False, dtype=np.float32)
TWIN = Particle("cycled_small", size=64, voxel_m=20e-9, radius_m=0.58e-6)


def unknowns(density, morphology=None):
    volume = Volume(jnp.asarray(density, jnp.result_type(float)))
    return dataclasses.replace(BARE, object=None, volume=volume, morphology=morphology)


def value(prior, density) -> float:
    return float(jax.jit(lambda p: prior(p, {}))(unknowns(density)))


def distance(n):
    a = np.arange(n) - (n - 1) / 2
    return np.sqrt(a[:, None, None] ** 2 + a[:, None] ** 2 + a**2)


def ball(n, radius):
    return (distance(n) <= radius).astype(np.float32)


def test_huber_is_tikhonov_for_small_steps_and_total_variation_for_large_ones():
    u = np.random.default_rng(0).normal(size=(10, 12, 14)).astype(np.float32)
    soft, hard = HuberTotalVariation(bend=100.0), HuberTotalVariation(bend=1e-3)
    assert value(soft, u) == pytest.approx(value(Tikhonov(), u) / 200, rel=1e-5)
    assert value(hard, u) == pytest.approx(value(TotalVariation(eps=1e-6), u), rel=1e-3)
    with pytest.raises(ValueError, match="`bend` is 0"):
        HuberTotalVariation(bend=0.0)


@pytest.mark.parametrize("width", [1.0, 1.5, 2.0])
def test_modica_and_mortola_measure_the_area_of_a_ball(width):
    """On the optimal profile, three times the energy is 4 pi R^2, and no other wall is cheaper."""
    radius, n = 20.0, 64
    wall = lambda w: 0.9 * (1 + np.tanh((radius - distance(n)) / (2 * w))) / 2  # noqa: E731
    prior = ModicaMortola(width=width, solid=UniformSolid(0.9))
    found = value(prior, wall(width))
    assert 3 * found / (4 * np.pi * radius**2) == pytest.approx(1, abs=0.012)
    assert value(prior, wall(0.7 * width)) > found < value(prior, wall(1.4 * width))


def test_a_double_well_has_its_bottoms_at_pore_and_solid():
    prior = DoubleWell(solid=UniformSolid(0.8))
    assert value(prior, np.array([0.0, 0.8]).reshape(1, 1, 2)) == pytest.approx(0, abs=1e-12)
    assert value(prior, np.full((2, 2, 2), 0.4)) == pytest.approx(8 / 16, rel=1e-6)
    near = value(prior, np.full((1, 1, 1), 0.8 + 0.01)) / (0.01 / 0.8) ** 2
    assert near == pytest.approx(1, rel=0.05), "weight w: a normal distribution with variance n_s^2 / (2 w)"


START = Morphology(solid_level=0.8, log_noise=-2.0, shares=(-1.0, 0.0, -1.0))


def test_a_mixture_learns_shares_noise_and_level_of_its_own_draws():
    rng, shares = np.random.default_rng(1), (0.15, 0.6, 0.25)
    kind = rng.choice(3, size=(40, 40, 40), p=shares)
    part = np.where(kind == 0, 0.0, np.where(kind == 1, 1.0, rng.uniform(size=kind.shape)))
    learnt = fitted_numbers(
        PartialVolumeMixture(), unknowns(0.93 * part + 0.04 * rng.normal(size=part.shape)), START
    )
    np.testing.assert_allclose(jax.nn.softmax(learnt.shares), shares, atol=0.01)
    assert float(learnt.solid_level) == pytest.approx(0.93, abs=0.002)
    assert float(jnp.exp(learnt.log_noise)) == pytest.approx(0.04, rel=0.03)


def test_a_mixture_finds_the_shares_of_the_twin():
    """Within 0.02; what lies within two standard deviations of a level counts as that level's."""
    maps, noise = TWIN.maps(3), 0.05
    inside = maps.inside > 0.999
    share, rng = maps.occupancy[inside], np.random.default_rng(0)
    density = (maps.electron_density[inside] + noise * rng.normal(size=share.shape))[: share.size // 64 * 64]
    learnt = fitted_numbers(PartialVolumeMixture(), unknowns(density.reshape(1, 64, -1)), START)
    expected = [np.mean(share < 2 * noise), np.mean(share > 1 - 2 * noise)]
    found = np.asarray(jax.nn.softmax(learnt.shares))
    np.testing.assert_allclose(found, [*expected, 1 - sum(expected)], atol=0.02)
    assert float(learnt.solid_level) == pytest.approx(
        float(np.median(maps.electron_density[inside][share > 0.97])), abs=0.02
    )


@pytest.mark.parametrize("radius", [1.5, 2.0, 2.5, 3.5])
def test_balls_of_the_least_size_are_kept_and_smaller_ones_removed(radius):
    """Of voxels whose middles lie within r': all of it counts as too narrow up to r, nothing of it from r + 1/2 on."""
    prior, n = MinimumPoreSize(radius=radius), 28
    for smaller in np.arange(1.0, radius + 0.01, 0.5)[: -1 if radius == 3.5 else None]:
        pore = ball(n, smaller)
        assert value(prior, 1 - pore) > 0.99 * pore.sum(), f"a ball of {smaller}"
    for larger in (radius + 0.5, radius + 1, radius + 2):
        pore = ball(n, larger)
        assert value(prior, 1 - pore) < 0.005 * pore.sum(), f"a ball of {larger}"


def test_granulometry_falls_with_the_radius_and_by_what_is_as_large_as_it():
    radii = tuple(np.arange(1.0, 6.1, 0.5))
    n = 26
    pores = np.concatenate([ball(n, 2.5), ball(n, 5.0)], axis=0)
    prior = Granulometry(np.zeros(len(radii)), radii=radii)
    shares = np.asarray(eqx.filter_jit(prior.openings)(unknowns(1 - pores))) * pores.size
    small, large = ball(n, 2.5).sum(), ball(n, 5.0).sum()
    loss = -np.diff(np.array([pores.sum(), *shares]))
    assert (loss > -1e-2 * pores.sum()).all()
    # Either ball is lost as r passes its radius, to half a voxel, and nothing else is.
    lost_between = lambda low, high: loss[[low < r <= high for r in radii]].sum()  # noqa: E731
    assert lost_between(1.5, 3.0) == pytest.approx(small, rel=0.02)
    assert lost_between(4.0, 5.5) == pytest.approx(large, rel=0.02)
    porous = np.asarray(TWIN.maps(3).occupancy)[16:48, 16:48, 16:48]
    monotone = np.asarray(eqx.filter_jit(prior.openings)(unknowns(porous)))
    assert (np.diff(monotone) < 1e-6).all() and monotone[0] > 1.2 * monotone[4] > 0


@pytest.mark.parametrize("diameter, expected", [(4, 3.0), (6, 4.7), (8, 7.0), (12, 11.1)])
def test_local_thickness_of_balls(diameter, expected):
    radii = tuple(np.arange(0.5, 8.1, 0.5))
    p = np.clip(diameter / 2 + 0.5 - distance(40), 0, 1)
    thickness = np.asarray(jax.jit(lambda p: local_thickness(p, radii))(jnp.asarray(p, jnp.float32)))
    assert thickness[p > 0.5].mean() == pytest.approx(expected, abs=0.05)
    prior = LocalThickness(expected, radii=radii)
    assert float(eqx.filter_jit(prior.mean)(unknowns(1 - p))) == pytest.approx(expected, abs=0.3)


def test_opening_of_an_open_space_is_all_of_it():
    p = jnp.ones((12, 12, 12))
    np.testing.assert_allclose(opening(p, 2.0), 1, atol=1e-6)
    np.testing.assert_allclose(opening(0 * p, 2.0), 0, atol=1e-6)


def test_euler_number_counts_bodies_tunnels_and_cavities():
    n = 48
    a = np.arange(n) - (n - 1) / 2
    ring = np.hypot(np.hypot(a[:, None], a)[..., None] - 13, a[None, None]) < 5
    shapes = {1: ball(n, 15), 2: ball(n, 15) - ball(n, 8), 0: ring.astype(float)}
    number = eqx.filter_jit(EulerNumber(0.0).number)
    for chi, shape in shapes.items():
        assert float(number(unknowns(1 - shape))) == chi
    pore = np.asarray(TWIN.maps(3).pore)
    expected = euler_number_of_skimage(pore, connectivity=1)
    masked = EulerNumber(float(expected), mask=jnp.asarray(pore))
    assert float(eqx.filter_jit(masked.number)(unknowns(0 * pore))) == expected != 0
    assert value(masked, 0 * pore) == 0


def test_two_points_of_a_random_medium_are_independent_and_a_mask_only_cuts():
    rng, phi, n = np.random.default_rng(2), 0.3, 48
    pore = (rng.uniform(size=(n, n, n)) < phi).astype(np.float32)
    phi = float(pore.mean())
    whole = TwoPointCorrelation(np.zeros(8))
    s = np.asarray(eqx.filter_jit(whole.correlation)(unknowns(1 - pore)))
    np.testing.assert_allclose(s, [phi, *[phi**2] * 7], atol=1.5e-3)
    mask = distance(n) < 18
    inside = dataclasses.replace(whole, mask=jnp.asarray(mask))
    s = np.asarray(eqx.filter_jit(inside.correlation)(unknowns(1 - pore)))
    here = float(pore[mask].mean())
    np.testing.assert_allclose(s, [here, *[here**2] * 7], atol=4e-3)
    assert value(dataclasses.replace(inside, target=jnp.asarray(s)), 1 - pore) == pytest.approx(0, abs=1e-6)


def test_two_point_correlation_of_a_ball():
    """V (1 - 3 d / (4 R) + d^3 / (16 R^3)), averaged over the displacements of a shell."""
    n, radius, count = 48, 12.0, 9
    p = np.clip(radius + 0.5 - distance(n), 0, 1)
    s = np.asarray(eqx.filter_jit(TwoPointCorrelation(np.zeros(count)).correlation)(unknowns(1 - p))) * n**3
    length = np.sqrt(sum(x**2 for x in np.meshgrid(*[np.arange(-count, count + 1)] * 3)))
    exact = 4 / 3 * np.pi * radius**3 * (1 - 3 * length / (4 * radius) + length**3 / (16 * radius**3))
    for k in range(2, count):
        assert s[k] == pytest.approx(exact[np.rint(length) == k].mean(), rel=0.01)


def test_lines_through_a_random_medium_and_through_a_slab():
    rng, n = np.random.default_rng(3), 48
    pore = (rng.uniform(size=(n, n, n)) < 0.3).astype(np.float32)
    path = np.asarray(eqx.filter_jit(LinealPath(np.zeros(5)).path)(unknowns(1 - pore)))
    np.testing.assert_allclose(path, pore.mean() ** np.arange(1, 6), atol=1e-3)
    slab = np.zeros((n, n, n), np.float32)
    slab[10:16] = 1
    path = np.asarray(eqx.filter_jit(LinealPath(np.zeros(8)).path)(unknowns(1 - slab)))
    across = [max(6 - k, 0) / (n - k) for k in range(8)]
    np.testing.assert_allclose(path, (np.array(across) + 2 * 6 / n) / 3, rtol=1e-5)
    mask = dataclasses.replace(LinealPath(np.zeros(4)), mask=jnp.asarray(slab > 0))
    np.testing.assert_allclose(eqx.filter_jit(mask.path)(unknowns(1 - slab)), 1, rtol=1e-5)


def test_radial_profile_recovers_a_quadratic_and_is_exact_on_its_own_truth():
    n, truth = 56, (0.95, -0.24, 0.05)
    mask = distance(n) <= 24
    rho = normalised_radius(mask)
    np.testing.assert_allclose(rho[mask], (distance(n)[mask] - 0.5) / 24, atol=0.05)
    density = np.where(mask, truth[0] + truth[1] * rho + truth[2] * rho**2, 0.0)
    prior = RadialProfile(quadratic(truth, 20)).within(mask)
    means, voxels = eqx.filter_jit(prior.means)(unknowns(density))
    assert float(voxels.sum()) == pytest.approx(mask.sum(), rel=1e-5)
    np.testing.assert_allclose(means[2:], prior.target[2:], atol=0.004)
    own = dataclasses.replace(prior, target=means)
    assert value(own, density) == pytest.approx(0, abs=1e-6)
    assert value(own, density + 0.02 * mask) == pytest.approx(20 / 2, rel=1e-3)
    about_the_middle = RadialProfile(quadratic(truth, 20), extent=24 / 28)
    np.testing.assert_allclose(
        eqx.filter_jit(about_the_middle.means)(unknowns(density))[0][2:-1], means[2:-1], atol=0.01
    )


def test_air_and_glass_bring_offset_and_scale_back():
    n = 40
    a = np.arange(n) - (n - 1) / 2
    tube = np.broadcast_to(np.hypot(a[:, None], a)[..., None], (n, n, n))
    truth = 0.66 * ((tube > 13) & (tube < 18)) + 0.93 * (distance(n) < 8)
    noisy = truth + 0.03 * np.random.default_rng(4).normal(size=truth.shape)
    prior = AirAndGlass().guessed(noisy, margin=1)
    assert np.asarray(prior.air)[tube > 21].all() and not (np.asarray(prior.air) & (truth > 0)).any()
    assert (
        np.asarray(prior.glass).sum() > 0.2 * (truth == 0.66).sum()
        and (truth[np.asarray(prior.glass)] == 0.66).all()
    )
    voxels = float(prior.air.sum() + prior.glass.sum())
    assert value(prior, noisy) == pytest.approx(0.03**2 * voxels, rel=0.05)
    wrong = 0.9 * truth + 0.05
    slope = jax.jit(jax.grad(lambda t: prior(unknowns(t[0] * jnp.asarray(wrong, jnp.float32) + t[1]), {})))
    scale_and_offset = jnp.array([1.0, 0.0])
    hessian = np.array(
        [np.asarray(slope(scale_and_offset + e) - slope(scale_and_offset)) for e in np.eye(2, dtype="f4")]
    )
    answer = scale_and_offset - np.linalg.solve(hessian, np.asarray(slope(scale_and_offset)))
    np.testing.assert_allclose(answer, [1 / 0.9, -0.05 / 0.9], rtol=1e-3)
    restored = answer[0] * wrong + answer[1]
    assert abs(float(restored[np.asarray(prior.air)].mean())) < 0.005
