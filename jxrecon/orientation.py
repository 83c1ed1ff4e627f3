"""Which way round the stage runs against the detector: short reconstructions with each possibility, told apart by their fit.

Positions may be swapped (x for y) and their signs turned, eight ways in all; turning the detector instead is the same eight.
In the near field a frame is a picture, and all eight differ. In the far field turning both signs at once gives the same
patterns from another specimen, the conjugate one turned by half a turn: four classes remain for the fit to tell apart.
Between the twins of a class matter decides: it retards (phase below that of air, waves exp(+ikz)) where it absorbs, so that
the logarithm of the modulus and the phase go up and down together.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np

from .analysis.registration import phase_slope, without_slope
from .evaluate import r_factors
from .halves import SomeFrames, lit
from .measurement import Measurement
from .parameters import Parameters
from .reconstruction import Reconstruction, prepare

CLEAR = 0.93  # the best R over the second: below this ratio the class counts as decided
TREND = 0.1  # correlation of log modulus and phase that tells the twins apart


@dataclasses.dataclass(frozen=True)
class Way:
    """Positions (y, x) are swapped first, then multiplied by `sign`."""

    swap: bool
    sign: tuple[int, int]

    def __call__(self, positions_px: np.ndarray) -> np.ndarray:
        return (positions_px[:, ::-1] if self.swap else positions_px) * np.array(self.sign)

    def after(self, swap: bool, sign: tuple[int, int]) -> "Way":
        """This way applied to positions that were swapped and signed already."""
        earlier = sign[::-1] if self.swap else sign
        return Way(self.swap != swap, (self.sign[0] * earlier[0], self.sign[1] * earlier[1]))

    def twin(self) -> "Way":
        return Way(self.swap, (-self.sign[0], -self.sign[1]))


@dataclasses.dataclass(frozen=True)
class Trial:
    """One way and how it went. trend: correlation of log modulus and phase of the object, positive for matter."""

    way: Way
    r_factor: float
    trend: float


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The chosen way, what the data decided, and all trials, best first."""

    way: Way
    class_decided: bool
    twin_decided: bool
    trials: tuple[Trial, ...]


def ways() -> list[Way]:
    """All eight, twins next to each other."""
    pairs = [(Way(swap, (1, sign)), Way(swap, (-1, -sign))) for swap in (False, True) for sign in (1, -1)]
    return [way for pair in pairs for way in pair]


def matter_trend(parameters: Parameters) -> float:
    """Correlation of log modulus and phase over the illuminated object, without the phase's ramp."""
    region = lit(parameters)
    image = np.asarray(parameters.objects()[0], np.complex128)
    field = without_slope(image, phase_slope(image, region))
    modulus = np.log(np.maximum(np.abs(field[region]), 1e-3))
    phase = np.angle(field[region] / np.exp(1j * np.angle(np.sum(field[region]))))
    if modulus.std() == 0 or phase.std() == 0:
        return 0.0
    return float(np.corrcoef(modulus, phase)[0, 1])


def middle_of_scan(measurement: Measurement, count: int) -> Measurement:
    """The `count` frames of the first view that are nearest to the middle of the scan."""
    frames = np.flatnonzero(measurement.view == measurement.view[0])
    middle = np.median(measurement.positions_px[frames], axis=0)
    near = np.argsort(np.max(np.abs(measurement.positions_px[frames] - middle), axis=1), kind="stable")
    index = np.sort(frames[near[:count]])
    return dataclasses.replace(
        measurement,
        frames=SomeFrames(measurement.frames, index),
        positions_px=measurement.positions_px[index],
        view=measurement.view[index],
    )


def trial(job: Reconstruction, way: Way, frames: int) -> Trial:
    """Reconstruct part of the scan one way."""

    def turned(measurement: Measurement) -> Measurement:
        part = middle_of_scan(measurement, frames)
        return dataclasses.replace(part, positions_px=way(part.positions_px))

    pieces = prepare(job, turned)
    parameters = pieces.parameters
    for state in pieces.fit():
        parameters = state.parameters
    fit = r_factors(pieces.objective, parameters, pieces.batches)
    return Trial(way, next(iter(fit.values()))["r_factor"], matter_trend(parameters))


def trials(job: Reconstruction, epochs: int, frames: int) -> Iterator[Trial]:
    """One trial after the other, so that the caller can show progress.

    In the far field both twins are tried as well: the first guess of the probe, which belongs to one of them, would spoil the
    other's fit and with it that of the class.
    """
    short = dataclasses.replace(job, epochs=epochs, halves=False)
    for way in ways():
        yield trial(short, way, frames)


def judge(tried: list[Trial], regime: Literal["far_field", "near_field"]) -> Verdict:
    """The best fit; in the far field, of its class the twin that is made of matter."""
    ranked = sorted(tried, key=lambda t: t.r_factor)
    best = ranked[0]
    if regime == "far_field":
        ranked = [t for i, t in enumerate(ranked) if t.way.twin() not in [u.way for u in ranked[:i]]]
    decided = len(ranked) == 1 or best.r_factor < CLEAR * ranked[1].r_factor
    if regime == "near_field":
        return Verdict(best.way, decided, True, tuple(ranked))
    way = best.way.twin() if best.trend < -TREND else best.way
    return Verdict(way, decided, abs(best.trend) >= TREND, tuple(ranked))


def advice(verdict: Verdict, swap: bool, sign: tuple[int, int]) -> str:
    """Overrides that make the reader read it this way, given how it swaps and signs now."""
    way = verdict.way.after(swap, sign)
    return f"data.preprocess.swap_xy={str(way.swap).lower()} data.preprocess.position_sign=[{way.sign[0]},{way.sign[1]}]"


def explain(verdict: Verdict, swap: bool, sign: tuple[int, int], show: Callable[[str], None] = print) -> None:
    """The trials as a table, the choice, and what stays undecided."""
    show("orientation of the scan against the detector:")
    for one in verdict.trials:
        way = "x and y swapped" if one.way.swap else "as read"
        signs = ", ".join(f"{axis} {'kept' if s > 0 else 'turned'}" for axis, s in zip("yx", one.way.sign))
        show(f"  R {one.r_factor:.4f}   {way}, {signs}")
    if verdict.class_decided:
        as_is = verdict.way == Way(False, (1, 1))
        show(
            "  right as it is read"
            if as_is
            else f"  the best is not how it is read; set {advice(verdict, swap, sign)}"
        )
    else:
        show("  undecided: the two best fits are too close; try more epochs, or a scan with more contrast")
    if not verdict.twin_decided:
        show(
            "  undecided: the specimen or its conjugate turned by half a turn (both position signs); absorption and phase "
            "do not go together clearly enough"
        )
