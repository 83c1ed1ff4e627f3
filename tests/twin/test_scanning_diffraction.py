"""A simulated scan against direct sums over the fine voxels; each nuisance against what it is said to do."""

import dataclasses

import numpy as np
import pytest

from jxrecon.forward.material import Material
from jxrecon.twin.acquisition import TiltAngles
from jxrecon.twin.diffraction_factors import intensity_factors
from jxrecon.twin.diffraction_nuisances import DiffractionNuisances, conditions
from jxrecon.twin.lattice_maps import intensities, lattice, spacing
from jxrecon.twin.lit_slices import LitSlice
from jxrecon.twin.particle import preset
from jxrecon.twin.peak_truth import fitted_peaks
from jxrecon.twin.scanning_diffraction import ScanningDiffraction
from jxrecon.twin.simulated_patterns import SimulatedPatterns
from jxrecon.twin.states import STATES

# A particle of 1.7 um, 20 steps of 0.12 um, a beam of two steps.
SMALL = ScanningDiffraction(
    particle=preset("tiny", state="cycled_small", supersample=1),
    finer=3,
    step_m=0.12e-6,
    beam_m=0.24e-6,
    angles=TiltAngles(count=3),
    air=0.0,
    absorption=False,
    two_theta=(7.5, 21.5, 0.04),
    poisson=False,
)


def changed(scan=SMALL, **changes):
    return dataclasses.replace(scan, **changes)


def off_by(**nuisances):
    return changed(nuisances=DiffractionNuisances(**nuisances))


@pytest.fixture(scope="module")
def plain():
    return SMALL(0)


def area_of(patterns, x, low, high):
    return patterns[..., (x > low) & (x < high)].sum(-1)


def centre_of_003(patterns, x):
    return fitted_peaks(patterns[:, x < 10].astype(float), x[x < 10]).centre_deg


def test_rays_add_up_to_the_bulk_in_every_view(plain):
    """Every view sees each photon of the slice, as does the sum of the voxels: within 1e-4."""
    bulk = plain.voxels.sum((1, 2))
    rays = plain.expected.sum(2)
    assert rays.shape[0] == 3
    assert np.max(np.abs(rays - bulk)) < 1e-4 * bulk.max()


def test_bulk_is_the_sum_over_fine_voxels(plain):
    """Areas and the mean cell, of the maps drawn anew."""
    rays, x = SMALL.rays, plain.patterns.two_theta_deg
    reach = int(1.25 * 0.24 / 0.04 + 1e-6)
    z = np.arange(-reach, reach + 1) * rays.pitch_m
    maps = SMALL.particle.draw(0).maps(z, rays.across_m(), rays.across_m(), 1)
    weight = np.exp(-4 * np.log(2) * (z / 0.24e-6) ** 2)
    weight = (weight / weight.sum())[:, None, None]
    amounts = intensities(maps.state, maps.electron_density.astype(float), maps.radius.astype(float))
    unit = 1e4 / 3 / 0.95 * 0.04 / 9
    for name, amount in amounts.items():
        total = plain.maps[f"area_{name}"].sum()
        assert total == pytest.approx(np.sum(weight * amount) * unit, rel=1e-5)
    c = lattice(maps.volume_change.astype(float))[1]
    w = weight * amounts["003"]
    area, mean = plain.maps["area_003"], plain.maps["c_angstrom"]
    there = np.isfinite(mean)
    found = np.sum(area[there] * mean[there]) / area[there].sum()
    assert found == pytest.approx(np.sum(w * c) / w.sum(), abs=2e-4)
    assert plain.maps["electron_density"].sum() == pytest.approx(
        np.sum(weight * maps.electron_density) / 9, rel=1e-5
    )
    assert np.all(np.diff(x) > 0)


def test_truths_are_those_of_the_patterns_of_voxels(plain):
    """The fits see what the means say: (003) at the weighted c, its area the sum of its channels but for the tails."""
    maps, inside = plain.maps, plain.maps["inside"] > 0.9
    theta = np.radians(maps["centre_003_deg"]) / 2
    c = 3 * plain.patterns.wavelength_m * 1e10 / (2 * np.sin(theta))
    assert np.nanmax(np.abs(c - maps["c_angstrom"])[inside]) < 0.01
    x = plain.patterns.two_theta_deg
    area = area_of(plain.voxels, x, 7.52, 9.54)
    diffuse = maps["diffuse"] * 50
    assert np.allclose((area - diffuse)[inside] * 0.04, maps["area_003"][inside], rtol=0.08)
    assert np.all(np.isnan(maps["fwhm_003_deg"][maps["inside"] < 0.05]))
    assert maps["radius"].shape == inside.shape and np.all(maps["radius"][inside] < 1.1)


