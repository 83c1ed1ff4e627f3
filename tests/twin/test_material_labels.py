"""Labels of two particles in a capillary."""

import numpy as np
import pytest

from jxrecon.twin.material_labels import AIR, BODY, GLASS, material_labels
from jxrecon.twin.particle import Particle
from jxrecon.twin.scene import Capillary, SeveralBodies
from jxrecon.twin.single_particle import SingleParticle

VOXEL = 50e-9


def test_particles_glass_and_air():
    """Volumes: two balls of radius R (roughness adds 0.2 %), pi (b^2 - a^2) h of glass, air the rest."""
    particle = Particle(size=20, voxel_m=VOXEL, radius_m=0.42e-6)
    body = SingleParticle(particle)  # pyright: ignore[reportCallIssue]
    scene = SeveralBodies((body, body), ((-10, 0, 4), (10, 2, -3)), (40, 48, 48), VOXEL)
    tube = Capillary(0.9e-6, 0.2e-6)
    matter = scene.matter(2)
    labels = material_labels(matter, tube, VOXEL)
    assert labels.dtype == np.int8 and labels.shape == scene.shape
    counts = np.bincount(labels.ravel(), minlength=3) * VOXEL**3
    assert counts[BODY] == pytest.approx(2 * 4 / 3 * np.pi * 0.42e-6**3, rel=0.15)
    assert counts[GLASS] == pytest.approx(np.pi * (1.1e-6**2 - 0.9e-6**2) * 40 * VOXEL, rel=0.05)
    z, y, x = np.nonzero(labels == GLASS)
    assert np.all(np.hypot(y - 23.5, x - 23.5) * VOXEL > 0.9e-6 - VOXEL)
    assert not matter.electron_density[labels == GLASS].any()
    assert not np.any(material_labels(matter, None, VOXEL) == GLASS)
    assert labels[0, 0, 0] == AIR and labels[10, 24, 28] == BODY
