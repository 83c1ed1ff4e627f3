"""Projected thickness and transmission: volumes, phases, independence of the grid."""

import dataclasses

import numpy as np
import pytest

from jxrecon.twin.layered_particle import LayeredParticle, draw_pores
from jxrecon.twin.siemens_star import SiemensStar
from jxrecon.twin.specimen import chord, transmission

WAVELENGTH = 1.7712e-10
BALL = LayeredParticle(layers=1, layer_contrast=0.0, pores=0, cracks=0, roughness=0.0)


def grid(half_width, pixel, offset=0.0):
    n = int(2 * half_width / pixel)
    return (np.arange(n) - n // 2) * pixel + offset


def binned(image):
    return (image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2]) / 4


@pytest.mark.parametrize("pixel, tolerance", [(0.02, 1e-4), (0.1, 1e-3), (0.3, 3e-3)])
def test_ball_has_its_volume(pixel, tolerance):
    x = grid(1.5, pixel)
    volume = chord(1.0, np.hypot(x[:, None], x), pixel).sum() * pixel**2
    assert volume == pytest.approx(4 / 3 * np.pi, rel=tolerance)


def test_chord_is_the_mean_over_a_pixel():
    """Against 2 sqrt(R^2 - d^2) averaged numerically in radius, at the rim where sampling would be worst."""
    fine = (np.arange(20000) + 0.5) / 20000 - 0.5
    for centre in (0.5, 0.93, 0.97, 1.0, 1.02, 1.1):
        exact = np.mean(2 * np.sqrt(np.maximum(1 - (centre + 0.1 * fine) ** 2, 0)))
        assert chord(1.0, np.full((1, 1), centre), 0.1)[0, 0] == pytest.approx(exact, abs=0.01)


def test_phase_and_absorption_of_a_ball():
    """-k delta 2R and exp(-mu 2R), mu = 4 pi beta / lambda, in the middle of the particle."""
    x = grid(1.4e-6, 10e-9)
    middle = BALL.transmission(np.random.default_rng(0), WAVELENGTH)(x, x)[len(x) // 2, len(x) // 2]
    k = 2 * np.pi / WAVELENGTH
    assert np.angle(middle) == pytest.approx(-k * BALL.delta * 2 * BALL.radius_m, rel=1e-4)
    assert abs(middle) ** 2 == pytest.approx(np.exp(-2 * k * BALL.beta * 2 * BALL.radius_m), rel=1e-4)


def test_phase_of_nmc_at_7_kev():
    """0.494 rad per um at 3.6 g/cm^3, from delta = 1.393e-5 (xraylib 4.3)."""
    one = transmission(np.full((1, 1), 1e-6), 1.393e-5, 7.60e-7, WAVELENGTH)
    assert np.angle(one[0, 0]) == pytest.approx(-0.494, abs=1e-3)
    twenty = transmission(np.full((1, 1), 20e-6), 1.393e-5, 7.60e-7, WAVELENGTH)
    assert abs(twenty[0, 0]) ** 2 == pytest.approx(0.339, abs=2e-3)


def test_layers_are_shells():
    """The mass of alternating shells is the sum of theirs."""
    particle = dataclasses.replace(BALL, layers=5, layer_contrast=0.4)
    x = grid(1.4e-6, 10e-9)
    mass = particle.thickness(np.random.default_rng(0))(x, x).sum() * 1e-16
    edges = particle.radius_m * np.array([1, 0.8, 0.6, 0.4, 0.2, 0])
    shells = 4 / 3 * np.pi * (edges[:-1] ** 3 - edges[1:] ** 3)
    assert mass == pytest.approx(np.sum(shells * [1, 0.6, 1, 0.6, 1]), rel=1e-3)


def test_pores_do_not_overlap_and_take_their_volume():
    shells = [(0.6e-6, 0.8e-6), (0.2e-6, 0.4e-6)]
    pores = draw_pores(np.random.default_rng(1), 60, (20e-9, 60e-9), shells)
    assert len(pores) == 60
    assert np.all((pores[:, 2] >= 20e-9) & (pores[:, 2] <= 60e-9))
    assert np.all(np.hypot(pores[:, 0], pores[:, 1]) < 0.8e-6)
    full = dataclasses.replace(BALL, layers=2)
    empty = dataclasses.replace(full, pores=60, pore_radius_m=(40e-9, 60e-9))
    x = grid(1.4e-6, 10e-9)
    masses = [p.thickness(np.random.default_rng(2))(x, x).sum() * 1e-16 for p in (full, empty)]
    small, large = 4 / 3 * np.pi * 40e-9**3, 4 / 3 * np.pi * 60e-9**3
    assert 60 * small < masses[0] - masses[1] < 60 * large


def test_cracks_leave_their_gap():
    """Open area of one: 2/3 of its width across, times the integral of sqrt(1 - s / length), which is 2/3 of its length."""
    particle = dataclasses.replace(BALL, cracks=2, crack_depth=1.0)
    x = grid(1.2e-6, 5e-9)
    whole = BALL.thickness(np.random.default_rng(3))(x, x)
    cracked = particle.thickness(np.random.default_rng(3))(x, x)
    open_ = 1 - cracked[whole > 0] / whole[whole > 0]
    assert open_.min() >= 0 and open_.max() > 0.95
    largest = 2 * 4 / 9 * particle.crack_width_m * particle.radius_m
    assert 0.36 * largest < open_.sum() * 25e-18 < largest


@pytest.mark.parametrize("specimen", [LayeredParticle(), SiemensStar()], ids=["particle", "star"])
def test_the_grid_does_not_matter(specimen):
    """Twice as fine and binned: the same mass within 0.2 %, the same image but for the rims; any window, the same values."""
    look = specimen.thickness(np.random.default_rng(4))
    x = grid(1.6e-6, 20e-9)
    fine = grid(1.6e-6, 10e-9, -5e-9)
    coarse, pooled = look(x, x), binned(look(fine, fine))
    assert coarse.sum() == pytest.approx(pooled.sum(), rel=2e-3)
    assert np.sqrt(np.mean((coarse - pooled) ** 2)) < 0.035 * coarse.max()
    assert np.allclose(look(x[30:70], x[50:110]), coarse[30:70, 50:110], rtol=0, atol=1e-18)


def test_particle_is_porous_layered_and_reproducible():
    x = grid(1.4e-6, 20e-9)
    first, again, other = (LayeredParticle().thickness(np.random.default_rng(s))(x, x) for s in (5, 5, 6))
    assert np.array_equal(first, again)
    assert np.std(first - other) > 0.02 * first.max()
    assert first.min() == 0 and first.max() < 2.2 * LayeredParticle().radius_m


def test_star_fills_half_of_its_ring():
    star = SiemensStar()
    x = grid(1.6e-6, 5e-9)
    volume = star.thickness(np.random.default_rng(0))(x, x).sum() * 25e-18
    ring = 2 * np.pi * star.ring_radius_m * star.ring_width_m
    area = np.pi * (star.outer_radius_m**2 - star.inner_radius_m**2) - ring
    assert volume == pytest.approx(star.height_m * area / 2, rel=0.005)


def test_star_phase():
    x = grid(1.6e-6, 10e-9)
    image = SiemensStar().transmission(np.random.default_rng(0), 1.40891e-10)(x, x)
    assert np.angle(image).min() == pytest.approx(-1.214, abs=2e-3)


def test_impossible_particle():
    with pytest.raises(ValueError, match="positive radius"):
        LayeredParticle(radius_m=0.0)
