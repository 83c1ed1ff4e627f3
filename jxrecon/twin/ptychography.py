"""A simulated ptychographic measurement with everything that is true about it.

    I_j = count( s_j sum_m | D[ P_m(r) T(r + r_j) ] |^2 )

for the true positions r_j = nominal + jitter, the shot's intensity s_j and the propagator D of `diffraction`, on a grid twice as
fine as a reconstruction's. What the experimenter would know comes first (counts, nominal positions, a first guess of the probe
whose defocus is wrong); what is true ends in `_true` and must never be given to a reconstruction.
"""

from typing import Any, ClassVar, Literal

import numpy as np
from jaxtyping import Complex, Float

from ..geometry import HC_KEV_M, Geometry
from ..measurement import ArrayFrames, Measurement, single_view
from .beam import expected_counts, guessed_modes, on_coarse_grid, true_modes
from .detector import NOT_MEASURED, PhotonCounter
from .diffraction import band_limited, fine_axes
from .illumination import AbstractIllumination, ZonePlate
from .layered_particle import LayeredParticle
from .scan import AbstractScan, FermatSpiral
from .simulation import AbstractSimulation
from .specimen import AbstractSpecimen, Transmission

OBJECT_MARGIN = 16  # object pixels beyond the scanned windows, both sides together


class SimulatedPtychography(AbstractSimulation):
    """One data set to be.

    photons            counts of a frame of the empty beam, background aside
    powers             shares of the probe's incoherent modes; one number is full coherence
    position_jitter    rms along y and x of true minus nominal positions, object pixels
    flux_fluctuation   rms of the shots' intensities, relative
    defocus_error      by how much the first guess of the probe mistakes the defocus, as a factor
    margin             near field: pixels about the frame in which the wave is followed
    """

    experiment: ClassVar[str | None] = "ptychography"

    specimen: AbstractSpecimen = LayeredParticle()
    illumination: AbstractIllumination = ZonePlate()
    scan: AbstractScan = FermatSpiral()
    detector: PhotonCounter = PhotonCounter()
    energy_keV: float = 7.0
    distance_m: float = 7.2
    detector_pixel_m: float = 344e-6
    frame_shape: tuple[int, int] = (128, 128)
    regime: Literal["far_field", "near_field"] = "far_field"
    focus_to_sample_m: float | None = None
    margin: int = 0
    photons: float = 2e6
    powers: tuple[float, ...] = (1.0,)
    position_jitter: float = 0.0
    flux_fluctuation: float = 0.0
    defocus_error: float = 1.2

    @property
    def geometry(self) -> Geometry:
        return Geometry(
            wavelength_m=HC_KEV_M / self.energy_keV,
            distance_m=self.distance_m,
            detector_pixel_m=(self.detector_pixel_m, self.detector_pixel_m),
            frame_shape=self.frame_shape,
            regime=self.regime,
            focus_to_sample_m=self.focus_to_sample_m,
            margin=self.margin,
        )

    def simulate(self, seed: int = 0) -> dict[str, Any]:
        """The data set in the plain layout, and the truth; the same seed gives the same set.

        Each part draws from its own stream, so that switching one nuisance on leaves the others as they were.
        """
        specimen, place, shot, sensor, noise = np.random.default_rng(seed).spawn(5)
        geometry = self.geometry
        transmission = self.specimen.transmission(specimen, geometry.wavelength_m)
        nominal = self.scan.positions(place)
        positions = nominal + self.position_jitter * place.standard_normal(nominal.shape)
        flux = shot_intensities(shot, len(nominal), self.flux_fluctuation)
        modes = true_modes(self.illumination, geometry, self.powers, self.photons)
        mask = self.detector.mask(self.frame_shape, sensor)
        frames = np.empty((len(nominal), *self.frame_shape), np.float32)
        for j, (position, intensity) in enumerate(zip(positions, flux, strict=True)):
            y, x = fine_axes(geometry.probe_shape, geometry.pixel_size_m, position)
            expected = intensity * expected_counts(geometry, modes * transmission(y, x))
            frames[j] = self.detector.count(expected, mask, noise)
        measured = {"intensity": self._stored(frames), "positions_px": nominal, "mask": mask}
        counts = float(np.where(frames == NOT_MEASURED, 0, frames).sum(axis=(1, 2)).mean())
        misjudged = self.illumination.misjudged(self.defocus_error)
        measured["probe"] = guessed_modes(misjudged, geometry, self.powers, counts)
        truth = {
            "object_true": object_on_grid(transmission, geometry, nominal).astype(np.complex64),
            "probe_true": on_coarse_grid(modes, geometry),
            "positions_true": positions,
            "flux_true": flux,
        }
        return measured | truth | self._scalars(geometry)

    def _stored(self, frames):
        return frames.astype(np.int32) if self.detector.poisson else frames

    def _scalars(self, geometry):
        scalars = {
            "wavelength_m": geometry.wavelength_m,
            "pixel_size_m": geometry.pixel_size_m[0],
            "distance_m": self.distance_m,
            "detector_pixel_m": self.detector_pixel_m,
            "regime": self.regime,
        }
        if self.regime == "near_field":
            scalars["margin"] = self.margin
        if self.focus_to_sample_m is not None:
            scalars["focus_to_sample_m"] = self.focus_to_sample_m
        return scalars

    def measured(self, seed: int = 0) -> tuple[Geometry, Measurement, dict[str, Any]]:
        arrays = self.simulate(seed)
        frames, positions = ArrayFrames(arrays["intensity"]), arrays["positions_px"]
        measurement = single_view(frames, positions, mask=arrays["mask"], probe=arrays["probe"])
        return self.geometry, measurement, {k: v for k, v in arrays.items() if k.endswith("_true")}


def shot_intensities(rng: np.random.Generator, count: int, rms: float) -> Float[np.ndarray, " scan"]:
    """Relative intensities of the shots, 1 on average, never below a twentieth."""
    flux = np.maximum(1 + rms * rng.standard_normal(count), 0.05)
    return flux / flux.mean()


def object_shape(positions: Float[np.ndarray, "scan 2"], window: tuple[int, int]) -> tuple[int, int]:
    """Object pixels that a scan needs: its extent, one window and a margin, even."""
    extent = np.ceil(np.ptp(positions, axis=0)).astype(int) + np.asarray(window) + OBJECT_MARGIN
    y, x = (int(n + n % 2) for n in extent)
    return y, x


def object_on_grid(
    transmission: Transmission, geometry: Geometry, positions: Float[np.ndarray, "scan 2"]
) -> Complex[np.ndarray, "y x"]:
    """The transmission as a reconstruction's grid can show it at best: band-limited, of the shape that the scan needs."""
    shape = object_shape(positions, geometry.probe_shape)
    y, x = fine_axes(shape, geometry.pixel_size_m, np.zeros(2))
    return band_limited(transmission(y, x))