def test_projecting_first_gives_the_same(plain):
    """Few views take another order of sums than many."""
    many = changed(angles=TiltAngles(count=9))(0)
    assert np.allclose(plain.expected / 3, many.expected[::3], atol=1e-4 * plain.expected.max() / 3)


def test_a_map_of_the_whole_particle_has_the_truth_of_its_rays():
    scan = changed(slices=3, angles=TiltAngles(count=1))(0)
    assert scan.patterns.counts.shape[:3] == (1, 3, 20)
    assert scan.maps["a_angstrom"].shape == (3, 1, 20)
    assert np.allclose(scan.expected[0], scan.voxels[:, 0], atol=1e-4 * scan.expected.max())
    assert len(changed(slices=0).heights_m()) == changed().width


def test_states_shift_and_broaden_003():
    """To lower angles by their mean expansion, and broader, in the order of ageing."""
    centres, widths = [], []
    for name in STATES:
        scan = changed(particle=preset("tiny", state=name, supersample=1), angles=TiltAngles(count=1))(0)
        bulk = scan.voxels.sum((0, 1, 2))[None].astype(float)
        here = scan.patterns.two_theta_deg < 11
        fit = fitted_peaks(bulk[:, here], scan.patterns.two_theta_deg[here])
        centres.append(fit.centre_deg[0])
        widths.append(fit.fwhm_deg[0])
    pristine = np.degrees(
        2 * np.arcsin(0.7166717 / 2 / spacing((0, 0, 3), np.array([2.852]), np.array([14.24])))
    )
    assert centres[0] == pytest.approx(pristine[0], abs=1e-3)
    assert np.all(np.diff(centres) < -0.02) and np.all(np.diff(widths) > 0.01)
    # d(2 theta) = -2 tan(theta) dc/c, dc/c = .4 ln(1 + dV), dV = .011, .033, .062: -.04, -.11, -.21, less where (003) is strong.
    shift = -2 * np.degrees(np.tan(np.radians(pristine[0] / 2))) * 0.4 * np.log1p([0.0113, 0.0325, 0.0617])
    assert np.allclose((np.array(centres[1:]) - centres[0]) / shift, [0.95, 0.95, 0.87], atol=0.04)


def test_seeds_and_photons():
    noisy = changed(poisson=True, air=5.0)
    one, other = noisy(5), noisy(4)
    assert not np.array_equal(one.expected, other.expected)
    assert np.all(one.patterns.counts == np.round(one.patterns.counts))
    score = (one.patterns.counts - one.expected) / np.sqrt(one.expected)
    assert abs(score.mean()) < 4 / np.sqrt(score.size)
    assert score.var() == pytest.approx(1, abs=0.03)
    # Views that were lost change nothing in the others.
    fewer = changed(noisy, angles=TiltAngles(count=3, missing=(1,)))(5)
    assert np.array_equal(fewer.patterns.counts, one.patterns.counts[[0, 2]])
    assert np.array_equal(fewer.patterns.angle_deg, [0, 120])


def test_absorption_is_that_of_the_chord(plain):
    """Where the way is longest: exp(-mu L), L from the projected density; at the rim nothing."""
    found = changed(absorption=True)(0)
    density = plain.maps["electron_density"][0].sum(0)  # view 0: along y
    middle = int(np.argmax(density))
    ratio = found.expected[0, 0].sum(-1) / plain.expected[0, 0].sum(-1)
    exact = np.exp(-Material().attenuation_per_m(density[middle] * SMALL.step_m, 17.3))
    assert 0.98 < exact < 0.995
    assert ratio[middle] == pytest.approx(exact, abs=1e-3)
    assert ratio[2] > ratio[middle] + 0.003


def test_air_and_glass_lie_under_every_ray(plain):
    x = plain.patterns.two_theta_deg
    at = int(np.argmin(np.abs(x - 8.6)))
    air = changed(air=3.0)(0).expected - plain.expected
    assert np.allclose(air, air[0, 0, 0], atol=2e-4) and air[0, 0, 0, at] == pytest.approx(3, rel=0.02)
    assert np.all(np.diff(air[0, 0, 0]) < 1e-3)
    glass = changed(glass=4.0)(0).expected - plain.expected
    assert glass[0, 0, 10, at] == pytest.approx(4, rel=0.03)
    assert x[np.argmax(glass[0, 0, 10])] == pytest.approx(9.9, abs=0.5)  # q = 1.5 per angstrom


