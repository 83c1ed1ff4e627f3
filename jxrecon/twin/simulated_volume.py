"""A tomogram of the digital twin in the place of a file: its electron density, blurred and noisy as one likes, and the truth."""

import dataclasses

import equinox as eqx
import numpy as np
from scipy import ndimage

from ..data.volume_file import DensityVolume
from .particle import Particle
from .scene import Capillary

FWHM = float(np.sqrt(8 * np.log(2)))  # of a Gaussian, in standard deviations
TRUTHS = ("occupancy", "inside", "radius", "crack_share", "volume_change", "crack_proximity")


class SimulatedVolume(eqx.Module):
    """blur_nm: full width at half maximum of a Gaussian; noise: standard deviation of each voxel, e/A^3; capillary: glass around
    it, or none."""

    particle: Particle = Particle()
    blur_nm: float = eqx.field(converter=float, default=0.0)
    noise: float = eqx.field(converter=float, default=0.0)
    capillary: Capillary | None = None
    seed: int = 0

    def read(self) -> DensityVolume:
        maps = self.particle.maps(self.seed)
        density, voxel_m = maps.electron_density, self.particle.voxel_m
        if self.capillary is not None:
            n = self.particle.size
            density = density + self.capillary.electron_density((n, n, n), voxel_m)
        if self.blur_nm:
            sigma = self.blur_nm * 1e-9 / FWHM / voxel_m
            density = np.asarray(ndimage.gaussian_filter(density, sigma, mode="nearest"))
        if self.noise:
            rng = np.random.default_rng([self.seed, 11])
            density = density + self.noise * rng.standard_normal(density.shape)
        known = {f.name for f in dataclasses.fields(maps)} & set(TRUTHS)
        truth = {name: np.asarray(getattr(maps, name)) for name in known}
        truth["electron_density"] = maps.electron_density
        name = f"{self.particle.state}, seed {self.seed}"
        return DensityVolume(density.astype(np.float32), voxel_m, name, truth)
