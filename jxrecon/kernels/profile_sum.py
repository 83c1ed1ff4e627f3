"""A diffraction pattern in every voxel: a sum of pseudo-Voigt peaks, each over the channels around it, with its derivatives.

    y(x) = sum_k area_k / w_k S(u_k),       u_k = (x - x_k - offset_k) / w_k,       S(u) = m L(u) + (1 - m) G(u)
    L(u) = 2 / pi / (1 + 4 u^2),            G(u) = 2 sqrt(ln 2 / pi) exp(-4 ln 2 u^2)

of unit area and equal full width w at half maximum; m is the Lorentzian's share. x_k is the reference centre of a peak: channels
are held relative to it, so that single precision keeps the digits of a small offset. Angles in degrees of 2 theta.

With T(u) = -S'(u) / u and the sums over a peak's channels weighted by the cotangent c of y, <f> = sum_x c f, the gradient is

    d/d area = <S> / w      d/d offset = area / w^2 <u T>      d/d m = area / w <L - G>      d/d w = area / w^2 <u^2 T - S>

Nothing of the size voxel x channel x peak is ever kept. The channels are cut where a window begins or ends: between two cuts a
fixed set of peaks is summed and written once. On the way back all sums of a peak are taken in one sweep over its channels, LANES
of them side by side, as a processor's vectors want it. For 4096 voxels, 512 channels and 10 peaks of 100 channels, value and
gradient take less than 1/30 of the time of the reference on two cores, 10 ms, as does a tangent 1/15.

Forward mode, reverse mode, `vmap` and second derivatives all work. The rule for tangents is stated as the solution of

    [ 1  0 ] [ t ]   [ t ]
    [-J  1 ] [ y ] = [ 0 ]

because JAX transposes a solution by the solution that it is given for the transpose (`custom_linear_solve`), here J^T c as above.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

LANES = 16
GAUSSIAN = 2 * float(np.sqrt(np.log(2) / np.pi))
STEEPNESS = 4 * float(np.log(2))
LORENTZIAN = 2 / float(np.pi)

Peaks = Float[Array, "*voxel peak"]
Pattern = Float[Array, "*voxel channel"]


class Windows(eqx.Module):
    """Which channels a peak reaches, and how far they are from its reference centre; constants of a compiled program."""

    two_theta_deg: tuple[float, ...] = eqx.field(static=True)
    reference_deg: tuple[float, ...] = eqx.field(static=True)
    first: tuple[int, ...] = eqx.field(static=True)
    stop: tuple[int, ...] = eqx.field(static=True)

    @property
    def channels(self) -> int:
        return len(self.two_theta_deg)

    def distance_deg(self, peak: int, first: int, stop: int) -> Float[np.ndarray, " channel"]:
        """Of the channels from `first` to `stop` to the reference centre of the peak."""
        return np.asarray(self.two_theta_deg[first:stop]) - self.reference_deg[peak]


def windows_around(
    two_theta_deg: Float[np.ndarray, " channel"],
    reference_deg: Float[np.ndarray, " peak"],
    half_width_deg: float | int | Float[np.ndarray, " peak"],
) -> Windows:
    """Windows that reach at least `half_width_deg` to both sides of the reference centres.

    They begin and end at multiples of LANES. Ten times the FWHM to both sides leaves out 3 % of a Lorentzian's area. A peak that
    does not reach the channels has an empty window.
    """
    two_theta, reference = np.asarray(two_theta_deg, float), np.asarray(reference_deg, float)
    if np.any(np.diff(two_theta) <= 0):
        raise ValueError(
            "`two_theta_deg` does not increase from channel to channel; sort the patterns first."
        )
    half = np.broadcast_to(np.asarray(half_width_deg, float), reference.shape)
    if not np.all(half > 0):
        raise ValueError(f"`half_width_deg` is {half_width_deg}; expected widths above zero.")
    first = np.searchsorted(two_theta, reference - half)
    stop = np.searchsorted(two_theta, reference + half, side="right")
    empty = stop <= first
    first = np.where(empty, 0, first // LANES * LANES)
    stop = np.where(empty, 0, np.minimum(-(-stop // LANES) * LANES, two_theta.size))
    lists = (tuple(values.tolist()) for values in (two_theta, reference, first, stop))
    return Windows(*lists)


def _lorentzian_and_gaussian(u):
    return LORENTZIAN / (1 + 4 * u**2), GAUSSIAN * jnp.exp(-STEEPNESS * u**2)


def pseudo_voigt(
    distance: Float[Array, "*#shape"], width: Float[Array, "*#shape"], mixing: Float[Array, "*#shape"]
) -> Float[Array, "*#shape"]:
    """S(u) / w of the file's head, at some distance from the centre."""
    lorentzian, gaussian = _lorentzian_and_gaussian(distance / width)
    return (mixing * lorentzian + (1 - mixing) * gaussian) / width


def _parts(distance, offset, width, mixing):
    """u, L, G and T of the file's head."""
    u = (distance - offset) / width
    lorentzian, gaussian = _lorentzian_and_gaussian(u)
    slope = mixing * (8 / LORENTZIAN) * lorentzian**2 + (1 - mixing) * (2 * STEEPNESS) * gaussian
    return u, lorentzian, gaussian, slope


def _added(patterns, windows: Windows, peak_between):
    """`patterns` and, on top, `peak_between(peak, first, stop)` of all peaks; (voxel, channel)."""
    cuts = sorted({0, windows.channels, *windows.first, *windows.stop})
    pieces = []
    for first, stop in zip(cuts, cuts[1:]):
        piece = patterns[..., first:stop]
        for k, (begin, end) in enumerate(zip(windows.first, windows.stop)):
            if begin <= first and stop <= end:
                piece = piece + peak_between(k, first, stop)
        pieces.append(piece)
    return jnp.concatenate(pieces, axis=-1)


