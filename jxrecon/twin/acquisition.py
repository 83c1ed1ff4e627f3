"""How a tilt series goes: the order of its angles, and what goes wrong between the nominal and the true state of each view.

Every cause draws from a stream of random numbers of its own, and views from streams of their own where they draw many, so that
switching one on, or leaving views out, changes nothing else. Slow changes follow the order in which the views are taken.
"""

import dataclasses
from typing import Literal

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int

from .ptychography import shot_intensities
from .scan import GOLDEN_ANGLE, AbstractScan

# What each stream is for; the place in the list is part of its seed, so that new ones go to the end.
STREAMS = ("order", "scan", "shift", "angle", "jitter", "drift", "defocus", "flux", "detector", "noise")
GOLDEN_RATIO = (1 + np.sqrt(5)) / 2


def stream(seed: int, name: str, *view: int) -> np.random.Generator:
    """Random numbers for one purpose, or for one purpose in one view."""
    return np.random.default_rng([seed, STREAMS.index(name), *view])


class TiltAngles(eqx.Module):
    """Rotation angles in the order in which they are taken.

    count           of a complete series
    range_deg       equal: i range / count; golden: the multiples of range / golden ratio, modulo range; random: equal, shuffled
    missing_wedge_deg   width of a wedge about range / 2 in which no view is taken (a holder in the way)
    missing         numbers of views that were lost
    """

    count: int = 60
    range_deg: float = 180.0
    order: Literal["equal", "golden", "random"] = "equal"
    missing_wedge_deg: float = 0.0
    missing: tuple[int, ...] = ()

    def __check_init__(self):
        if self.count < 1 or not 0 < self.range_deg <= 360:
            raise ValueError(
                f"`count` is {self.count!r} and `range_deg` {self.range_deg!r}; expected 1 or more and up to 360 degrees."
            )

    def degrees(self, seed: int) -> Float[np.ndarray, " view"]:
        """All angles of the complete series."""
        number = np.arange(self.count)
        if self.order == "golden":
            return (number * self.range_deg / GOLDEN_RATIO) % self.range_deg
        equal = number * self.range_deg / self.count
        return stream(seed, "order").permutation(equal) if self.order == "random" else equal

    def kept(self, degrees: Float[np.ndarray, " view"]) -> Int[np.ndarray, " kept"]:
        """Numbers of the views that are there."""
        free = np.abs(degrees - self.range_deg / 2) >= self.missing_wedge_deg / 2
        free[[m for m in self.missing if m < len(free)]] = False
        return np.flatnonzero(free)


class Nuisances(eqx.Module):
    """What goes wrong besides the counting of photons; every number is 0, nothing, at its default.

    projection_shift    rms along v and u of the specimen's movement between views, object pixels
    axis_offset         distance along u of the axis of rotation from where it is said to be, object pixels
    angle_error         rms of true minus nominal angles, degrees
    position_jitter     rms along y and x of true minus nominal positions, object pixels
    probe_drift         rms along y and x of a slow movement of the beam over the series, object pixels
    defocus_drift       rms of a slow change of the beam's defocus over the series, relative
    flux_fluctuation    rms of the shots' intensities, relative
    """

    projection_shift: float = 0.0
    axis_offset: float = 0.0
    angle_error: float = 0.0
    position_jitter: float = 0.0
    probe_drift: float = 0.0
    defocus_drift: float = 0.0
    flux_fluctuation: float = 0.0


@dataclasses.dataclass(frozen=True)
class Acquisition:
    """Nominal and true state of the views that were taken, in their order.

    number: of each view in the complete series. positions: object pixels from the nominal axis of rotation; true ones include
    jitter and drift. shift: (v, u) by which the specimen's image lies farther than the nominal axis says, offset included.
    defocus: factor of the beam's defocus.
    """

    number: Int[np.ndarray, " view"]
    nominal_deg: Float[np.ndarray, " view"]
    true_deg: Float[np.ndarray, " view"]
    nominal: Float[np.ndarray, "view scan 2"]
    true: Float[np.ndarray, "view scan 2"]
    shift: Float[np.ndarray, "view 2"]
    flux: Float[np.ndarray, "view scan"]
    defocus: Float[np.ndarray, " view"]


def slow_walk(rng: np.random.Generator, count: int, components: int) -> Float[np.ndarray, "count components"]:
    """Smooth curves of zero mean and unit rms: three cosines, of half a period, one and one and a half."""
    order = np.arange(1, 4)
    waves = np.cos(np.pi * order * (np.arange(count)[:, None] + 0.5) / count) / order
    walk = waves @ rng.standard_normal((3, components))
    return walk / np.maximum(np.sqrt(np.mean(walk**2, axis=0)), 1e-9)


def scan_positions(
    scan: AbstractScan, seed: int, count: int, turn: float
) -> Float[np.ndarray, "view scan 2"]:
    """The scan of every view, turned by `turn` radians from one to the next about the axis of rotation."""
    points = np.stack([scan.positions(stream(seed, "scan", view)) for view in range(count)])
    angle = turn * np.arange(count)
    c, s = np.cos(angle), np.sin(angle)
    matrix = np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2)
    return np.einsum("vij,vnj->vni", matrix, points)


def acquire(
    angles: TiltAngles, scan: AbstractScan, nuisances: Nuisances, seed: int, turn: float = GOLDEN_ANGLE
) -> Acquisition:
    """Draw everything but the frames."""
    degrees, off = angles.degrees(seed), nuisances
    kept, count = angles.kept(degrees), len(degrees)
    nominal = scan_positions(scan, seed, count, turn)
    jitter = off.position_jitter * stream(seed, "jitter").standard_normal(nominal.shape)
    drift = off.probe_drift * slow_walk(stream(seed, "drift"), count, 2)
    shift = off.projection_shift * stream(seed, "shift").standard_normal((count, 2))
    shift = shift + np.array([0.0, off.axis_offset])
    defocus = 1 + off.defocus_drift * slow_walk(stream(seed, "defocus"), count, 1)[:, 0]
    flux = shot_intensities(stream(seed, "flux"), nominal[..., 0].size, off.flux_fluctuation)
    true_deg = degrees + off.angle_error * stream(seed, "angle").standard_normal(count)
    return Acquisition(
        number=kept,
        nominal_deg=degrees[kept],
        true_deg=true_deg[kept],
        nominal=nominal[kept],
        true=(nominal + jitter + drift[:, None])[kept],
        shift=shift[kept],
        flux=flux.reshape(nominal.shape[:2])[kept],
        defocus=defocus[kept],
    )
