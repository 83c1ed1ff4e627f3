"""From what a file of powder patterns holds to `Patterns`, the same way for all formats.

Channels that are not finite were not measured. Negative intensities can be no counts: they are kept where the file gives
standard deviations or says that a background was subtracted, and then a constant is added to the whole set (metadata
`pedestal`), because `Patterns` marks with negative numbers what was not measured, and leaving out the negative half of the
noise would bias the rest. A constant costs nothing: every model has a background. A standard deviation of zero says that a
channel is known exactly, which only a count of zero comes near: N = 0 gets the variance of one count.
"""

import dataclasses
import logging
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Shaped

from ..errors import InputError
from ..patterns import Patterns
from .radial_axis import two_theta
from .wavelengths import check_energy, check_wavelength

_log = logging.getLogger(__name__)
LOWEST_DEG, HIGHEST_DEG = -10.0, 180.0
EXACT = 1e-4  # of the variance, within which it is proportional to the intensity; files write few digits


@dataclasses.dataclass(frozen=True)
class RawPatterns:
    """What a file holds, before any check.

    counts, variance (view, v, u, channel), axis (channel,) in `unit` (see `radial_axis`). angle_deg None: all zero; monitor None:
    all one. wavelength_said: how the file says it, where no number could be made of it. negative_is_masked: as in `Patterns`.
    subtracted: the file says that a background was subtracted. place: where a channel stands in the file, for messages.
    """

    counts: Shaped[np.ndarray, "view v u channel"]
    axis: Float[np.ndarray, " channel"]
    unit: str = "deg"
    variance: Float[np.ndarray, "view v u channel"] | None = None
    wavelength_m: float | None = None
    wavelength_said: str = ""
    angle_deg: Float[np.ndarray, " view"] | None = None
    monitor: Float[np.ndarray, "view v u"] | None = None
    step_m: tuple[float, float] | None = None
    negative_is_masked: bool = False
    subtracted: bool = False
    place: Callable[[int], str] = "channel {}".format
    source: str = ""
    metadata: dict = dataclasses.field(default_factory=dict)


def finish(raw: RawPatterns, wavelength_m: float | None, energy_keV: float | None) -> Patterns:
    """The checked patterns; a wavelength or an energy of the user's goes over that of the file."""
    if 0 in raw.counts.shape:
        raise InputError(f"{raw.source}: holds no pattern (shape {raw.counts.shape}).")
    wavelength = choose_wavelength(raw, wavelength_m, energy_keV)
    raw, angles = _ascending(raw, two_theta(raw.axis, raw.unit, wavelength, raw.source))
    counts, measured = _finite(raw)
    variance = None if raw.variance is None else _variance(raw, counts, measured)
    more: dict = {"whole_counts": bool(np.all(counts[measured] == np.round(counts[measured])))}
    if not raw.negative_is_masked and (counts[measured] < 0).any():
        more["pedestal"] = _pedestal(raw, counts, measured)
        counts += counts.dtype.type(more["pedestal"])
    elif variance is not None:
        variance, more = _poisson(counts, variance, measured), more | _scale(counts, variance, measured)
    counts[~measured] = -1
    if variance is not None:
        variance[~measured] = 1
    views, *rays, _ = raw.counts.shape
    try:
        return Patterns(
            counts=counts,
            two_theta_deg=angles,
            wavelength_m=wavelength,
            angle_deg=np.zeros(views) if raw.angle_deg is None else np.asarray(raw.angle_deg, np.float64),
            monitor=_monitor(raw, (views, *rays)),
            variance=variance,
            step_m=raw.step_m,
            source=raw.source,
            metadata=raw.metadata | more,
        )
    except ValueError as error:
        raise InputError(str(error)) from None


