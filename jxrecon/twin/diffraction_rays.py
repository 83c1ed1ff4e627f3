"""The rays of a scan on a fine grid: footprints of fine voxels on fine rays, and the beam over these.

A step of the scan is `finer` fine rays wide. u = x cos t + y sin t across the axis of rotation, zeta = y cos t - x sin t
downstream of it; middles at (n - 1)/2. One voxel of the scan, filled with ones, adds up to one over all steps u.
"""

import dataclasses

import numpy as np
import scipy.sparse
from jaxtyping import Float, Int

from .projector import footprints

LEAST_BEAM = 1e-6  # of its maximum
SIGMA = 1 / np.sqrt(8 * np.log(2))


@dataclasses.dataclass(frozen=True)
class FineRays:
    """width: steps of a row."""

    width: int
    finer: int
    step_m: float
    beam_m: float

    @property
    def pitch_m(self) -> float:
        return self.step_m / self.finer

    @property
    def fine(self) -> int:
        return self.width * self.finer

    def across_m(self) -> Float[np.ndarray, " fine"]:
        return (np.arange(self.fine) - (self.fine - 1) / 2) * self.pitch_m

    def steps_m(self) -> Float[np.ndarray, " u"]:
        return (np.arange(self.width) - (self.width - 1) / 2) * self.step_m

    def footprints(
        self, column: Int[np.ndarray, " column"], angle_rad: float, shift: float
    ) -> scipy.sparse.csr_array:
        """The matrix (fine ray, column) for some of the fine columns y x; `shift` in steps."""
        whole = footprints((self.fine, self.fine), angle_rad, shift * self.finer, self.fine)
        return scipy.sparse.csr_array(whole[:, column])

    def beam(self) -> Float[np.ndarray, "u fine"]:
        """What a step sees of each fine ray."""
        sigma = SIGMA * self.beam_m
        profile = np.exp(-0.5 * ((self.across_m() - self.steps_m()[:, None]) / sigma) ** 2)
        profile[profile < LEAST_BEAM] = 0
        return profile * (self.step_m / self.finer**2 / (sigma * np.sqrt(2 * np.pi)))

    def downstream(
        self, column: Int[np.ndarray, " column"], angle_rad: float
    ) -> Float[np.ndarray, " column"]:
        """zeta in fine voxels."""
        y, x = (n - (self.fine - 1) / 2 for n in np.divmod(column, self.fine))
        return y * np.cos(angle_rad) - x * np.sin(angle_rad)

    def voxel(self, column: Int[np.ndarray, " column"]) -> tuple[np.ndarray, np.ndarray]:
        """(y, x) of the voxel of the scan's step in which each column is."""
        y, x = np.divmod(column, self.fine)
        return y // self.finer, x // self.finer

    def voxel_means(self, column: Int[np.ndarray, " column"]) -> scipy.sparse.csr_array:
        """The matrix (voxel, column) of means over voxels of the scan's step, y x in C order."""
        y, x = self.voxel(column)
        weight = np.full(len(column), self.finer**-2.0)
        place = (y * self.width + x, np.arange(len(column)))
        return scipy.sparse.csr_array((weight, place), shape=(self.width**2, len(column)))
