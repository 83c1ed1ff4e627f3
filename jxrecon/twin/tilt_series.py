"""A simulated ptychographic tilt series: scans of a specimen that is turned between them.

    T_t(r) = exp( -r_e lambda (i f1/Z + f2/Z) p_t(r - s_t) ),     p_t = int n_e dl at the true angle theta_t
    I_tj   = count( s_tj sum_m | D[ P_m(r) T_t(r + r_tj) ] |^2 )

p_t is projected by exact area footprints of voxels at most half as large as the reconstruction's (`projector`), becomes a spline
and is evaluated where the beam is; D is the propagator of `diffraction`. Conventions: u = x cos theta + y sin theta, v = z; the
position (0, 0) puts the middle of the probe, pixel n//2, on the nominal axis of rotation and on the middle (n - 1)/2 of the
volume in z; a shift s = (v, u) moves the specimen's image to larger v, u.
"""

from typing import Any, ClassVar, Literal

import numpy as np

from ..data.write import plain_arrays
from ..forward.material import Material
from ..geometry import HC_KEV_M, Geometry
from ..measurement import Measurement
from .acquisition import Nuisances, TiltAngles, acquire, stream
from .beam import true_modes
from .detector import PhotonCounter
from .diffraction import FINER
from .illumination import AbstractIllumination, ZonePlate
from .projector import columns
from .scan import AbstractScan, FermatSpiral
from .scene import AbstractScene, Capillary, pooled
from .simulation import AbstractSimulation
from .single_particle import SingleParticle
from .tilt_frames import Beam, TiltFrames
from .turned import TurnedScene, log_transmission


class SimulatedTiltSeries(AbstractSimulation):
    """One series to be. The object's pixel is the scene's voxel: the distance follows from it.

    The default is a particle of 2.3 um in 64^3 voxels of 40 nm, 60 views (of the 90 that the Crowther criterion asks for) of 25
    frames of 32 x 32. The beam is 17 pixels wide and goes in steps of 11 (overlap 0.35) over a disc of radius 39, all of the
    particle's image and air about it, with 1e5 photons a frame: 520 a pixel and view. Counting noise is on, all else is off.

    finer              voxels of the simulation in one of the reconstruction, along an axis; even
    regime             far_field: `distance_m` follows from detector and voxel; near_field: `distance_m` is given (specimen to
                       detector) and the focus of the cone beam follows, or there is none when voxel and detector pixel are equal
    photons            counts of a frame of the empty beam, background aside
    powers             shares of the probe's incoherent modes; one number is full coherence
    turn_deg           by which the scan's pattern is turned about the axis from one view to the next, so that no grid repeats
    defocus_error      by how much the first guess of the probe mistakes the defocus, as a factor
    margin             near field: pixels about the frame in which the wave is followed
    """

    experiment: ClassVar[str | None] = None

    scene: AbstractScene = SingleParticle()  # pyright: ignore[reportCallIssue]
    capillary: Capillary | None = None
    material: Material = Material()
    finer: int = 2
    illumination: AbstractIllumination = ZonePlate(defocus_m=0.23e-3)
    scan: AbstractScan = FermatSpiral(25, 11.0)
    turn_deg: float = 137.507764
    angles: TiltAngles = TiltAngles()
    nuisances: Nuisances = Nuisances()
    detector: PhotonCounter = PhotonCounter()
    energy_keV: float = 7.0
    detector_pixel_m: float = 172e-6
    distance_m: float | None = None
    frame_shape: tuple[int, int] = (32, 32)
    regime: Literal["far_field", "near_field"] = "far_field"
    margin: int = 0
    photons: float = 1e5
    powers: tuple[float, ...] = (1.0,)
    defocus_error: float = 1.0

    def __check_init__(self):
        if self.finer < FINER or self.finer % FINER:
            raise ValueError(f"`finer` is {self.finer}; expected an even number.")
        if self.regime == "far_field" and self.frame_shape[0] != self.frame_shape[1]:
            raise ValueError(f"`frame_shape` is {self.frame_shape}; a cubic voxel asks for square frames.")
        if (self.regime == "far_field") != (self.distance_m is None):
            raise ValueError(
                "`distance_m` follows from the voxel in the far field and is given in the near field."
            )

    @property
    def geometry(self) -> Geometry:
        wavelength, voxel, pitch = HC_KEV_M / self.energy_keV, self.scene.voxel_m, self.detector_pixel_m
        focus = None
        if self.distance_m is None:
            distance = self.frame_shape[0] * pitch * voxel / wavelength
        else:
            distance = self.distance_m
            focus = None if pitch <= voxel else distance / (pitch / voxel - 1)
        return Geometry(
            wavelength_m=wavelength,
            distance_m=distance,
            detector_pixel_m=(pitch, pitch),
            frame_shape=self.frame_shape,
            regime=self.regime,
            focus_to_sample_m=focus,
            margin=self.margin,
        )

    def frames(self, seed: int = 0) -> TiltFrames:
        """The series with its truth; its frames are simulated when they are read."""
        matter, geometry = self.scene.matter(seed, self.finer), self.geometry
        glass = None if self.capillary is None else self.capillary.material
        z, y, x = matter.electron_density.shape
        scene = TurnedScene(
            columns(matter.electron_density),
            (z, y, x),
            self.finer,
            self.scene.voxel_m,
            log_transmission(self.material, self.energy_keV),
            self.capillary,
            0j if glass is None else log_transmission(glass, self.energy_keV),
        )
        density = pooled(matter.electron_density, self.finer)
        if self.capillary is not None:
            density = density + self.capillary.electron_density(self.scene.shape, self.scene.voxel_m)
        return TiltFrames(
            geometry=geometry,
            acquisition=acquire(self.angles, self.scan, self.nuisances, seed, np.deg2rad(self.turn_deg)),
            scene=scene,
            beam=Beam(self.illumination, self.powers, self.photons, self.defocus_error),
            modes=true_modes(self.illumination, geometry, self.powers, self.photons),
            detector=self.detector,
            mask=self.detector.mask(self.frame_shape, stream(seed, "detector")),
            seed=seed,
            volumes={
                "electron_density_true": density,
                "particle_true": pooled(matter.inside, self.finer) > 0.5,
                "axis_offset_true": np.asarray(self.nuisances.axis_offset),
            },
        )

    def measured(self, seed: int = 0) -> tuple[Geometry, Measurement, dict[str, Any]]:
        frames = self.frames(seed)
        return self.geometry, frames.measurement(), frames.truth()

    def simulate(self, seed: int = 0) -> dict[str, Any]:
        """intensity (view * scan, v, u), positions_px, view, angle_deg and the rest of the plain layout, and the truth, also
        on the fine voxels that were projected (`electron_density_fine_true`).

        All frames are in memory; `frames` gives them view by view.
        """
        frames = self.frames(seed)
        measurement = frames.measurement()
        intensity = np.concatenate(list(frames.views()))
        known = plain_arrays(self.geometry, measurement) | {"mask": measurement.mask}
        fine = {"electron_density_fine_true": frames.scene.electron_density()}
        return {"intensity": intensity} | known | frames.truth() | fine