def choose_wavelength(raw: RawPatterns, wavelength_m: float | None, energy_keV: float | None) -> float:
    """The user's, else the file's; one line where there is neither."""
    given = None if wavelength_m is None else check_wavelength(wavelength_m, "`wavelength_m`")
    if energy_keV is not None:
        of_energy = check_energy(energy_keV, "`energy_keV`")
        if given is not None and abs(of_energy / given - 1) > 1e-4:
            raise InputError(
                f"`wavelength_m` is {given:g} m, but `energy_keV` {energy_keV:g} keV means {of_energy:.6g} m; give one."
            )
        given = of_energy if given is None else given
    if raw.wavelength_m is None and given is None:
        said = f"; it says `{raw.wavelength_said}`, without a unit" if raw.wavelength_said else ""
        raise InputError(
            f"{raw.source}: the file does not say its wavelength{said}; give `wavelength_m` (metres) or `energy_keV`."
        )
    if raw.wavelength_m is None:
        assert given is not None
        return given
    if given is None:
        return check_wavelength(raw.wavelength_m, raw.source)
    if abs(given / raw.wavelength_m - 1) > 1e-4:
        _log.warning("%s: says %g m; taken is %g m, as given.", raw.source, raw.wavelength_m, given)
    return given


def _ascending(raw: RawPatterns, angles: np.ndarray) -> tuple[RawPatterns, np.ndarray]:
    """Everything in the order of growing 2 theta; a file may run downwards, but not to and fro."""
    bad = ~np.isfinite(angles)
    if bad.any():
        raise InputError(f"{raw.source}: {raw.place(int(np.argmax(bad)))}: 2 theta is not finite.")
    if len(angles) < 2:
        raise InputError(f"{raw.source}: holds {len(angles)} channel; expected a pattern.")
    steps = np.diff(angles)
    downwards = bool((steps < 0).sum() > (steps > 0).sum())
    wrong = steps >= 0 if downwards else steps <= 0
    if wrong.any():
        k = int(np.argmax(wrong)) + 1
        raise InputError(
            f"{raw.source}: {raw.place(k)}: 2 theta is {angles[k]:.9g} degrees after {angles[k - 1]:.9g}, while the other "
            f"channels {'fall' if downwards else 'rise'}; expected one order throughout."
        )
    if not LOWEST_DEG < min(angles[0], angles[-1]) < max(angles[0], angles[-1]) < HIGHEST_DEG:
        hint = "; it looks like centidegrees (`unit: centideg`)" if 180 < max(angles) <= 18000 else ""
        raise InputError(
            f"{raw.source}: 2 theta runs from {angles.min():g} to {angles.max():g} degrees; expected {LOWEST_DEG:g} to "
            f"{HIGHEST_DEG:g}{hint}."
        )
    if not downwards:
        return raw, angles
    variance = None if raw.variance is None else raw.variance[..., ::-1]
    last = len(angles) - 1
    turned = {"counts": raw.counts[..., ::-1], "variance": variance, "place": lambda k: raw.place(last - k)}
    return dataclasses.replace(raw, **turned), angles[::-1].copy()


def _finite(raw: RawPatterns) -> tuple[np.ndarray, np.ndarray]:
    """(counts as a new array in floating point, which channels were measured)."""
    if raw.counts.dtype.kind not in "fiub":
        raise InputError(f"{raw.source}: holds {raw.counts.dtype}; expected real numbers.")
    exact = raw.counts.dtype.kind in "iub" and np.max(np.abs(raw.counts.astype(np.float64))) < 2**24
    narrow = exact or raw.counts.dtype in (np.dtype(np.float16), np.dtype(np.float32))
    counts = np.array(raw.counts, np.float32 if narrow else np.float64, order="C")
    measured = np.isfinite(counts)
    if raw.variance is not None:
        measured &= ~np.isnan(raw.variance)
    if raw.negative_is_masked:
        measured &= counts >= 0
    if not measured.any():
        raise InputError(f"{raw.source}: none of {counts.size} channels was measured (NaN or masked).")
    counts[~measured] = 0
    return counts, measured


