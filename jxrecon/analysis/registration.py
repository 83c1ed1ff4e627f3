"""Two complex images of one object, brought onto each other.

A ptychographic reconstruction is free up to a gauge: O(r) and c exp(i g.r) O(r - s) explain the same frames, with a
complex scale c, a phase ramp g and a translation s that the probe takes up. `align` finds and removes all three:
 - ramp: the mean phase step between neighbours, g = arg sum z(r + 1) conj z(r) with z = image conj(reference);
 - translation: peak of the cross-correlation, refined by an upsampled matrix DFT (Guizar-Sicairos, Thurman & Fienup,
   Opt. Lett. 33, 156, 2008, doi 10.1364/OL.33.000156);
 - scale: least squares, c = <image, reference> / <image, image>.
Ramp and translation are found in turn, because each one blurs the other.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Complex, Float
from skimage.registration import phase_cross_correlation

from .region import central, centred, soft_edge

PASSES = 4  # turns of ramp and translation; the third moves nothing by more than 0.01 px on measured halves
UPSAMPLING = 200  # the translation is resolved to 1/200 px


@dataclasses.dataclass(frozen=True)
class Alignment:
    """`image` on the grid and in the gauge of the reference, and what was removed to bring it there.

    shift_px (y, x): how far the content was moved; slope_rad_px (y, x): phase ramp; scale: complex factor.
    """

    image: np.ndarray
    shift_px: tuple[float, float]
    slope_rad_px: tuple[float, float]
    scale: complex


def shifted(image: Complex[np.ndarray, "y x"], shift: Float[np.ndarray, " 2"]) -> Complex[np.ndarray, "y x"]:
    """Content moved by `shift` pixels (y, x), with periodic boundaries."""
    y, x = (np.exp(-2j * np.pi * s * np.fft.fftfreq(n)) for s, n in zip(shift, image.shape, strict=True))
    return np.fft.ifft2(np.fft.fft2(image) * (y[:, None] * x[None, :]))


def phase_slope(
    field: Complex[np.ndarray, "y x"], region: Bool[np.ndarray, "y x"]
) -> Float[np.ndarray, " 2"]:
    """Mean phase step (rad per pixel) along y and x inside the region; no unwrapping needed."""
    z = np.where(region, field, 0)
    return np.array([np.angle(np.sum(z[1:] * z[:-1].conj())), np.angle(np.sum(z[:, 1:] * z[:, :-1].conj()))])


def without_slope(
    image: Complex[np.ndarray, "y x"], slope: Float[np.ndarray, " 2"]
) -> Complex[np.ndarray, "y x"]:
    """Image without the phase ramp `slope` (rad per pixel), which is zero at the centre pixel."""
    y, x = (np.exp(-1j * g * (np.arange(n) - n // 2)) for g, n in zip(slope, image.shape, strict=True))
    return image * (y[:, None] * x[None, :])


def translation(
    image: Complex[np.ndarray, "y x"],
    reference: Complex[np.ndarray, "y x"],
    window: Float[np.ndarray, "y x"],
) -> Float[np.ndarray, " 2"]:
    """Shift (y, x) in pixels that brings `image` onto `reference`, seen through `window`.

    Zero where either is flat, or where the best shift is over a quarter of the window: that is no registration.
    """
    seen = [(p - np.sum(p * window) / np.sum(window)) * window for p in (reference, image)]
    floor = 1e-12 * np.sum(window**2) * max(np.max(np.abs(reference)), np.max(np.abs(image))) ** 2
    if min(np.sum(np.abs(contrast) ** 2) for contrast in seen) <= floor:
        return np.zeros(2)
    shift, _, _ = phase_cross_correlation(
        *seen,
        upsample_factor=UPSAMPLING,
        normalization=None,  # pyright: ignore[reportArgumentType]  # None is documented: no normalisation
    )
    far = np.hypot(*shift) > np.sqrt(np.count_nonzero(window)) / 4
    return np.zeros(2) if far else np.asarray(shift, np.float64)


def align(
    image: Complex[np.ndarray, "p q"],
    reference: Complex[np.ndarray, "y x"],
    region: Bool[np.ndarray, "y x"],
) -> Alignment:
    """Bring `image` onto `reference` by what is seen inside `region`; shapes are matched about their centres.

    Raises ValueError where the region holds fewer than 64 pixels, too few for a registration.
    """
    if np.count_nonzero(region) < 64:
        raise ValueError(
            f"the region common to both images holds {np.count_nonzero(region)} pixels; expected at least 64."
        )
    original = centred(image, (reference.shape[0], reference.shape[1])).astype(np.complex128)
    window = soft_edge(region, width=0.25 * np.sqrt(np.count_nonzero(region)))
    slope, shift, moved = np.zeros(2), np.zeros(2), original
    for turn in range(PASSES + 1):
        slope += phase_slope(moved * reference.conj(), region)
        moved = shifted(without_slope(original, slope), shift)
        if turn < PASSES:
            shift += translation(moved, reference, window)
            moved = shifted(without_slope(original, slope), shift)
    inside = moved[region]
    scale = np.vdot(inside, reference[region]) / max(np.vdot(inside, inside).real, np.finfo(float).tiny)
    return Alignment(
        moved * scale, (float(shift[0]), float(shift[1])), (float(slope[0]), float(slope[1])), complex(scale)
    )


def compare(
    reconstruction: Complex[np.ndarray, "p q"],
    truth: Complex[np.ndarray, "y x"],
    region: Bool[np.ndarray, "y x"] | None = None,
) -> dict[str, float]:
    """Errors of a reconstruction against the truth after the gauge is removed, in the middle 55 % unless told otherwise.

    phase_rmse_rad: rms phase difference; amplitude_rmse: rms difference of moduli; shift_px: length of the translation.
    """
    shape = (min(reconstruction.shape[0], truth.shape[0]), min(reconstruction.shape[1], truth.shape[1]))
    if region is None:
        region = centred(central(shape, 0.55), (truth.shape[0], truth.shape[1]), fill=False)
    found = align(reconstruction, truth, region)
    image, true = found.image[region], truth[region]
    return {
        "phase_rmse_rad": float(np.sqrt(np.mean(np.angle(image * true.conj()) ** 2))),
        "amplitude_rmse": float(np.sqrt(np.mean((np.abs(image) - np.abs(true)) ** 2))),
        "shift_px": float(np.hypot(*found.shift_px)),
    }
