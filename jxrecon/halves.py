"""Two independent reconstructions of one specimen, from every second frame each, for the Fourier ring correlation.

Each half starts from a first guess of its own and is fitted with the settings of the whole, so that nothing but the specimen
is common to both.
"""

import dataclasses

import numpy as np

from .analysis.region import coverage, illuminated
from .analysis.resolution import RingCorrelation, compare_halves
from .analysis.shell_correlation import compare_volumes
from .measurement import AbstractFrames, Measurement
from .parameters import Parameters


@dataclasses.dataclass(frozen=True)
class SomeFrames:
    """Frames number `index` of other frames."""

    frames: AbstractFrames
    index: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.index), *self.frames.shape[1:]

    def read(self, index: np.ndarray) -> np.ndarray:
        return self.frames.read(self.index[index])


def half(measurement: Measurement, which: int) -> Measurement:
    """Frames which, which + 2, which + 4, ... of every view; of a tilt series every second view instead."""
    if np.ptp(measurement.angle_deg) > 0:
        return some_views(measurement, np.argsort(measurement.angle_deg, kind="stable")[which::2])
    chosen = [np.flatnonzero(measurement.view == v)[which::2] for v in np.unique(measurement.view)]
    index = np.sort(np.concatenate(chosen))
    return dataclasses.replace(
        measurement,
        frames=SomeFrames(measurement.frames, index),
        positions_px=measurement.positions_px[index],
        view=measurement.view[index],
    )


def some_views(measurement: Measurement, views: np.ndarray) -> Measurement:
    """Only these views (numbers in any order), renumbered; a specimen of their own stays theirs."""
    views = np.sort(views)
    index = np.flatnonzero(np.isin(measurement.view, views))
    specimen = np.unique(measurement.specimen[views], return_inverse=True)[1].astype(np.int32)
    return dataclasses.replace(
        measurement,
        frames=SomeFrames(measurement.frames, index),
        positions_px=measurement.positions_px[index],
        view=np.searchsorted(views, measurement.view[index]).astype(np.int32),
        specimen=specimen,
        optics=measurement.optics[views],
        angle_deg=measurement.angle_deg[views],
    )


def correlation(first: Parameters, second: Parameters) -> RingCorrelation:
    """Ring correlation of the first specimen in two reconstructions, where both were illuminated; shells of volumes."""
    if first.volume is not None and second.volume is not None:
        return compare_volumes(densities(first), densities(second))
    region = lit(second)
    other = lit(first)
    shape = tuple(min(a, b) for a, b in zip(region.shape, other.shape, strict=True))
    common = _middle(region, shape) & _middle(other, shape)
    images = [_middle(np.asarray(p.objects()[0], np.complex128), shape) for p in (first, second)]
    return compare_halves(images[0], images[1], common)


def densities(parameters: Parameters) -> np.ndarray:
    """Electron density (z y x), e/A^3."""
    assert parameters.volume is not None
    return np.asarray(parameters.volume.electron_density(), np.float64).transpose(2, 0, 1)


def lit(parameters: Parameters) -> np.ndarray:
    """(y, x) bool: where the scan illuminated the object."""
    modes = np.asarray(parameters.probe.modes[0], np.complex128)
    positions = np.asarray(parameters.positions(), np.float64)
    return illuminated(coverage(positions, modes, parameters.objects().shape[1:]))  # pyright: ignore[reportArgumentType]


def _middle(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    first = [n // 2 - m // 2 for n, m in zip(image.shape, shape, strict=True)]
    return image[tuple(slice(f, f + m) for f, m in zip(first, shape, strict=True))]


def same_specimen(first: Parameters, second: Parameters) -> bool:
    """Whether two first guesses hold the same structure (a warm start), and not only the same empty beam."""
    if first.volume is not None and second.volume is not None:
        a, b = (np.asarray(p.volume.density, np.float64) for p in (first, second) if p.volume is not None)
    else:
        a, b = (np.asarray(p.objects()[0], np.complex128) for p in (first, second))
    shape = tuple(min(n, m) for n, m in zip(a.shape, b.shape, strict=True))
    a, b = _middle(a, shape), _middle(b, shape)
    return bool(a.std() > 0 and np.abs(a - b).max() < 0.1 * a.std())
