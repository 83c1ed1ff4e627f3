"""Where the probe is put on the specimen: scan positions (y, x) in object pixels, zero-centred, in the order they are visited.

    Fermat spiral   r_i = step sqrt((i + 1/2) / pi), theta_i = i pi (3 - sqrt 5)    one point on every step^2
    concentric      ring k of radius k step holds about 2 pi k points
    raster          rows of equidistant points, every second row backwards

A raster repeats itself and leaves a grid in the reconstruction (raster pathology), which `jitter` breaks.

Huang et al., Opt. Express 22, 12634 (2014), doi 10.1364/OE.22.012634 (spiral); Dierolf et al., New J. Phys. 12, 035017 (2010),
doi 10.1088/1367-2630/12/3/035017 (rings).
"""

import abc

import equinox as eqx
import numpy as np
from jaxtyping import Float

GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))


def centred(positions: Float[np.ndarray, "scan 2"]) -> Float[np.ndarray, "scan 2"]:
    """The same points with their bounding box about the origin."""
    return positions - (positions.max(axis=0) + positions.min(axis=0)) / 2


def fermat_spiral(count: int, step: float) -> Float[np.ndarray, "scan 2"]:
    """`count` points from the middle outwards, one on every step^2; not re-centred."""
    i = np.arange(count)
    radius, angle = step * np.sqrt((i + 0.5) / np.pi), i * GOLDEN_ANGLE
    return np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)


def fermat_spiral_in(field: tuple[float, float], step: float) -> Float[np.ndarray, "scan 2"]:
    """The points of a Fermat spiral that lie in a field (y, x) about the origin."""
    points = fermat_spiral(int(np.ceil(np.pi * (np.hypot(*field) / 2 / step) ** 2)) + 1, step)
    return points[np.all(np.abs(points) <= np.asarray(field) / 2, axis=1)]


def raster(rows: int, columns: int, step: float) -> Float[np.ndarray, "scan 2"]:
    """A rectangular grid, visited to and fro."""
    y, x = np.mgrid[:rows, :columns].astype(float) * step
    x[1::2] = x[1::2, ::-1]
    return centred(np.stack([y.ravel(), x.ravel()], axis=1))


def concentric_circles(rings: int, step: float) -> Float[np.ndarray, "scan 2"]:
    """The centre and `rings` circles about it, `step` apart along the radius and, nearly, along the arc."""
    points = [np.zeros((1, 2))]
    for k in range(1, rings + 1):
        count = int(round(2 * np.pi * k))
        angle = 2 * np.pi * np.arange(count) / count
        points.append(k * step * np.stack([np.sin(angle), np.cos(angle)], axis=1))
    return np.concatenate(points)


class AbstractScan(eqx.Module):
    """A pattern of scan positions."""

    @abc.abstractmethod
    def positions(self, rng: np.random.Generator) -> Float[np.ndarray, "scan 2"]:
        """Nominal positions (y, x) in object pixels, zero-centred."""


class FermatSpiral(AbstractScan):
    """`count` points, `step` object pixels apart on average."""

    count: int = 100
    step: float = 8.0

    def positions(self, rng):
        return centred(fermat_spiral(self.count, self.step))


class Raster(AbstractScan):
    """`rows` x `columns` points, `step` object pixels apart; `jitter`: rms of a random displacement along y and x."""

    rows: int = 10
    columns: int = 10
    step: float = 8.0
    jitter: float = 0.0

    def positions(self, rng):
        points = raster(self.rows, self.columns, self.step)
        return centred(points + self.jitter * rng.standard_normal(points.shape))


class ConcentricCircles(AbstractScan):
    """`rings` circles about the centre, `step` object pixels apart."""

    rings: int = 5
    step: float = 8.0

    def positions(self, rng):
        return centred(concentric_circles(self.rings, self.step))
