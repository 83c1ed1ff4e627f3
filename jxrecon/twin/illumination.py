"""The optics in front of a simulated specimen: names and dimensions, bound to the fields of `forward.optics`.

Each can be asked for its wave with a wrong defocus, which is what a reconstruction knows of a beam before it starts.
"""

import abc
import dataclasses

import equinox as eqx
import numpy as np
from jaxtyping import Complex

from ..forward.optics import (
    circular_aperture_probe,
    gaussian_probe,
    mirror_probe,
    zone_plate_cone_beam,
    zone_plate_probe,
)


class AbstractIllumination(eqx.Module):
    """An illumination of the specimen."""

    @abc.abstractmethod
    def probe(
        self, shape: tuple[int, int], pixel_size_m: tuple[float, float], wavelength_m: float
    ) -> Complex[np.ndarray, "v u"]:
        """Field at the specimen, unit power, axis on pixel n//2."""

    @abc.abstractmethod
    def misjudged(self, factor: float) -> "AbstractIllumination":
        """The same optics with its defocus (a pinhole: its distance) multiplied by `factor`."""


class ZonePlate(AbstractIllumination):
    """Fresnel zone plate with a central stop, `defocus_m` upstream of the specimen when positive.

    The default is that of cSAXS's set-up at 7 keV, focal length 50.8 mm, with a beam of 1.5 um.
    """

    diameter_m: float = 150e-6
    outermost_zone_m: float = 60e-9
    central_stop_m: float = 50e-6
    defocus_m: float = 0.5e-3
    order_sorting_aperture_m: float | None = None
    aperture_to_focus_m: float | None = None

    def probe(self, shape, pixel_size_m, wavelength_m):
        return zone_plate_probe(
            shape,
            pixel_size_m,
            wavelength_m,
            diameter_m=self.diameter_m,
            outermost_zone_m=self.outermost_zone_m,
            central_stop_m=self.central_stop_m,
            defocus_m=self.defocus_m,
            order_sorting_aperture_m=self.order_sorting_aperture_m,
            aperture_to_focus_m=self.aperture_to_focus_m,
        )

    def misjudged(self, factor):
        return dataclasses.replace(self, defocus_m=self.defocus_m * factor)


class ZonePlateConeBeam(AbstractIllumination):
    """The diverging beam of a zone plate without its curvature: the near field, in the coordinates of the specimen."""

    diameter_m: float = 150e-6
    outermost_zone_m: float = 60e-9
    central_stop_m: float = 0.0
    defocus_m: float = 5e-3

    def probe(self, shape, pixel_size_m, wavelength_m):
        return zone_plate_cone_beam(
            shape,
            pixel_size_m,
            wavelength_m,
            diameter_m=self.diameter_m,
            outermost_zone_m=self.outermost_zone_m,
            central_stop_m=self.central_stop_m,
            defocus_m=self.defocus_m,
        )

    def misjudged(self, factor):
        return dataclasses.replace(self, defocus_m=self.defocus_m * factor)


class KirkpatrickBaez(AbstractIllumination):
    """A pair of focusing mirrors; apertures and focal lengths (v, u)."""

    aperture_m: tuple[float, float] = (3e-4, 3e-4)
    focal_length_m: tuple[float, float] = (0.2, 0.1)
    defocus_m: float = 0.5e-3

    def probe(self, shape, pixel_size_m, wavelength_m):
        return mirror_probe(
            shape,
            pixel_size_m,
            wavelength_m,
            aperture_m=self.aperture_m,
            focal_length_m=self.focal_length_m,
            defocus_m=self.defocus_m,
        )

    def misjudged(self, factor):
        return dataclasses.replace(self, defocus_m=self.defocus_m * factor)


class GaussianBeam(AbstractIllumination):
    """A Gaussian beam; `waist_m` is where the amplitude is 1/e at the focus."""

    waist_m: float = 4e-7
    defocus_m: float = 2e-3

    def probe(self, shape, pixel_size_m, wavelength_m):
        return gaussian_probe(
            shape, pixel_size_m, wavelength_m, waist_m=self.waist_m, defocus_m=self.defocus_m
        )

    def misjudged(self, factor):
        return dataclasses.replace(self, defocus_m=self.defocus_m * factor)


class Pinhole(AbstractIllumination):
    """A round hole in a plane wave, `distance_m` before the specimen."""

    diameter_m: float = 1.5e-6
    distance_m: float = 1e-3

    def probe(self, shape, pixel_size_m, wavelength_m):
        return circular_aperture_probe(
            shape, pixel_size_m, wavelength_m, diameter_m=self.diameter_m, distance_m=self.distance_m
        )

    def misjudged(self, factor):
        return dataclasses.replace(self, distance_m=self.distance_m * factor)
