"""The mask of a particle: against the twin's own, with glass around it; and what is no particle, or no single one."""

import numpy as np
import pytest

from jxrecon.analysis.particle_mask import closed, dice, parted, particle_of
from jxrecon.errors import InputError
from jxrecon.twin.particle import Particle
from jxrecon.twin.scene import Capillary

SHAPE = (48, 48, 48)


def ball(radius, centre=(23.5, 23.5, 23.5), shape=SHAPE):
    axes = np.ogrid[tuple(slice(n) for n in shape)]
    return sum((a - c) ** 2 for a, c in zip(axes, centre)) < radius**2


@pytest.fixture(scope="module")
def cracked():
    """A particle with cracks that reach its surface, on 96^3 voxels of 20 nm."""
    return Particle(state="cycled_small", size=96, voxel_m=20e-9, radius_m=0.82e-6).maps(3)


def tube(maps):
    glass = Capillary(inner_radius_m=0.93e-6, wall_m=0.09e-6)
    return maps.electron_density + glass.electron_density(maps.inside.shape, 20e-9)


def test_the_twin_in_glass(cracked):
    found = particle_of(tube(cracked))
    assert dice(found.mask, cracked.particle) > 0.99
    assert found.warnings == () and not found.cut and found.touching == 0
    assert found.threshold == pytest.approx(0.48, abs=0.02)
    at_surface = cracked.crack & (cracked.radius > 0.85)
    assert at_surface.sum() > 25 and found.mask[at_surface].mean() > 0.95


def test_noise_and_blur(cracked):
    from scipy.ndimage import gaussian_filter

    noisy = gaussian_filter(tube(cracked), 0.743) + np.random.default_rng(0).normal(0, 0.1, (96,) * 3)
    assert dice(particle_of(noisy).mask, cracked.particle) > 0.99


def test_numbers_that_are_none_are_air():
    density = 0.9 * ball(14)
    density[20:24, 30:33, 30:33] = np.nan
    found = particle_of(density)
    assert dice(found.mask, ball(14)) > 0.99
    assert found.warnings == ("36 voxels (0.033 %) are no numbers and were taken for air",)


@pytest.mark.parametrize(
    ("density", "message"),
    [
        (np.full(SHAPE, np.nan), "holds no finite number"),
        (np.full(SHAPE, 0.9), "holds one value, 0.9 e/A"),
        (np.where(ball(12), -0.5, 0.0), "nothing is denser than 0 e/A"),
        (np.random.default_rng(0).normal(0, 0.1, SHAPE), "no body above"),
        (0.9 + 0.1 * ball(12), "everything is denser than"),
        (0.9 * ball(2), "no body above"),
    ],
)
def test_no_particle_is_one_clear_line(density, message):
    with pytest.raises(InputError, match=message) as caught:
        particle_of(density)
    assert "\n" not in str(caught.value)


def test_a_particle_that_the_volume_cuts_is_labelled():
    whole = ball(15, (6.0, 23.5, 23.5))
    found = particle_of(0.9 * whole)
    assert found.cut and dice(found.mask, whole) > 0.99
    assert found.warnings[0].startswith("the particle is cut by the volume's first z plane")


def test_two_that_touch_are_parted():
    first, second = ball(11, (23.5, 23.5, 12.0)), ball(10, (23.5, 23.5, 32.0))
    found = particle_of(0.9 * (first | second))
    assert found.touching == 1 and "2 particles touch" in found.warnings[0]
    assert dice(found.mask, first) > 0.97
    apart = particle_of(0.9 * (first | ball(9, (23.5, 23.5, 36.5))))
    assert apart.touching == 0 and "2 particles lie in the volume" in apart.warnings[0]
    assert dice(apart.mask, first) > 0.99


def test_cores_are_numbered_by_their_depth():
    from scipy.ndimage import distance_transform_edt

    both = ball(8, (23.5, 23.5, 10.0)) | ball(12, (23.5, 23.5, 28.0))
    labels, count = parted(both, np.asarray(distance_transform_edt(both)))
    assert count == 2 and labels[24, 24, 28] == 1 and labels[24, 24, 10] == 2
    assert np.array_equal(labels > 0, both)


def test_closing_bridges_what_is_narrower_than_its_ball():
    slab = np.ones((20, 30, 30), bool)
    slab[:, 14:17] = False  # a crack of 3 voxels from face to face
    assert closed(slab, 2).all()
    assert not closed(slab, 1)[:, 15].any()