def test_second_phase_lies_under_the_layers(plain):
    more = off_by(second_phase=0.2)(0)
    x, extra = plain.patterns.two_theta_deg, (more.expected - plain.expected).sum((0, 1, 2))
    spinel = np.degrees(2 * np.arcsin(0.7166717 / 2 / (8.247 / np.sqrt(3))))
    assert x[np.argmax(extra)] == pytest.approx(spinel, abs=0.02)
    assert np.min(extra) > -1e-3 * extra.max()
    where = (more.voxels - plain.voxels).sum(-1) / plain.maps["electron_density"].clip(0.1)
    rim, core = (np.abs(plain.maps["radius"] - r) < 0.1 for r in (0.95, 0.5))
    far = core & (plain.maps["crack_proximity"] < 0.2)
    assert where[rim].mean() > 2 * where[far].mean()


@pytest.mark.parametrize("grains", [50.0, 300.0])
def test_few_grains_fluctuate_as_a_gamma_distribution(grains):
    off = DiffractionNuisances(grains=grains)
    place = tuple(np.divmod(np.arange(10000), 100))
    found = intensity_factors(off, ("003", "104"), 0.7166717e-10, np.zeros(10000), place, 100, (0, 5))
    for name, planes, theta in (("003", 2, 4.33), ("104", 6, 10.17)):
        share = planes * np.cos(np.radians(theta)) * np.radians(1.0) / 2
        assert found[name].mean() == pytest.approx(1, abs=4 / np.sqrt(1e4 * grains * share))
        assert found[name].var() * grains * share == pytest.approx(1, abs=0.15)
    again = intensity_factors(off, ("003", "104"), 0.7166717e-10, np.zeros(10000), place, 100, (0, 6))
    assert abs(np.corrcoef(found["104"], again["104"])[0, 1]) < 0.05


def test_grains_leave_the_mean_of_many_views(plain):
    found = off_by(grains=1000.0)(0)
    assert not np.allclose(found.expected, plain.expected, rtol=0.01)
    assert found.expected.sum() == pytest.approx(plain.expected.sum(), rel=0.05)
    assert np.array_equal(found.voxels, plain.voxels)


@pytest.mark.parametrize("texture", [2.0, -1.0])
@pytest.mark.parametrize("hkl, name", [((0, 0, 3), "003"), ((1, 0, 1), "101"), ((1, 0, 4), "104")])
def test_texture_is_that_of_turned_crystals(texture, hkl, name):
    """Monte Carlo: c* with the density 1 + t P2, normals at phi around it, the share that makes the Bragg angle with the beam."""
    rng, count = np.random.default_rng(1), 2_000_000
    d = spacing(hkl, np.array([2.852]), np.array([14.24]))[0]
    phi, bragg = np.arccos(min(hkl[2] * d / 14.24, 1.0)), np.arcsin(0.7166717 / 2 / d)
    towards = rng.uniform(-1, 1, count)
    kept = towards[rng.uniform(0, 3, count) < 1 + texture * (1.5 * towards**2 - 0.5)]
    # The normal's cosine to the radius, then, turned about the radius, to the beam.
    turn, other = rng.uniform(0, 2 * np.pi, (2, len(kept)))
    to_radius = kept * np.cos(phi) + np.sqrt(1 - kept**2) * np.sin(phi) * np.cos(turn)
    for alpha in (0.0, np.pi / 2):
        across = np.sqrt(1 - to_radius**2) * np.sin(alpha) * np.cos(other)
        to_beam = to_radius * np.cos(alpha) + across
        width = 0.04
        share = np.mean(np.abs(to_beam - np.sin(bragg)) < width) / width
        off = DiffractionNuisances(texture=texture)
        one = (np.zeros(1, int), np.zeros(1, int))
        found = intensity_factors(off, (name,), 0.7166717e-10, np.cos(alpha)[None] ** 2, one, 1, (0, 0))
        assert found[name][0] == pytest.approx(share, abs=0.03)


def test_texture_alone_makes_layers_of_reflections():
    """Voxels that scatter alike, c* along the radius: a projection shows (101) in the middle and (003) at the rim."""
    ball = changed(shells=False, angles=TiltAngles(count=1), particle=preset("tiny", supersample=1))
    rim = (np.abs(np.arange(20) - 9.5) > 5.5) & (np.abs(np.arange(20) - 9.5) < 7.5)
    strongest = {}
    for texture in (0.0, 2.0):
        scan = changed(ball, nuisances=DiffractionNuisances(texture=texture))(0)
        x, rays = scan.patterns.two_theta_deg, scan.expected[0, 0]
        areas = np.array([area_of(rays, x, *r) for r in ((8.2, 9.1), (16.4, 17.4))])
        normalised = areas / areas.max(1, keepdims=True)
        strongest[texture] = normalised[0] - normalised[1]
    assert np.all(np.abs(strongest[0.0]) < 0.03)
    assert np.all(strongest[2.0][9:11] < -0.2) and np.all(strongest[2.0][rim] > 0.2)