def _value(windows: Windows, peaks):
    def peak_between(k, first, stop):
        offset, width, mixing, area = (p[..., k, None] for p in peaks)
        x = jnp.asarray(windows.distance_deg(k, first, stop), area.dtype)
        return area * pseudo_voigt(x - offset, width, mixing)

    nothing = jnp.zeros((*peaks[0].shape[:-1], windows.channels), peaks[0].dtype)
    return _added(nothing, windows, peak_between)


def _pushed(windows: Windows, peaks, tangents, patterns):
    """J t on top of patterns."""

    def peak_between(k, first, stop):
        offset, width, mixing, area = (p[..., k, None] for p in peaks)
        d_offset, d_width, d_mixing, d_area = (t[..., k, None] for t in tangents)
        x = jnp.asarray(windows.distance_deg(k, first, stop), area.dtype)
        u, lorentzian, gaussian, slope = _parts(x, offset, width, mixing)
        shape = mixing * lorentzian + (1 - mixing) * gaussian
        moved = u * slope * d_offset + (u**2 * slope - shape) * d_width
        return (shape * d_area + area * ((lorentzian - gaussian) * d_mixing + moved / width)) / width

    return _added(patterns, windows, peak_between)


def _peak_sums(x, cotangent, offset, width, mixing):
    """<L>, <G>, <u T>, <u^2 T> of one peak, for (voxel,) parameters."""
    lanes = min(LANES, x.size)
    missing = -x.size % lanes
    x = jnp.asarray(np.pad(x, (0, missing)).reshape(-1, lanes), cotangent.dtype)
    c = jnp.pad(cotangent, [(0, 0)] * (cotangent.ndim - 1) + [(0, missing)])
    c = c.reshape(*cotangent.shape[:-1], *x.shape)
    u, lorentzian, gaussian, slope = _parts(x, *(p[..., None, None] for p in (offset, width, mixing)))
    terms = (c * lorentzian, c * gaussian, c * u * slope, c * u**2 * slope)
    zeros = (np.zeros((), c.dtype),) * 4
    sums = jax.lax.reduce(terms, zeros, lambda a, b: tuple(i + j for i, j in zip(a, b)), (c.ndim - 2,))
    return [jnp.sum(s, axis=-1) for s in sums]


def _pulled(windows: Windows, peaks, cotangent):
    """J^T c."""
    offset, width, mixing, area = peaks
    sums = []
    for k, (first, stop) in enumerate(zip(windows.first, windows.stop)):
        if first == stop:
            sums.append([jnp.zeros_like(area[..., k])] * 4)
            continue
        parameters = (p[..., k] for p in (offset, width, mixing))
        sums.append(_peak_sums(windows.distance_deg(k, first, stop), cotangent[..., first:stop], *parameters))
    lorentzian, gaussian, by_offset, by_width = (jnp.stack(s, axis=-1) for s in zip(*sums))
    shape = mixing * lorentzian + (1 - mixing) * gaussian
    rate = area / width
    return (
        rate / width * by_offset,
        rate / width * (by_width - shape),
        rate * (lorentzian - gaussian),
        shape / width,
    )


def _tangent(windows: Windows, peaks, tangents):
    """J t, whose transpose JAX takes to be `_pulled`: a triangular system and its solutions."""

    # XLA would find what value and tangent have in common, and keep all of it.
    peaks = jax.lax.optimization_barrier(peaks)

    def left_side(unknowns):
        t, y = unknowns
        return t, y - _pushed(windows, peaks, t, jnp.zeros_like(y))

    def solution(_, right_side):
        t, y = right_side
        return t, _pushed(windows, peaks, t, y)

    def solution_of_transpose(_, right_side):
        t, y = right_side
        return tuple(a + b for a, b in zip(t, _pulled(windows, peaks, y))), y

    def nothing(size):
        """Zeros that JAX takes to depend on all tangents, as it asks of every part of a right side that is transposed."""
        empty = (t[..., :0] for t in tangents)
        return sum(jnp.pad(t, [(0, 0)] * (t.ndim - 1) + [(0, size)]) for t in empty)

    linked = tuple(t + nothing(t.shape[-1]) for t in tangents), nothing(windows.channels)
    return jax.lax.custom_linear_solve(left_side, linked, solution, solution_of_transpose)[1]


def profile_sum_reference(
    offset: Peaks, width: Peaks, mixing: Peaks, area: Peaks, *, windows: Windows
) -> Pattern:
    """As `profile_sum`, all peaks in all channels at once, to be differentiated automatically."""
    channel = np.arange(windows.channels)
    inside = (channel >= np.asarray(windows.first)[:, None]) & (channel < np.asarray(windows.stop)[:, None])
    distance = np.asarray(windows.two_theta_deg) - np.asarray(windows.reference_deg)[:, None]
    x = jnp.asarray(distance, area.dtype) - offset[..., None]
    peaks = area[..., None] * pseudo_voigt(x, width[..., None], mixing[..., None])
    return jnp.sum(jnp.where(inside, peaks, 0), axis=-2)


def profile_sum(offset: Peaks, width: Peaks, mixing: Peaks, area: Peaks, *, windows: Windows) -> Pattern:
    """Patterns of peaks at `offset` from their reference centres, `width` wide (FWHM), of `mixing` Lorentzian share."""

    @jax.custom_jvp
    def function(*peaks):
        return _value(windows, peaks)

    function.defjvp(lambda peaks, tangents: (_value(windows, peaks), _tangent(windows, peaks, tangents)))
    return function(offset, width, mixing, area)
