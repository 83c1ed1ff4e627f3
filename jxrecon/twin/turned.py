"""A scene as the beam sees it when it is turned: projected, smooth, and as a transmission wherever a frame is taken.

    T(r) = exp( -r_e lambda (i f1/Z + f2/Z) p(r) ),     p = int n_e dl

with the ratios f1/Z and f2/Z of each material, p projected by exact area footprints on the scene's fine voxels and averaged over
half a voxel of the reconstruction. Lengths in object pixels unless a name says metres.
"""

import dataclasses

import numpy as np
from jaxtyping import Complex, Float

from ..forward.material import Material
from .diffraction import FINER
from .projector import footprints, project_columns
from .scene import Capillary
from .spline import SmoothImages, smooth


def log_transmission(material: Material, energy_keV: float) -> complex:
    """log T for one electron per cubic angstrom over a metre: -r_e lambda (i f1/Z + f2/Z)."""
    return -complex(material.absorption_per_density(energy_keV), material.phase_per_density(energy_keV))


@dataclasses.dataclass(frozen=True)
class TurnedScene:
    """flat: electron density (y x, z), e/A^3, on `shape` (z, y, x) voxels of `voxel_m` / `finer`.

    rate, glass_rate: log T for one electron per cubic angstrom over a metre, of specimen and capillary.
    """

    flat: Float[np.ndarray, "yx z"]
    shape: tuple[int, int, int]
    finer: int
    voxel_m: float
    rate: complex
    capillary: Capillary | None = None
    glass_rate: complex = 0j

    def electron_density(self) -> Float[np.ndarray, "z y x"]:
        """On the fine voxels, capillary included."""
        z, y, x = self.shape
        density = self.flat.reshape(y, x, z).transpose(2, 0, 1)
        if self.capillary is None:
            return density
        return density + self.capillary.electron_density(self.shape, self.voxel_m / self.finer)

    def projection(self, angle_rad: float) -> SmoothImages:
        """e/A^3 times metres on pixels of half a voxel; the axis of rotation and the middle in z lie in the image's middle."""
        z, y, x = self.shape
        by = self.finer // FINER
        width = by * (int(np.ceil(np.hypot(y, x) / by)) + 1)
        image = project_columns(self.flat, footprints((y, x), angle_rad, 0.0, width), z)[0]
        image = image.reshape(z // by, by, width // by, by).mean(axis=(1, 3))
        return smooth(image[None] * (self.voxel_m / self.finer))

    def transmission(
        self, angle_rad: float, centres: Float[np.ndarray, "frame 2"], window: tuple[int, int]
    ) -> Complex[np.ndarray, "frame fine_v fine_u"]:
        """In windows of (v, u) object pixels about `centres`, which come to the fine pixels v, u as in `fine_axes`."""
        image, fine = self.projection(angle_rad), (FINER * window[0], FINER * window[1])
        corner = FINER * centres - np.asarray(fine) // 2
        path = image.windows(corner + (np.asarray(image.shape) - 1) / 2, fine)[:, 0]
        log = self.rate * path
        if self.capillary is not None:
            pixel = self.voxel_m / FINER
            u = (corner[:, 1:] + np.arange(fine[1])) * pixel
            log = log + self.glass_rate * self.capillary.path(u, angle_rad, pixel)[:, None]
        return np.exp(log)
