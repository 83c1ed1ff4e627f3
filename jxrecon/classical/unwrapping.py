"""Phase without the jumps of 2 pi, and what it says of the particle: line integrals of its density.

The phase of T is known modulo 2 pi. Neighbours that differ by less than pi tell their difference; from the most reliable
neighbours on, all lit pixels of a view are joined (Herraez et al., Appl. Opt. 41, 7437, 2002, doi 10.1364/AO.41.007437). Air is
the zero. Where the true phase steps by more than pi, as at the edge of a strong particle on coarse pixels, neighbours mislead:
the sum of the wrapped differences around four pixels is then not zero (a residue), and every cut that the joining left shows as
a jump. Both are counted. A prediction of the phase, from a first volume, needs no neighbours:

    phi = phi_predicted + arg( T exp(-i phi_predicted) )        right where the prediction is to pi.

Matter has negative phase, phi = -c int n dl with c = r_e lambda f1 / Z: 0.482 rad per micrometre and electron per cubic angstrom
for a lithium-rich NMC at 7 keV. `line_integrals` is positive for matter, in units of density x pixel when c is for one pixel.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Complex, Float
from scipy import ndimage
from skimage.restoration import unwrap_phase

from .views import each_view, lit_pixels


@dataclasses.dataclass(frozen=True)
class Unwrapped:
    """phase (view, v, u) in rad, zero in air and where nothing was lit, with what casts doubt on it for each view.

    residues (view,): squares of four lit pixels whose wrapped differences do not sum to zero; jumps (view,): neighbours that
    still differ by more than pi.
    """

    phase: np.ndarray
    residues: np.ndarray
    jumps: np.ndarray


def wrapped(phase: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """The same phase between -pi and pi."""
    return np.angle(np.exp(1j * phase))


def unwrapped(
    flat: Complex[np.ndarray, "view v u"],
    weight: Float[np.ndarray, "..."] | Bool[np.ndarray, "..."],
    air: Bool[np.ndarray, "view v u"] | None = None,
) -> Unwrapped:
    """The phase of projections that are 1 in air; `air` as the ramps found it, else the rim of the lit region tells the zero."""
    lit = lit_pixels(each_view(weight, flat.shape)) & np.isfinite(flat)
    phase = np.zeros(flat.shape)
    for j, (image, mask) in enumerate(zip(np.angle(flat), lit)):
        if mask.any():
            joined = np.asarray(unwrap_phase(np.ma.array(image, mask=~mask), rng=0))
            phase[j] = _referred(joined, mask, None if air is None else air[j])
    return Unwrapped(phase, residues(np.angle(flat), lit), jumps(phase, lit))


def _referred(
    phase: Float[np.ndarray, "v u"], lit: Bool[np.ndarray, "v u"], air: Bool[np.ndarray, "v u"] | None
) -> Float[np.ndarray, "v u"]:
    """With the multiple of 2 pi, one for each connected piece, that brings its air, or its rim, to zero."""
    depth = np.asarray(ndimage.distance_transform_cdt(np.pad(lit, 1)))[1:-1, 1:-1]
    rim = lit & (depth <= 2)
    pieces = np.asarray(ndimage.label(lit)[0])  # pyright: ignore[reportIndexIssue]
    result = np.zeros_like(phase)
    for label in range(1, pieces.max() + 1):
        piece = pieces == label
        known = piece & (rim if air is None else air)
        zero = np.median(phase[known if known.any() else piece & rim])
        result[piece] = phase[piece] - 2 * np.pi * np.round(zero / (2 * np.pi))
    return result


def unwrapped_towards(
    flat: Complex[np.ndarray, "view v u"],
    predicted: Float[np.ndarray, "view v u"],
    weight: Float[np.ndarray, "..."] | Bool[np.ndarray, "..."],
) -> Unwrapped:
    """The phase nearest to a predicted one (rad, negative for matter)."""
    lit = lit_pixels(each_view(weight, flat.shape)) & np.isfinite(flat)
    phase = np.where(lit, predicted + np.angle(np.where(lit, flat, 1) * np.exp(-1j * predicted)), 0)
    return Unwrapped(phase, residues(np.angle(flat), lit), jumps(phase, lit))


def residues(phase: Float[np.ndarray, "view v u"], lit: Bool[np.ndarray, "view v u"]) -> np.ndarray:
    """Number of squares of four lit pixels, in each view, around which the wrapped differences sum to 2 pi or -2 pi."""
    down, right = wrapped(np.diff(phase, axis=1)), wrapped(np.diff(phase, axis=2))
    around = right[:, :-1] + down[:, :, 1:] - right[:, 1:] - down[:, :, :-1]
    whole = lit[:, :-1, :-1] & lit[:, 1:, :-1] & lit[:, :-1, 1:] & lit[:, 1:, 1:]
    return np.count_nonzero((np.abs(around) > np.pi) & whole, axis=(1, 2))


def jumps(phase: Float[np.ndarray, "view v u"], lit: Bool[np.ndarray, "view v u"]) -> np.ndarray:
    """Number of pairs of lit neighbours, in each view, that differ by more than pi."""
    total = np.zeros(len(phase), int)
    for axis in (1, 2):
        first, second = (np.take(lit, np.arange(s, lit.shape[axis] - 1 + s), axis=axis) for s in (0, 1))
        total += np.count_nonzero((np.abs(np.diff(phase, axis=axis)) > np.pi) & first & second, axis=(1, 2))
    return total


def line_integrals(
    phase: Float[np.ndarray, "view v u"], phase_per_density: float
) -> Float[np.ndarray, "view v u"]:
    """int n dl = -phi / c in density x pixel; `phase_per_density` is c for one pixel: rad per (e/A^3 and pixel)."""
    if not phase_per_density > 0:
        raise ValueError(f"`phase_per_density` is {phase_per_density!r}; expected a positive number.")
    return -phase / phase_per_density
