"""Bodies on grids of any fineness, several in one scene, glass; and a series in the near field that sees them."""

import dataclasses

import numpy as np
import pytest

from jxrecon.twin.acquisition import Nuisances, TiltAngles
from jxrecon.twin.detector import PhotonCounter
from jxrecon.twin.illumination import ZonePlateConeBeam
from jxrecon.twin.particle import preset
from jxrecon.twin.scan import FermatSpiral
from jxrecon.twin.scene import BallWithHoles, Capillary, SeveralBodies, pooled
from jxrecon.twin.single_particle import SingleParticle
from jxrecon.twin.tilt_series import SimulatedTiltSeries

BALL = BallWithHoles(shape=(32, 32, 32), radius_m=0.55e-6, holes=6, hole_radius_m=(0.06e-6, 0.15e-6))
VOXEL = 176e-9
BODY = BallWithHoles((16, 16, 16), VOXEL, 1.2e-6, holes=3, hole_radius_m=(0.15e-6, 0.4e-6))
NEAR = SimulatedTiltSeries(
    scene=SeveralBodies((BODY, BODY), ((-8, 4, 4), (8, -4, 2)), (32, 32, 32), VOXEL),
    capillary=Capillary(2.2e-6, 0.3e-6),
    illumination=ZonePlateConeBeam(15e-6, 210e-9, 4e-6, 16.9357e-3),
    scan=FermatSpiral(3, 6.0),
    angles=TiltAngles(4),
    detector=PhotonCounter(poisson=False),
    detector_pixel_m=75e-6,
    distance_m=7.2,
    frame_shape=(64, 64),
    regime="near_field",
    margin=12,
)


def mass(volume, voxel):
    return volume.sum(dtype=float) * voxel**3


def test_ball_has_its_volume_and_its_holes():
    """4/3 pi (R^3 - sum r^3) electrons, on coarse and fine voxels; no two holes touch."""
    holes = BALL.balls(4)
    apart = np.linalg.norm(holes[:, None, :3] - holes[:, :3], axis=2) - holes[:, None, 3] - holes[:, 3]
    assert len(holes) == 6 and apart[~np.eye(6, dtype=bool)].min() > 0
    assert np.all(np.linalg.norm(holes[:, :3], axis=1) + holes[:, 3] < 0.55e-6)
    exact = 1.0244 * 4 / 3 * np.pi * (0.55e-6**3 - np.sum(holes[:, 3] ** 3))
    for finer in (1, 2, 4):
        matter = BALL.matter(4, finer)
        assert matter.electron_density.shape == (32 * finer,) * 3 == matter.inside.shape
        assert mass(matter.electron_density, 40e-9 / finer) == pytest.approx(exact, rel=0.02 / finer)
        assert matter.electron_density.min() == 0


def test_finer_voxels_show_the_same_body():
    coarse, fine = (pooled(BALL.matter(1, n).electron_density, n) for n in (1, 4))
    assert np.sqrt(np.mean((coarse - fine) ** 2)) < 0.02
    assert np.array_equal(BALL.matter(1).electron_density, BALL.matter(1).electron_density)
    assert not np.array_equal(BALL.matter(1).electron_density, BALL.matter(2).electron_density)


def test_pooling_keeps_the_mean():
    volume = np.random.default_rng(0).random((4, 6, 8)).astype(np.float32)
    assert np.allclose(pooled(volume, 2)[1, 2, 3], volume[2:4, 4:6, 6:8].mean())


@pytest.mark.parametrize("finer", [1, 2])
def test_bodies_have_their_places(finer):
    """Mass and centre of each, which differ by their holes."""
    density = NEAR.scene.matter(3, finer).electron_density
    for half, place in ((slice(0, 16 * finer), (-8, 4, 4)), (slice(16 * finer, None), (8, -4, 2))):
        part = density[half].astype(float)
        z = (np.arange(32 * finer) - (32 * finer - 1) / 2)[half] / finer
        y = x = (np.arange(32 * finer) - (32 * finer - 1) / 2) / finer
        sums = part.sum((1, 2)) @ z, part.sum((0, 2)) @ y, part.sum((0, 1)) @ x
        assert np.allclose(np.array(sums) / part.sum(), place, atol=1.0)
        assert mass(part, VOXEL / finer) < 1.0244 * 4 / 3 * np.pi * 1.2e-6**3
    assert not np.array_equal(density[: 16 * finer], density[16 * finer :])


