"""Where the instrument's numbers live: float64 on the host, in SI units, reduced to dimensionless groups.

Sign convention of the whole package: a wave travels as exp(+ikz), the refractive index is n = 1 - delta + i beta, so that
matter retards and the phase of a transmission is negative. Discrete Fourier transforms are orthonormal, so that
sum |probe|^2 is the mean number of photons of a frame.

Far field (Fraunhofer): one object pixel is p = lambda z / (N d), with z the distance from sample to detector, N the number of
detector pixels along an axis and d their pitch.
Near field with a cone beam (Fresnel scaling theorem; Paganin, Coherent X-Ray Optics, 2006, appendix B): the magnification is
M = (z1 + z2) / z1, the pixel p = d / M and the wave propagates by the effective distance z2 / M.

A float32 phase at 5 m and 1 A is wrong by 1e4 rad: nothing here is traced, and what a kernel needs is `fresnel_number`.
"""

from typing import Literal

import equinox as eqx

HC_KEV_M = 1.2398419843320026e-9  # Planck constant times speed of light, CODATA 2018 (exact)


class Geometry(eqx.Module):
    """The set-up of one measurement, after cropping and binning.

    `distance_m` is sample to detector; `focus_to_sample_m` is None for a parallel beam (no magnification).
    `detector_pixel_m` is (v, u). `regime` chooses between the far and the near field. In the near field the wave is followed
    `margin` detector pixels beyond each edge of the detector, so that it does not come back in over the periodic boundary, and
    sampled `oversampling` times per detector pixel: a specimen that is sharper than a pixel still shows in the intensity.
    """

    wavelength_m: float
    distance_m: float
    detector_pixel_m: tuple[float, float]
    frame_shape: tuple[int, int]
    regime: Literal["far_field", "near_field"] = "far_field"
    focus_to_sample_m: float | None = None
    margin: int = 0
    oversampling: int = 1

    def __check_init__(self):
        for name in ("wavelength_m", "distance_m"):
            value = getattr(self, name)
            if not 0 < value < 1e3:
                raise ValueError(f"`{name}` is {value!r}; expected a positive length in metres.")
        if not 1e-13 < self.wavelength_m < 1e-7:
            raise ValueError(
                f"`wavelength_m` is {self.wavelength_m!r} m, which is no X-ray; was the energy given in another unit?"
            )
        if self.regime not in ("far_field", "near_field"):
            raise ValueError(f"`regime` is {self.regime!r}; expected 'far_field' or 'near_field'.")
        if self.margin < 0 or self.oversampling < 1:
            raise ValueError("expected `margin` of 0 or more and `oversampling` of 1 or more.")
        if (self.margin or self.oversampling > 1) and self.regime == "far_field":
            raise ValueError(
                "`margin` and `oversampling` are for the near field; leave them out in the far field."
            )

    @property
    def probe_shape(self) -> tuple[int, int]:
        """Pixels of the probe, and of the window through which a frame sees the object."""
        v, u = self.frame_shape
        return (v + 2 * self.margin) * self.oversampling, (u + 2 * self.margin) * self.oversampling

    @property
    def energy_keV(self) -> float:
        return HC_KEV_M / self.wavelength_m

    @property
    def magnification(self) -> float:
        """(z1 + z2) / z1 for a cone beam, 1 for a parallel one and in the far field."""
        if self.regime == "far_field" or self.focus_to_sample_m is None:
            return 1.0
        return (self.focus_to_sample_m + self.distance_m) / self.focus_to_sample_m

    @property
    def pixel_size_m(self) -> tuple[float, float]:
        """Pitch of the object's pixels, (y, x)."""
        if self.regime == "far_field":
            return tuple(
                self.wavelength_m * self.distance_m / (n * d)
                for n, d in zip(self.frame_shape, self.detector_pixel_m, strict=True)
            )  # pyright: ignore[reportReturnType]
        return tuple(d / self.magnification / self.oversampling for d in self.detector_pixel_m)  # pyright: ignore[reportReturnType]

    @property
    def fresnel_number(self) -> tuple[float, float]:
        """p^2 / (lambda z_eff) per pixel, (y, x): all that near-field propagation depends on."""
        effective = self.distance_m / self.magnification
        return tuple(p * p / (self.wavelength_m * effective) for p in self.pixel_size_m)  # pyright: ignore[reportReturnType]