def test_parallax_shifts_what_is_downstream():
    """Of the half of a particle that is downstream in view 0: by its mean depth."""
    off = DiffractionNuisances(parallax=True)
    scan = changed(particle=preset("tiny", supersample=1), distance_m=2e-3, diffuse=0.0, nuisances=off)
    (row,), views = scan._lit(0, True)[0], conditions(scan.angles, off, (1, scan.width), 0)
    half = scan.rays.downstream(row.column, 0.0) > 0
    cut = {
        k: {n: dataclasses.replace(s, sums=s.sums[half], product=None) for n, s in getattr(row, k).items()}
        for k in ("sheets", "moved")
    }
    means = {n: m[half] for n, m in row.means.items()}
    part = LitSlice(row.column[half], **cut, means=means, inverse_square=row.inverse_square[half])
    still = dataclasses.replace(part, moved={})
    x = scan.optics.channel_deg
    centres = [centre_of_003(scan._rays(r, views, 0, 0).sum(0)[None], x)[0] for r in (part, still)]
    weight = np.asarray(row.sheets["003"].sums.sum(axis=1))[half]
    depth = scan.rays.downstream(row.column, 0.0)[half] * scan.rays.pitch_m
    shift = -np.degrees(np.average(depth, weights=weight) / 2e-3 * np.sin(np.radians(2 * 8.659)) / 2)
    assert shift < -1e-3
    assert centres[0] - centres[1] == pytest.approx(shift, rel=0.02)


def test_displacement_shifts_whole_views(plain):
    found = off_by(displacement_m=0.5e-3)(0)
    x, moved = plain.patterns.two_theta_deg, found.conditions.displacement_m
    assert moved.std() > 1e-4
    before, after = (centre_of_003(s.expected.sum((1, 2)), x) for s in (plain, found))
    assert np.allclose(after - before, -np.degrees(moved / 0.2 * np.sin(np.radians(16.94)) / 2), rtol=0.05)


def test_angles_shifts_and_monitors(plain):
    turned = off_by(angle_error=5.0)(0)
    assert np.array_equal(turned.patterns.angle_deg, plain.patterns.angle_deg)
    assert np.std(turned.conditions.true_deg - turned.conditions.nominal_deg) > 1
    assert not np.allclose(turned.expected, plain.expected, rtol=0.01)
    moved = off_by(axis_offset=2.0)(0)
    assert np.allclose(
        moved.expected[0, 0, 6:14], plain.expected[0, 0, 4:12], atol=1e-3 * plain.expected.max()
    )
    shaken = off_by(projection_shift=0.5)(0)
    assert shaken.conditions.shift.std() > 0.1
    beam = off_by(monitor_fluctuation=0.1)(0)
    assert np.allclose(beam.expected / beam.patterns.monitor[..., None], plain.expected, rtol=1e-4, atol=1e-5)
    assert beam.patterns.monitor.std() == pytest.approx(0.1, rel=0.4)
    wrong = off_by(monitor_error=0.1)(0)
    assert np.array_equal(wrong.expected, plain.expected)
    assert wrong.patterns.monitor.std() == pytest.approx(0.1, rel=0.4)


def test_overlapping_reflections(plain):
    """(006) and (012) beside (101), in the grains of (003) and of (101)."""
    more = changed(reflections=("003", "101", "006", "012", "104"))(0)
    for name, like, share in (("006", "003", 0.08), ("012", "101", 0.2)):
        assert np.allclose(
            more.maps[f"area_{name}"], share * plain.maps[f"area_{like}"], rtol=1e-4, atol=1e-9
        )
    assert np.all((more.expected - plain.expected).sum(-1) > -1e-3)


def test_reader_gives_the_simulation():
    reader = SimulatedPatterns(simulation=changed(poisson=True), seed=2)
    found, scan = reader.read(), SMALL
    assert found.source == "simulated" and found.metadata["state"] == "cycled_small"
    assert np.array_equal(found.counts, changed(scan, poisson=True)(2).patterns.counts)
    assert found.step_m == (0.12e-6, 0.12e-6)
    assert reader.truth() is reader.truth()


def test_wrong_settings():
    with pytest.raises(ValueError, match="the twin knows"):
        changed(reflections=("003", "101", "104", "110"))
    with pytest.raises(ValueError, match="lacks 104"):
        changed(reflections=("003", "101"))
    with pytest.raises(ValueError, match="negative intensities"):
        DiffractionNuisances(texture=3.0)
