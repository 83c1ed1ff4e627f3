"""Resolution by Fourier ring (2-D) and shell (3-D) correlation of two independent reconstructions.

    FRC(k) = Re sum F1 conj F2 / sqrt( sum |F1|^2 sum |F2|^2 ),   sums over the ring of spatial frequency k

A ring of n Fourier pixels carries b bits of information where FRC reaches (van Heel & Schatz, J. Struct. Biol. 151, 250,
2005, doi 10.1016/j.jsb.2005.05.009)

    T(n) = (s + 2 sqrt(s / n) + 1 / sqrt(n)) / (s + 1 + 2 sqrt(s / n)),   s = (2^b - 1) / 2

s is the signal-to-noise ratio of either half: 0.2071 for half a bit, 0.5 for one bit. A window smears neighbouring Fourier
pixels into each other; n is therefore counted as n (sum w^2)^2 / (N sum w^4) independent ones, w being the window on N pixels.

Frequencies are fractions f of the Nyquist frequency. A crossing at f is a half period of 1/f pixels and a full period of 2/f;
the field quotes either, so both are named. Curves that never cross are resolved to the pixel: f = 1.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Complex, Float, Inexact

from .region import bounding_box, soft_edge
from .registration import align

LOWEST = (
    0.05  # below this fraction of Nyquist rings are too small, and ptychography too insensitive, to judge
)


@dataclasses.dataclass(frozen=True)
class RingCorrelation:
    """A Fourier ring or shell correlation.

    frequency (ring,) fraction of Nyquist; correlation (ring,); count (ring,) independent Fourier pixels of each ring.
    """

    frequency: np.ndarray
    correlation: np.ndarray
    count: np.ndarray

    def curves(self) -> dict[str, np.ndarray]:
        """Everything by name, with both thresholds: what a result file keeps."""
        thresholds = {"half_bit": self.threshold(0.5), "one_bit": self.threshold(1.0)}
        return {**dataclasses.asdict(self), **thresholds}

    def metrics(self, pixel_size_m: float) -> dict[str, float]:
        """Half periods where the curve meets either threshold, in pixels and nanometres; 1.0 px is Nyquist."""
        half, one = self.half_period_px(0.5), self.half_period_px(1.0)
        nm = pixel_size_m * 1e9
        return {
            "frc_half_bit_px": half,
            "frc_half_bit_nm": half * nm,
            "frc_one_bit_px": one,
            "frc_one_bit_nm": one * nm,
        }

    def threshold(self, bits: float | int) -> np.ndarray:
        """Correlation (ring,) at which a ring carries this much information: 0.5 or 1 bit."""
        return bit_threshold(self.count, bits)

    def crossing(self, bits: float | int = 0.5) -> float:
        """First frequency, as fraction of Nyquist, at which the correlation falls below the threshold; 1.0 if never."""
        return first_crossing(self.frequency, self.correlation, self.threshold(bits))

    def half_period_px(self, bits: float | int = 0.5) -> float:
        """Finest resolved half period in pixels; 1.0 is Nyquist."""
        return 1.0 / self.crossing(bits)

    def full_period_px(self, bits: float | int = 0.5) -> float:
        """Finest resolved full period in pixels; 2.0 is Nyquist."""
        return 2.0 / self.crossing(bits)


def bit_threshold(count: Float[np.ndarray, " ring"], bits: float | int) -> Float[np.ndarray, " ring"]:
    """T(n) of the file's head."""
    s = (2.0**bits - 1.0) / 2.0
    n = np.maximum(count, 1.0)
    return (s + 2 * np.sqrt(s / n) + 1 / np.sqrt(n)) / (s + 1 + 2 * np.sqrt(s / n))


def first_crossing(
    frequency: Float[np.ndarray, " ring"],
    correlation: Float[np.ndarray, " ring"],
    threshold: Float[np.ndarray, " ring"],
    lowest: float | int = LOWEST,
) -> float:
    """Frequency where the correlation first falls below the threshold, by linear interpolation; 1.0 if it never does."""
    excess = correlation - threshold
    for k in np.flatnonzero((frequency >= lowest) & (excess < 0)):
        if k == 0 or frequency[k - 1] < lowest:
            return float(frequency[k])
        share = excess[k - 1] / (excess[k - 1] - excess[k])
        return float(frequency[k - 1] + share * (frequency[k] - frequency[k - 1]))
    return 1.0


def ring_numbers(shape: tuple[int, ...], thickness: float | int) -> tuple[np.ndarray, int]:
    """Ring that each Fourier pixel belongs to, and how many rings there are up to Nyquist.

    Frequencies are relative to Nyquist along each axis, so that a ring is the same length in an oblong box. Rings are
    `thickness` Fourier pixels of the longest axis wide; the corners beyond Nyquist belong to none.
    """
    axes = np.meshgrid(*(2 * np.fft.fftfreq(n) for n in shape), indexing="ij", sparse=True)
    radius = np.sqrt(sum(axis**2 for axis in axes))
    number = np.rint(radius * (max(shape) // 2) / thickness).astype(int)
    return number.ravel(), int(max(shape) // 2 / thickness) + 1


def ring_correlation(
    first: Inexact[np.ndarray, "*space"],
    second: Inexact[np.ndarray, "*space"],
    window: Float[np.ndarray, "*space"] | None = None,
    thickness: float | int = 1.0,
) -> RingCorrelation:
    """Correlation of two registered images or volumes (real or complex) through a window that is smooth at its edge.

    Without a window the whole array is taken, apodised by a raised cosine over an eighth of its shortest axis.
    The windowed mean is removed, or it would spill over from the central pixel.
    """
    if window is None:
        window = soft_edge(np.ones(first.shape, bool), width=min(first.shape) / 8)
    rings, size = ring_numbers(first.shape, thickness)
    weight = np.sum(window)

    def spectrum(image):
        return np.fft.fftn((image - np.sum(image * window) / weight) * window).ravel()

    def total(values):
        return np.bincount(rings, values, minlength=size)[:size]

    a, b = spectrum(first), spectrum(second)
    power = total(np.abs(a) ** 2) * total(np.abs(b) ** 2)
    correlation = total((a * b.conj()).real) / np.sqrt(np.maximum(power, np.finfo(float).tiny))
    independent = np.sum(window**2) ** 2 / (window.size * np.sum(window**4))
    frequency = np.arange(size) * thickness / (max(first.shape) // 2)
    return RingCorrelation(frequency, correlation, total(np.ones(rings.shape)) * independent)


def compare_halves(
    first: Complex[np.ndarray, "p q"],
    second: Complex[np.ndarray, "y x"],
    region: Bool[np.ndarray, "y x"],
    thickness: float | int = 2.0,
) -> RingCorrelation:
    """Ring correlation of two independent reconstructions of one object, inside what both of them saw.

    `first` is registered to `second` and its phase ramp and complex scale are removed; `region` is on the grid of `second`.
    """
    image = align(first, second, region).image
    box = bounding_box(region)
    inside = region[box]
    window = soft_edge(inside, width=np.sqrt(np.count_nonzero(inside)) / 8)
    return ring_correlation(image[box], second.astype(np.complex128)[box], window, thickness)
