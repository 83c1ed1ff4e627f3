"""What makes scanning diffraction harder than its model, each cause with random numbers of its own.

Few grains and texture are explained in `diffraction_factors`.
"""

import dataclasses

import equinox as eqx
import numpy as np
from jaxtyping import Float

from .acquisition import TiltAngles

# The place of a name in the list is part of its seed, so that new ones go to the end.
STREAMS = ("noise", "monitor", "monitor_error", "grains", "shift", "angle", "displacement")
DIFFRACTION = 1730  # keeps these streams apart from those of other simulations of the same seed


def stream(seed: int, name: str, *view: int) -> np.random.Generator:
    """Random numbers for one purpose, or for one purpose in one view."""
    return np.random.default_rng([seed, DIFFRACTION, STREAMS.index(name), *view])


class DiffractionNuisances(eqx.Module):
    """Every number is 0, nothing, at its default.

    grains              in a voxel of the scan, N there; about 300 in one of 0.5 um
    acceptance_deg      w there: by how much the specimen turns during an exposure, with what beam and grains add
    texture             t there, -1 (c* across the radius) to 2 (along it)
    second_phase        of the spinel's strongest reflection at the surface and at cracks, relative to the unit amplitude
    parallax            distance of each voxel from the axis, along the beam, shifts its peaks
    displacement_m      rms of the specimen's movement along the beam, view by view
    projection_shift    rms of its movement across, steps of the scan
    axis_offset         of the axis of rotation, steps of the scan
    angle_error         rms of true minus nominal angles, degrees
    monitor_fluctuation rms of the beam's intensity, ray by ray, relative; the monitor sees it
    monitor_error       rms of what the monitor says, relative to what is true
    """

    grains: float = 0.0
    acceptance_deg: float = 1.0
    texture: float = 0.0
    second_phase: float = 0.0
    parallax: bool = False
    displacement_m: float = 0.0
    projection_shift: float = 0.0
    axis_offset: float = 0.0
    angle_error: float = 0.0
    monitor_fluctuation: float = 0.0
    monitor_error: float = 0.0

    def __check_init__(self):
        if not -1 <= self.texture <= 2:
            raise ValueError(
                f"`texture` is {self.texture}; expected -1 to 2, or there are negative intensities."
            )
        if self.grains < 0 or self.acceptance_deg <= 0:
            raise ValueError(
                f"`grains` is {self.grains} and `acceptance_deg` {self.acceptance_deg}; expected 0 or more, and more than 0."
            )


@dataclasses.dataclass(frozen=True)
class Conditions:
    """Nominal and true state of the views that were taken. monitor: as it was read, beside what was true."""

    number: np.ndarray
    nominal_deg: Float[np.ndarray, " view"]
    true_deg: Float[np.ndarray, " view"]
    shift: Float[np.ndarray, " view"]  # steps, the axis' offset included
    displacement_m: Float[np.ndarray, " view"]
    flux: Float[np.ndarray, "view v u"]
    monitor: Float[np.ndarray, "view v u"]


def conditions(
    angles: TiltAngles, nuisances: DiffractionNuisances, rays: tuple[int, int], seed: int
) -> Conditions:
    """Draw everything but the grains and the photons; leaving views out changes nothing in the others."""
    degrees, off = angles.degrees(seed), nuisances
    kept, count = angles.kept(degrees), len(degrees)

    def normal(name: str, *shape: int) -> np.ndarray:
        return stream(seed, name).standard_normal((count, *shape))

    flux = np.maximum(1 + off.monitor_fluctuation * normal("monitor", *rays), 0.05)
    said = flux * np.maximum(1 + off.monitor_error * normal("monitor_error", *rays), 0.05)
    return Conditions(
        number=kept,
        nominal_deg=degrees[kept],
        true_deg=(degrees + off.angle_error * normal("angle"))[kept],
        shift=(off.axis_offset + off.projection_shift * normal("shift"))[kept],
        displacement_m=off.displacement_m * normal("displacement")[kept],
        flux=flux[kept],
        monitor=said[kept],
    )
