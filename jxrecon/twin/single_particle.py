"""A particle in the beam: the scene that a tilt series of it needs, on the particle's own voxels or finer ones."""

import numpy as np

from .particle import Particle, preset
from .scene import AbstractScene, Matter


class SingleParticle(AbstractScene):
    """One particle, its centre on the axis of rotation."""

    particle: Particle = preset("mini")

    @property
    def shape(self) -> tuple[int, int, int]:
        n = self.particle.size
        return n, n, n

    @property
    def voxel_m(self) -> float:
        return self.particle.voxel_m

    def matter(self, seed, finer=1):
        particle = self.particle.finer(finer)
        axis, size = particle.axis_m(), particle.size
        density, inside = (np.empty((size, size, size), np.float32) for _ in range(2))
        for part, maps in particle.draw(seed).slabs(axis, axis, axis, particle.supersample):
            density[part], inside[part] = maps.electron_density, maps.inside
        return Matter(density, inside)