def test_what_does_not_fit():
    with pytest.raises(ValueError, match="does not fit"):
        SeveralBodies((BODY,), ((9, 0, 0),), (32, 32, 32), VOXEL)
    with pytest.raises(ValueError, match="voxels of"):
        SeveralBodies((BODY,), ((0, 0, 0),), (32, 32, 32), 40e-9)
    with pytest.raises(ValueError, match="as many"):
        SeveralBodies((BODY, BODY), ((0, 0, 0),), (32, 32, 32), VOXEL)


def test_glass_has_its_cross_section():
    """pi (R_out^2 - R_in^2), as a volume and summed along a projection; off the axis it goes round with the angle."""
    tube = Capillary(0.3e-6, 0.1e-6, centre_m=(0.1e-6, -0.05e-6))
    exact = 0.66 * np.pi * (0.4e-6**2 - 0.3e-6**2)
    volume = tube.electron_density((2, 40, 40), 40e-9)
    assert volume[0].sum(dtype=float) * 40e-9**2 == pytest.approx(exact, rel=0.01)
    u = (np.arange(200) - 99.5)[None] * 8e-9
    for angle in (0.0, 0.7, 2.0):
        path = tube.path(u, angle, 8e-9)
        assert path.sum() * 8e-9 == pytest.approx(exact, rel=1e-3)
        centre = -0.05e-6 * np.cos(angle) + 0.1e-6 * np.sin(angle)
        assert (path @ u[0])[0] / path.sum() == pytest.approx(centre, abs=1e-9)


def test_near_field_series():
    """The object's pixel is the voxel; the light of the empty beam stays in the frame; glass and bodies leave their fringes."""
    assert NEAR.geometry.pixel_size_m == pytest.approx((VOXEL, VOXEL), rel=1e-12)
    assert NEAR.geometry.focus_to_sample_m == pytest.approx(16.936e-3, rel=1e-4)
    ball = dataclasses.replace(BODY, density=0.0)
    air = dataclasses.replace(
        NEAR, capillary=None, scene=dataclasses.replace(NEAR.scene, bodies=(ball, ball))
    )
    empty, data = air.simulate(1)["intensity"], NEAR.simulate(1)["intensity"]
    assert np.allclose(empty.sum(axis=(1, 2)), 1e5, rtol=1e-3)
    assert 0.9 < data.sum() / empty.sum() < 0.995
    bare = dataclasses.replace(NEAR, capillary=None).simulate(1)["intensity"]
    contrast = [np.abs(i - empty).sum() / empty.sum() for i in (bare, data)]
    assert contrast[0] > 0.05 and contrast[1] > contrast[0]


def test_near_field_shift_moves_the_shadow():
    """Without magnification left in the coordinates, a shift of whole pixels moves what the specimen does by as many."""
    bare = dataclasses.replace(NEAR, capillary=None, scan=FermatSpiral(1, 1.0), angles=TiltAngles(1))
    wide = dataclasses.replace(
        bare, illumination=ZonePlateConeBeam(36e-6, 210e-9, 0.0, 16.9357e-3), frame_shape=(128, 128)
    )
    air = dataclasses.replace(BODY, density=0.0)
    empty = dataclasses.replace(wide, scene=dataclasses.replace(wide.scene, bodies=(air, air)))
    light = empty.simulate()["intensity"][0]
    still, moved = (
        dataclasses.replace(wide, nuisances=Nuisances(axis_offset=offset)).simulate()["intensity"][0] / light
        for offset in (0.0, 6.0)
    )
    inner = slice(44, 84)
    error = np.abs(moved[inner, 50:90] - still[inner, 44:84]).mean()
    assert error < 0.25 * np.abs(still[inner, 50:90] - still[inner, 44:84]).mean()


def test_a_particle_in_the_beam():
    """The scene has the particle's electrons and shape, whatever the fineness, and is turned about its centre."""
    particle = preset("tiny", radius_m=0.6e-6)
    scene = SingleParticle(particle)  # pyright: ignore[reportCallIssue]
    assert scene.shape == (32, 32, 32) and scene.voxel_m == 60e-9
    fine, maps = scene.matter(3, 2), particle.maps(3)
    assert np.allclose(pooled(fine.electron_density, 2), maps.electron_density, atol=1e-5)
    assert np.allclose(pooled(fine.inside, 2), maps.inside, atol=1e-5)
    series = SimulatedTiltSeries(scene=scene, scan=FermatSpiral(2, 4.0), angles=TiltAngles(2))
    truth = series.simulate(3)
    assert np.allclose(truth["electron_density_true"], maps.electron_density, atol=1e-5)
    assert np.array_equal(truth["particle_true"], maps.particle)
