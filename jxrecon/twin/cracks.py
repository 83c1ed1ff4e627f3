"""Cracks of a particle: warped half-planes through its core, widest there and closed at a radius, along grain boundaries.

With a normal n and a direction of opening t, a smooth warp g and the distance r from the centre,

    c = n . r + 0.05 R (g(r) - g(0))                             signed distance to the sheet
    o = clip(0.6 + t . r / (0.35 (r + 0.08 R)), 0, 1)            closed on the side of -t
    w = w0 sqrt(1 - r / r_end) o                                 width
    proximity = exp(-|c| / (0.16 R)) o / (1 + exp((r - r_end) / (0.08 R)))

The edge is ragged because it follows grains: the margin |c| - w/2 is mixed with the one that the grain's seed has, 55 to 45.
Within a grain this is again a slab, of the half-width w/2 - (45/55) margin(seed). Metres.
"""

import dataclasses

import numpy as np
from jaxtyping import Float

from .random_field import RandomField, draw_field
from .states import State

LEAST_WIDTH_M = 32e-9  # at the core
CLOSED_M = 1e-9  # narrower than that is no crack
SEED_SHARE = 0.45


def sigmoid(t: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    return 0.5 * (1 + np.tanh(0.5 * t))


@dataclasses.dataclass(frozen=True)
class Sheet:
    """A crack at some points: signed distance, width, and the envelope (0 to 1) of what it does to the lattice."""

    distance: Float[np.ndarray, " point"]
    width: Float[np.ndarray, " point"]
    envelope: Float[np.ndarray, " point"]
    radius_m: float

    def margin(self) -> Float[np.ndarray, " point"]:
        """Distance to the crack's edge, negative inside; far where it is closed."""
        return np.where(self.width > CLOSED_M, np.abs(self.distance) - self.width / 2, np.inf)

    def proximity(self) -> Float[np.ndarray, " point"]:
        return np.exp(-np.abs(self.distance) / (0.16 * self.radius_m)) * self.envelope

    def open_share(
        self, seed_margin: Float[np.ndarray, " point"], pixel: float
    ) -> Float[np.ndarray, " point"]:
        """Share of a voxel that lies in the slab."""
        half = np.maximum(self.width / 2 - SEED_SHARE / (1 - SEED_SHARE) * seed_margin, 0)
        half[self.width <= CLOSED_M] = 0
        return slab_share(np.abs(self.distance), half, pixel)


def slab_share(
    distance: Float[np.ndarray, "*n"], half: Float[np.ndarray, "*n"], pixel: float
) -> Float[np.ndarray, "*n"]:
    """Share of the interval distance +- pixel/2 that lies within +- half."""
    upper = np.minimum(distance + pixel / 2, half)
    lower = np.maximum(distance - pixel / 2, -half)
    return np.clip((upper - lower) / pixel, 0, 1)


@dataclasses.dataclass(frozen=True)
class Crack:
    """One crack; `offset` is the expansion of the cell beside it, of opposite signs on its two sides."""

    normal: Float[np.ndarray, "3"]
    opening: Float[np.ndarray, "3"]
    warp: RandomField
    width_m: float
    reach_m: float
    radius_m: float
    offset: float

    def at(self, points: Float[np.ndarray, "point 3"], r: Float[np.ndarray, " point"]) -> Sheet:
        """`r` is the length of `points`."""
        here = self.warp.at(points) - self.warp.at(np.zeros((1, 3), points.dtype))
        distance = points @ self.normal + 0.05 * self.radius_m * here
        opened = np.clip(points @ self.opening / (0.35 * (r + 0.08 * self.radius_m)) + 0.6, 0, 1)
        width = self.width_m * np.sqrt(np.maximum(1 - r / self.reach_m, 0)) * opened
        envelope = sigmoid((self.reach_m - r) / (0.08 * self.radius_m)) * opened
        return Sheet(distance, width, envelope, self.radius_m)


def draw_cracks(rng: np.random.Generator, state: State, radius_m: float, offset: float) -> list[Crack]:
    """The cracks of a state; `offset` is the standard deviation of a fragment's expansion."""
    width = max(state.crack_width * radius_m, LEAST_WIDTH_M)
    cracks = []
    for _ in range(state.cracks):
        normal, other = rng.standard_normal((2, 3))
        opening = np.cross(normal, other)
        cracks += [
            Crack(
                normal=(normal / np.linalg.norm(normal)).astype(np.float32),
                opening=(opening / np.linalg.norm(opening)).astype(np.float32),
                reach_m=rng.uniform(*state.crack_reach) * radius_m,
                warp=draw_field(rng, 0.22 * radius_m, waves=28, axes=3),
                width_m=width * rng.uniform(0.75, 1.1),
                radius_m=radius_m,
                offset=offset * float(rng.standard_normal()) / state.cracks**0.5,
            )
        ]
    return cracks
