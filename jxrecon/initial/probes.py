"""First guesses of the illumination: from the data file, from the mean frame, or from the optics.

From the mean frame, far field: it is near |FT[P]|^2, so that P = FT^-1[sqrt(mean) exp(-i pi lambda z q^2)] is the beam at a
distance z from a focus with the measured aperture. Near field: the detector sees |D P|^2 with the propagator D, and
P = D^-1 sqrt(mean).
"""

import numpy as np
from jaxtyping import Complex
from scipy.spatial import KDTree

from ..errors import InputError
from ..forward.optics import (
    circular_aperture_probe,
    propagated,
    zone_plate_cone_beam,
    zone_plate_probe,
)
from ..geometry import Geometry
from ..measurement import Measurement
from .first_guess import AbstractProbeGuess
from .mean_frame import MeanFrame
from .resample import framed

DEFOCUS_STEPS = 64
STEPS_PER_BEAM = 4.0  # scans step by a third to a sixth of the beam, for the overlap


def focused(pattern: np.ndarray) -> Complex[np.ndarray, "v u"]:
    """The field with this far-field pattern (beam at the centre) and no phase there."""
    wave = np.fft.ifftshift(np.sqrt(pattern)).astype(complex)
    return np.fft.fftshift(np.fft.ifft2(wave, norm="ortho"))


def beam_diameter(field: Complex[np.ndarray, "v u"]) -> float:
    """Diameter in pixels of the uniform disc that holds half of its power within the same radius as the field."""
    v, u = (np.arange(n) - n // 2 for n in field.shape)
    radius = np.hypot(v[:, None], u).ravel()
    order = np.argsort(radius)
    power = np.cumsum(np.abs(field.ravel()[order]) ** 2)
    half = radius[order][np.searchsorted(power, power[-1] / 2)]
    return float(2 * np.sqrt(2) * half)


def scan_step(positions_px: np.ndarray) -> float:
    """Median distance in pixels from a position to its nearest other one; 0 for a single position."""
    if len(positions_px) < 2:
        return 0.0
    return float(np.median(KDTree(positions_px).query(positions_px, k=2)[0][:, 1]))


def filling_defocus(geometry: Geometry) -> float:
    """Distance in metres from the focus at which the beam of the whole detector's aperture would fill the window."""
    sizes = zip(geometry.probe_shape, geometry.pixel_size_m, strict=True)
    return min(n * p**2 / geometry.wavelength_m for n, p in sizes)


def defocus_for_diameter(focus: Complex[np.ndarray, "v u"], geometry: Geometry, diameter_px: float) -> float:
    """Distance in metres downstream of the focus at which the beam is first as wide as that, or widest if it never is."""
    pixel, wavelength = geometry.pixel_size_m, geometry.wavelength_m
    distances = np.linspace(0, filling_defocus(geometry), DEFOCUS_STEPS)
    widths = [beam_diameter(propagated(focus, pixel, wavelength, float(z))) for z in distances]
    reached = np.flatnonzero(np.array(widths) >= diameter_px)
    return float(distances[reached[0] if len(reached) else np.argmax(widths)])


class MeanFrameProbe(AbstractProbeGuess):
    """From the mean frame. defocus_m (far field): from the focus to the specimen, positive downstream; null chooses the one at
    which the beam is `STEPS_PER_BEAM` steps of the scan wide. In the near field the propagator alone decides.
    """

    defocus_m: float | None = None

    def __call__(
        self, geometry: Geometry, measurement: Measurement, mean: MeanFrame
    ) -> Complex[np.ndarray, "mode v u"]:
        wavelength, pixel = geometry.wavelength_m, geometry.pixel_size_m
        if geometry.regime == "near_field":
            effective = geometry.distance_m / geometry.magnification
            wave = np.sqrt(mean.pattern).astype(complex)
            return propagated(wave, pixel, wavelength, -effective)[None]
        focus, defocus = focused(mean.pattern), self.defocus_m
        if defocus is None:
            wanted = STEPS_PER_BEAM * scan_step(measurement.positions_px[mean.index])
            defocus = defocus_for_diameter(focus, geometry, wanted)
        return propagated(focus, pixel, wavelength, defocus)[None]


class DataProbe(AbstractProbeGuess):
    """The probe that the data file holds."""

    def __call__(
        self, geometry: Geometry, measurement: Measurement, mean: MeanFrame
    ) -> Complex[np.ndarray, "mode v u"]:
        if measurement.probe is None:
            raise InputError(
                f"{measurement.source}: holds no probe; use `initial/probe=mean_frame_probe` or the optics "
                "(`initial/probe=zone_plate`)."
            )
        return centred(measurement.probe, geometry)


def centred(modes: np.ndarray, geometry: Geometry) -> Complex[np.ndarray, "mode v u"]:
    """Modes (mode, v, u) cropped or continued with zeros to the probe's shape."""
    return np.stack([framed(mode, geometry.probe_shape) for mode in modes])


class Aperture(AbstractProbeGuess):
    """A pinhole in a plane wave, `distance_m` upstream of the specimen."""

    diameter_m: float
    distance_m: float = 0.0

    def __call__(
        self, geometry: Geometry, measurement: Measurement, mean: MeanFrame
    ) -> Complex[np.ndarray, "mode v u"]:
        return circular_aperture_probe(
            geometry.probe_shape,
            geometry.pixel_size_m,
            geometry.wavelength_m,
            diameter_m=self.diameter_m,
            distance_m=self.distance_m,
        )[None]


class ZonePlate(AbstractProbeGuess):
    """First order of a Fresnel zone plate; lengths in metres.

    defocus_m: from the focus to the specimen, positive downstream; null takes the data's `focus_to_sample_m`. An order-sorting
    aperture stands `aperture_to_focus_m` upstream of the focus (far field only).
    """

    diameter_m: float
    outermost_zone_m: float
    central_stop_m: float = 0.0
    defocus_m: float | None = None
    order_sorting_aperture_m: float | None = None
    aperture_to_focus_m: float | None = None

    def __call__(
        self, geometry: Geometry, measurement: Measurement, mean: MeanFrame
    ) -> Complex[np.ndarray, "mode v u"]:
        grid = geometry.probe_shape, geometry.pixel_size_m, geometry.wavelength_m
        lens = {
            "diameter_m": self.diameter_m,
            "outermost_zone_m": self.outermost_zone_m,
            "central_stop_m": self.central_stop_m,
            "defocus_m": self._defocus(geometry),
        }
        if geometry.regime == "near_field":
            return zone_plate_cone_beam(*grid, **lens)[None]
        aperture = self.order_sorting_aperture_m
        return zone_plate_probe(
            *grid,
            **lens,
            order_sorting_aperture_m=aperture,
            aperture_to_focus_m=self.aperture_to_focus_m,
        )[None]

    def _defocus(self, geometry: Geometry) -> float:
        if self.defocus_m is not None:
            return self.defocus_m
        if geometry.focus_to_sample_m is None:
            raise InputError(
                "`initial.probe.defocus_m` is null and the data do not say `focus_to_sample_m`; give one of them."
            )
        return geometry.focus_to_sample_m
