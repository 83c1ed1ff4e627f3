"""The beam of a simulated measurement: true modes on the fine grid, in photons, and what is known of them beforehand.

    sum over a frame of the empty beam = photons

What the experimenter guesses has another defocus, unequal shares of power among its modes, and the mean counts of a frame.
"""

import numpy as np
from jaxtyping import Complex, Float

from ..forward.optics import incoherent_modes, with_power
from ..geometry import Geometry
from .diffraction import FINER, band_limited, far_field_pattern, middle, near_field_pattern
from .illumination import AbstractIllumination

HIGHER_MODE_GUESS = 0.05  # share of the power that a first guess gives to each mode but the first


def expected_counts(
    geometry: Geometry, exit_waves: Complex[np.ndarray, "*frame mode fine_v fine_u"]
) -> Float[np.ndarray, "*frame v u"]:
    """Expected counts of frames without background."""
    if geometry.regime == "far_field":
        return far_field_pattern(exit_waves, geometry.frame_shape)
    effective = geometry.distance_m / geometry.magnification
    return near_field_pattern(
        exit_waves, geometry.frame_shape, geometry.pixel_size_m, geometry.wavelength_m, effective
    )


def true_modes(
    illumination: AbstractIllumination, geometry: Geometry, powers: tuple[float, ...], photons: float
) -> Complex[np.ndarray, "mode fine_v fine_u"]:
    """The probe on the fine grid, in square roots of photons of the empty beam's frame."""
    modes = incoherent_modes(_field(illumination, geometry, FINER), powers)
    return modes * np.sqrt(photons / expected_counts(geometry, modes).sum())


def on_coarse_grid(
    modes: Complex[np.ndarray, "mode fine_v fine_u"], geometry: Geometry
) -> Complex[np.ndarray, "mode v u"]:
    """The true probe as a reconstruction can show it at best, of the frames' shape."""
    return middle(FINER * band_limited(modes), geometry.frame_shape).astype(np.complex64)


def guessed_modes(
    illumination: AbstractIllumination, geometry: Geometry, powers: tuple[float, ...], counts: float
) -> Complex[np.ndarray, "mode v u"]:
    """What is known of the probe beforehand: optics with a misjudged defocus and the mean counts of a frame."""
    probe = middle(_field(illumination, geometry, 1), geometry.frame_shape)
    higher = len(powers) - 1
    shares = (1 - HIGHER_MODE_GUESS * higher, *[HIGHER_MODE_GUESS] * higher)
    return with_power(incoherent_modes(probe, shares), counts).astype(np.complex64)


def centroid(modes: Complex[np.ndarray, "mode v u"]) -> Float[np.ndarray, "2"]:
    """Centre (v, u) of the intensity, from pixel n//2, in pixels."""
    light = np.sum(np.abs(modes.astype(complex)) ** 2, axis=0)
    v, u = (np.arange(n) - n // 2 for n in light.shape)
    return np.array([light.sum(axis=1) @ v, light.sum(axis=0) @ u]) / light.sum()


def _field(illumination: AbstractIllumination, geometry: Geometry, finer: int) -> np.ndarray:
    v, u = geometry.probe_shape
    y, x = geometry.pixel_size_m
    return illumination.probe((finer * v, finer * u), (y / finer, x / finer), geometry.wavelength_m)
