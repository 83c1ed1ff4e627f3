"""What a set of voxels is like without looking at single pores: two-point correlation, chord lengths, Euler number.

    S2(r) = P(x and x + r are pore | both are inside) = sum u u(+r) / sum m m(+r)      averaged over directions

with u the pores (or their shares) and m what counts as inside, by FFT, the volume padded by the longest lag: S2(0) is the
porosity, and far away, where nothing is correlated, its square. Chords are the runs of pore along lines of the grid; a line
sees long ones more often, so that their mean length is 4 V / S for a body of volume V and surface S that random lines meet.
The Euler number counts bodies and their cavities, less their tunnels.

Torquato, Random Heterogeneous Materials (2002), doi 10.1007/978-1-4757-6355-3.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int, Real, Shaped
from scipy import fft
from skimage.measure import euler_number

from ..errors import InputError


@dataclasses.dataclass(frozen=True)
class TwoPoint:
    """distance: mean lag of each bin, in voxels; probability: S2; pairs: how many pairs of voxels it stands on."""

    distance: Float[np.ndarray, " bin"]
    probability: Float[np.ndarray, " bin"]
    pairs: Float[np.ndarray, " bin"]


def _correlated(values: np.ndarray, size: list[int], longest: int) -> Float[np.ndarray, "dz dy dx"]:
    """sum of values(x) values(x + r) for lags r of -longest to longest along each axis, 0 in the middle."""
    axes = tuple(range(values.ndim))
    spectrum = np.asarray(fft.rfftn(values, size, axes=axes, workers=-1))
    power = spectrum.real**2 + spectrum.imag**2
    whole = np.asarray(fft.irfftn(power, size, axes=axes, workers=-1))
    lags = np.arange(-longest, longest + 1)
    return whole[np.ix_(*(lags % n for n in size))]


def two_point_correlation(
    share: Shaped[np.ndarray, "z y x"],
    inside: Bool[np.ndarray, "z y x"] | None = None,
    longest: int | None = None,
    edges: Real[np.ndarray, " edge"] | None = None,
) -> TwoPoint:
    """Of pores or of shares of pore, both ends of a pair within `inside` (by default the whole volume).

    longest: lag in voxels, by default half of the shortest side. edges: of the bins of |r|, by default one for each whole number.
    """
    inside = np.ones(share.shape, bool) if inside is None else inside
    if not inside.any():
        raise InputError("no voxel is inside; expected where pores could be.")
    values = np.where(inside, share, 0).astype(np.float32)
    if not np.isfinite(values).all():
        raise InputError("some shares of pore are no numbers; expected 0 to 1.")
    reach = min(share.shape) // 2 if longest is None else longest
    edges = np.arange(reach + 2) - 0.5 if edges is None else edges
    size = [int(fft.next_fast_len(n + reach, real=True) or n + reach) for n in share.shape]
    lag = np.arange(-reach, reach + 1, dtype=np.float32)
    apart = np.sqrt(lag[:, None, None] ** 2 + lag[:, None] ** 2 + lag**2).ravel()
    number = np.digitize(apart, edges) - 1
    there = (number >= 0) & (number < len(edges) - 1) & (apart <= reach)

    def binned(weights: np.ndarray) -> np.ndarray:
        return np.bincount(number[there], weights.ravel()[there], len(edges) - 1)

    pairs, found = _correlated(inside.astype(np.float32), size, reach), _correlated(values, size, reach)
    total = np.maximum(binned(pairs), 1e-9)
    return TwoPoint(binned(apart * pairs.ravel()) / total, binned(found) / total, total)


def chord_lengths(
    pore: Bool[np.ndarray, "z y x"], axis: int, whole: bool = False
) -> Int[np.ndarray, " chord"]:
    """Lengths in voxels of all runs of pore along one axis; `whole`: only those that end within the volume."""
    lines = np.moveaxis(pore, axis, -1).reshape(-1, pore.shape[axis])
    step = np.diff(np.pad(lines, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    first, last = np.argwhere(step == 1), np.argwhere(step == -1)
    length = last[:, 1] - first[:, 1]
    ends = (first[:, 1] > 0) & (last[:, 1] < lines.shape[1])
    return length[ends] if whole else length


def mean_chord(pore: Bool[np.ndarray, "z y x"], whole: bool = False) -> float:
    """Mean over the chords of all three axes, in voxels; nan where there is none."""
    lengths = np.concatenate([chord_lengths(pore, axis, whole) for axis in range(3)])
    return float(lengths.mean()) if lengths.size else np.nan


def euler(pore: Bool[np.ndarray, "z y x"], corners: bool = True) -> int:
    """Bodies + cavities - tunnels of the pores; voxels that share a corner hang together, or faces alone count."""
    return int(euler_number(pore, connectivity=3 if corners else 1))
