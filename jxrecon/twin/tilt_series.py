"""A simulated ptychographic tilt series: scans of a specimen that is turned between them, with everything that is true of it.

    T_t(r) = exp( -r_e lambda (i f1/Z + f2/Z) p_t(r - s_t) ),     p_t = int n_e dl at the true angle theta_t
    I_tj   = count( s_tj sum_m | D[ P_m(r) T_t(r + r_tj) ] |^2 )

p_t is projected by exact area footprints of voxels at most half as large as the reconstruction's (`projector`), becomes a spline
and is evaluated where the beam is; D is the propagator of `diffraction`. Conventions: u = x cos theta + y sin theta, v = z; the
position (0, 0) puts the middle of the probe, pixel n//2, on the nominal axis of rotation and on the middle (n - 1)/2 of the volume
in z; a shift s = (v, u) moves the specimen's image to larger v, u. What is true ends in `_true` and must never be given to a
reconstruction.
"""

import dataclasses
import os
from collections.abc import Iterator
from typing import Any, Literal

import equinox as eqx
import numpy as np
import scipy.constants
from jaxtyping import Bool, Complex, Float

from ..geometry import HC_KEV_M, Geometry
from .acquisition import Acquisition, Nuisances, TiltAngles, acquire, stream
from .beam import expected_counts, guessed_modes, on_coarse_grid, true_modes
from .detector import NOT_MEASURED, PhotonCounter
from .diffraction import FINER
from .illumination import AbstractIllumination, ZonePlate
from .projector import columns, footprints, project_columns
from .scan import AbstractScan, FermatSpiral
from .scene import AbstractScene, BallWithHoles, Body, Capillary, pooled
from .spline import SmoothImages, smooth

ELECTRON_RADIUS_M = scipy.constants.physical_constants["classical electron radius"][0]
PER_CUBIC_ANGSTROM = 1e30


def exponent(energy_keV: float, formula: str) -> complex:
    """log T for one electron per cubic angstrom over a metre: -r_e lambda (i f1/Z + f2/Z)."""
    f1, f2 = {"SiO2": (1.010, 0.0174)}.get(formula, (0.966, 0.0527))
    return -ELECTRON_RADIUS_M * HC_KEV_M / energy_keV * PER_CUBIC_ANGSTROM * complex(f2, f1)


