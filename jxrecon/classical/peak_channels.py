"""Patterns brought to fewer channels for the fit: single channels at the peaks, bins where a pattern is smooth.

Within a bin whose model is nearly straight, the weighted mean says of the parameters what its channels say:

    sum_k w_k (y_k - f)^2 = w (y - f)^2 + sum_k w_k (y_k - y)^2,       w = sum_k w_k,  y = sum_k w_k y_k / w

where the last sum depends on nothing that is fitted. A Lorentzian's tail falls as 1 / distance^2, so that a bin may be a fixed
share of its distance from the peak; at 0.15 the mean of the tail over a bin differs by 1/180 from its value in the middle.
Empty bins fill the grid up to whole vectors.
"""

import dataclasses
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

SHARE = 0.15  # of the distance from the nearest window's middle
LARGEST = 16  # channels of a bin
VECTOR = 16  # numbers that a processor multiplies at once


@dataclasses.dataclass(frozen=True)
class Grid:
    """Runs of equal bins: (first channel, bins, channels of a bin), and the middles of all bins (degrees). Hashable."""

    runs: tuple[tuple[int, int, int], ...]
    two_theta_deg: tuple[float, ...]
    range_deg: tuple[float, float]  # of the channels

    @property
    def step_deg(self) -> float:
        """Of the finest bins."""
        steps = np.diff(self.two_theta_deg)
        return float(steps[steps > 0].min())

    def smooth(self, terms: int) -> Float[np.ndarray, "term bin"]:
        """Chebyshev polynomials over the range of the channels."""
        low, high = self.range_deg
        scaled = (2 * np.array(self.two_theta_deg) - low - high) / (high - low)
        return np.polynomial.chebyshev.chebvander(scaled, max(terms - 1, 0)).T[:terms]

    def near(self, middle_deg: float, reach_deg: float) -> slice:
        """The bins within `reach_deg` of a place; at least three."""
        distance = np.abs(np.array(self.two_theta_deg) - middle_deg)
        distance[sum(run[1] for run in self.runs) :] = np.inf
        inside = np.flatnonzero(distance <= max(reach_deg, np.sort(distance)[:3].max()))
        return slice(int(inside[0]), int(inside[-1]) + 1)


class Binned(NamedTuple):
    """Patterns on a grid."""

    value: Float[Array, "pattern bin"]
    weight: Float[Array, "pattern bin"]


def single_channels(two_theta_deg: Float[np.ndarray, " channel"]) -> Grid:
    """Every channel for itself."""
    x = np.asarray(two_theta_deg, float)
    return Grid(((0, len(x), 1),), tuple(x.tolist()), (float(x[0]), float(x[-1])))


def make_grid(
    two_theta_deg: Float[np.ndarray, " channel"], centres_deg: tuple[float, ...], reach_deg: float
) -> Grid:
    """Single channels within `reach_deg` of a centre, ever larger bins (powers of two) beyond."""
    x = np.asarray(two_theta_deg, float)
    distance = np.abs(x[:, None] - np.array(centres_deg)).min(axis=1)
    step = np.gradient(x) if len(x) > 1 else np.ones(1)
    wanted = np.where(distance <= reach_deg, 1, np.clip(SHARE * distance / step, 1, LARGEST))
    wanted = 2 ** np.floor(np.log2(wanted)).astype(int)
    runs: list[list[int]] = []
    at = 0
    while at < len(x):
        size = int(wanted[at])
        while size > 1 and (at + size > len(x) or wanted[at : at + size].min() < size):
            size //= 2
        if runs and runs[-1][2] == size:
            runs[-1][1] += 1
        else:
            runs.append([at, 1, size])
        at += size
    middles = [x[first : first + bins * size].reshape(bins, size).mean(axis=1) for first, bins, size in runs]
    places = np.concatenate(middles)
    places = np.pad(places, (0, -len(places) % VECTOR), mode="edge")
    return Grid(tuple((a, b, c) for a, b, c in runs), tuple(places.tolist()), (float(x[0]), float(x[-1])))


def binned(
    grid: Grid, value: Float[Array, "pattern channel"], weight: Float[Array, "pattern channel"]
) -> Binned:
    """Weighted means of the bins; a channel of weight zero counts for nothing, whatever its value."""
    parts = []
    for first, bins, size in grid.runs:
        v, w = (x[:, first : first + bins * size] for x in (value, weight))
        v = jnp.where(w > 0, v, 0)
        if size == 1:
            parts.append((v, w))
            continue
        v, w = (x.reshape(-1, bins, size) for x in (v, w))
        total = w.sum(axis=2)
        mean = jnp.sum(w * v, axis=2) / jnp.where(total > 0, total, 1)
        parts.append((mean, total))
    empty = len(grid.two_theta_deg) - sum(run[1] for run in grid.runs)
    parts.append([jnp.zeros((len(value), empty), value.dtype)] * 2)
    return Binned(*(jnp.concatenate(x, axis=1) for x in zip(*parts)))