def _where(raw: RawPatterns, bad: np.ndarray) -> str:
    """How many of the channels, and which is the first."""
    *ray, channel = (int(n) for n in np.unravel_index(int(np.argmax(bad)), bad.shape))
    pattern = f" of pattern {tuple(ray)}" if bad.shape[:-1] != (1, 1, 1) else ""
    return f"{int(bad.sum())} of {bad.size} channels, first in {raw.place(channel)}{pattern}"


def _variance(raw: RawPatterns, counts: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """The file's variances, where they can be ones; zero only where nothing was counted."""
    variance = np.array(raw.variance, counts.dtype, order="C")
    wrong = measured & ~(np.isfinite(variance) & (variance >= 0))
    if wrong.any():
        raise InputError(f"{raw.source}: a variance that is negative or infinite in {_where(raw, wrong)}.")
    zero = measured & (variance == 0)
    wrong = zero & (counts != 0)
    if wrong.any() or not (variance[measured] > 0).any():
        raise InputError(
            f"{raw.source}: a standard deviation of zero in {_where(raw, wrong if wrong.any() else zero)}; expected a positive "
            "one (NaN where nothing was measured), or no column of deviations."
        )
    return variance


def _ratio(counts: np.ndarray, variance: np.ndarray, measured: np.ndarray) -> float | None:
    """variance / counts where all channels share it: the intensity of one count."""
    some = measured & (counts > 0) & (variance > 0)
    ratio = variance[some].astype(np.float64) / counts[some] if some.any() else np.zeros(0)
    middle = float(np.median(ratio)) if some.any() else 0.0
    return middle if middle > 0 and np.all(np.abs(ratio / middle - 1) < EXACT) else None


def _poisson(counts: np.ndarray, variance: np.ndarray, measured: np.ndarray) -> np.ndarray | None:
    """None where the variance is the count itself; zeros filled with the variance of one count."""
    ratio = _ratio(counts, variance, measured)
    if ratio is not None and abs(ratio - 1) < EXACT:
        return None
    positive = variance[measured & (variance > 0)]
    floor = ratio**2 if ratio is not None else float(positive.min())
    variance[measured & (variance == 0)] = floor
    return variance


def _scale(counts: np.ndarray, variance: np.ndarray, measured: np.ndarray) -> dict:
    """`counts_per_unit`: times this, intensities are counts with Poisson's statistics; nothing where no factor makes them so."""
    ratio = _ratio(counts, variance, measured)
    return {} if ratio is None else {"counts_per_unit": 1 / ratio}


def _pedestal(raw: RawPatterns, counts: np.ndarray, measured: np.ndarray) -> float:
    """What is added so that no intensity is negative."""
    bad = measured & (counts < 0)
    if raw.variance is None and not raw.subtracted:
        raise InputError(
            f"{raw.source}: negative counts in {_where(raw, bad)} (lowest {counts[bad].min():g}); counts cannot be negative. "
            "Give standard deviations if a background was subtracted, or NaN where nothing was measured."
        )
    lowest = float(counts[bad].min())
    pedestal = float(np.ceil(-lowest)) if -lowest >= 1 else -lowest
    _log.warning(
        "%s: negative intensities in %s; %g was added to all, for the model's background to take up.",
        raw.source,
        _where(raw, bad),
        pedestal,
    )
    return pedestal


def _monitor(raw: RawPatterns, shape: tuple[int, ...]) -> np.ndarray:
    """(view, v, u), 1 on average."""
    if raw.monitor is None:
        return np.ones(shape)
    monitor = np.asarray(raw.monitor, np.float64)
    bad = ~(np.isfinite(monitor) & (monitor > 0))
    if bad.any():
        raise InputError(
            f"{raw.source}: the monitor is not positive for {int(bad.sum())} of {bad.size} patterns, first for "
            f"{tuple(int(n) for n in np.argwhere(bad)[0])}."
        )
    return monitor / monitor.mean()