class SimulatedTiltSeries(eqx.Module):
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

    scene: AbstractScene = BallWithHoles()
    capillary: Capillary | None = None
    formula: str = "Li1.17Ni0.19Mn0.54Co0.10O2"
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

    def prepared(self, seed: int = 0) -> "Prepared":
        """Everything but the frames; the same seed gives the same series."""
        acquisition = acquire(self.angles, self.scan, self.nuisances, seed, np.deg2rad(self.turn_deg))
        body = self.scene.body(seed, self.finer)
        mask = self.detector.mask(self.frame_shape, stream(seed, "detector"))
        modes = true_modes(self.illumination, self.geometry, self.powers, self.photons)
        return Prepared(self, seed, acquisition, body, columns(body.electron_density), modes, mask)

    def simulate(self, seed: int = 0) -> dict[str, Any]:
        """intensity (view, scan, v, u), positions_px (view, scan, 2), angle_deg (view,), and the truth."""
        prepared = self.prepared(seed)
        return {"intensity": np.stack(list(prepared.views()))} | prepared.arrays()


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A series whose frames are simulated when they are asked for, view by view."""

    series: SimulatedTiltSeries
    seed: int
    acquisition: Acquisition
    body: Body
    flat: Float[np.ndarray, "yx z"]
    modes: Complex[np.ndarray, "mode fine_v fine_u"]
    mask: Bool[np.ndarray, "v u"]

    def projection(self, view: int) -> SmoothImages:
        """Electrons along the beam, e/A^3 times metres, on pixels of half a voxel, the axis in their middle."""
        series, shape = self.series, self.body.electron_density.shape
        by = series.finer // FINER
        width = by * int(np.ceil(np.hypot(*shape[1:]) / by) + 1)
        angle = np.deg2rad(self.acquisition.true_deg[view])
        image = project_columns(self.flat, footprints(shape[1:], angle, 0.0, width), shape[0])[0]
        image = image.reshape(shape[0] // by, by, width // by, by).mean(axis=(1, 3))
        return smooth(image[None] * (series.scene.voxel_m / series.finer))

    def transmission(self, view: int) -> Complex[np.ndarray, "scan fine_v fine_u"]:
        """Of the specimen in the windows of a view's frames, where they truly are."""
        series, state = self.series, self.acquisition
        window = tuple(FINER * n for n in series.geometry.probe_shape)
        corner = FINER * (state.true[view] - state.shift[view]) - np.asarray(window) // 2
        image = self.projection(view)
        path = image.windows(corner + (np.asarray(image.shape) - 1) / 2, window)[:, 0]
        log = exponent(series.energy_keV, series.formula) * path
        if series.capillary is not None:
            pixel, angle = series.scene.voxel_m / FINER, np.deg2rad(state.true_deg[view])
            u = (corner[:, 1:] + np.arange(window[1])) * pixel
            glass = exponent(series.energy_keV, series.capillary.formula)
            log = log + glass * series.capillary.path(u, angle, pixel)[:, None]
        return np.exp(log)

    def frames(self, view: int) -> np.ndarray:
        """Counts of one view, (scan, v, u): int32, or float32 without counting noise."""
        series, state = self.series, self.acquisition
        modes, number = self._modes(view), int(state.number[view])
        waves = self.transmission(view)[:, None] * modes
        expected = state.flux[view][:, None, None] * expected_counts(series.geometry, waves)
        counts = series.detector.count(expected, self.mask, stream(self.seed, "noise", number))
        return counts.astype(np.int32 if series.detector.poisson else np.float32)

    def views(self) -> Iterator[np.ndarray]:
        """Frames of all views, one after the other."""
        return (self.frames(view) for view in range(len(self.acquisition.number)))

    def _modes(self, view: int) -> np.ndarray:
        series, factor = self.series, float(self.acquisition.defocus[view])
        if factor == 1:
            return self.modes
        drifted = series.illumination.misjudged(factor)
        return true_modes(drifted, series.geometry, series.powers, series.photons)

    def arrays(self) -> dict[str, Any]:
        """What is known beside the frames, and what is true."""
        series, state, geometry = self.series, self.acquisition, self.series.geometry
        counts = self.frames(0)
        mean = float(np.where(counts == NOT_MEASURED, 0, counts).sum(axis=(1, 2)).mean())
        misjudged = series.illumination.misjudged(series.defocus_error)
        known = {
            "positions_px": state.nominal,
            "angle_deg": state.nominal_deg,
            "mask": self.mask,
            "probe": guessed_modes(misjudged, geometry, series.powers, mean),
            "wavelength_m": geometry.wavelength_m,
            "pixel_size_m": geometry.pixel_size_m[0],
            "distance_m": geometry.distance_m,
            "detector_pixel_m": series.detector_pixel_m,
            "regime": series.regime,
        }
        if series.regime == "near_field":
            known["margin"] = series.margin
        if geometry.focus_to_sample_m is not None:
            known["focus_to_sample_m"] = geometry.focus_to_sample_m
        return known | self.truth()

    def truth(self) -> dict[str, np.ndarray]:
        """On the voxels of the reconstruction, (z, y, x), and for each view."""
        series, state, scene = self.series, self.acquisition, self.series.scene
        density = pooled(self.body.electron_density, series.finer)
        if series.capillary is not None:
            density = density + series.capillary.electron_density(scene.shape, scene.voxel_m)
        return {
            "electron_density_true": density,
            "particle_true": pooled(self.body.inside, series.finer) > 0.5,
            "projection_shift_true": state.shift,
            "angle_true": state.true_deg,
            "positions_true": state.true,
            "probe_true": on_coarse_grid(self.modes, series.geometry),
            "defocus_true": state.defocus,
            "flux_true": state.flux,
            "axis_offset_true": np.asarray(series.nuisances.axis_offset),
        }
