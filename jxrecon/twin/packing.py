"""How much solid a voxel of the particle holds, and the packing that brings its density to what was measured.

With the pixel h, distances to the two nearest seeds F_i, to their face b, to surface, and the gap g between grains,

    occupancy = inside (1 - cracks) (share_1 present_1 + share_2 present_2) clip(1/2 + (kappa spacing - F_1) / 0.7 h)
    share_1 = clip(1/2 + (b - g/2) / h),   share_2 = clip(1/2 - (b + g/2) / h)
    n_e = occupancy filling n_solid

Grains of porous layers are rounded to the radius kappa times their spacing, others fill their cells. kappa and filling (<= 1,
pores that are not resolved) take one value in the core and one outside, with a smooth step between; they are found by bisection
so that the mean of n_e over each zone is the state's. Where cracks and missing grains leave too little for it, fewer are missing.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float

from .body import LARGEST, Body, Place
from .cracks import sigmoid

ROUNDING = (0.40, 1.4)  # range of kappa; a cell has no corner beyond the last
ROUND_EDGE = (
    0.7  # of a voxel: F_1 has ridges at the faces, over which its mean is less than in a voxel's middle
)
ZONE_END = 0.97  # radius; the rim outside is not calibrated
STEP_WIDTH = 0.07  # of the step between core and outer zone
OPEN_BOUNDARY = 1 / 3  # of the area of a grain boundary
DENSE_GAP = 0.15  # of the gap, in dense layers
THINNING = (1.0, 0.6, 0.3, 0.1, 0.0)
BISECTIONS = 10
SAMPLES = 40  # points of calibration along a radius, at most
LEAST_PITCH = 0.37  # of the spacing of grains, between them
PIXEL = 4 / 15  # of the spacing of grains: the voxel of calibration


def electrons(lithium: float, lost_oxygen: float) -> float:
    """Of Li_y Ni0.19 Mn0.54 Co0.10 O_(2-x); lithium 3, nickel 28, manganese 25, cobalt 27, oxygen 8."""
    return 3 * lithium + 28 * 0.19 + 25 * 0.54 + 27 * 0.10 + 8 * (2 - lost_oxygen)


def outer_share(radius: Float[np.ndarray, "*n"], edge: float) -> Float[np.ndarray, "*n"]:
    """0 in the core, 1 in the outer zone."""
    return sigmoid((radius - edge) / STEP_WIDTH)


def between(pair: tuple[float, float], outer: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    return pair[0] + (pair[1] - pair[0]) * outer


def edge_share(distance: Float[np.ndarray, "*n"], pixel: float) -> Float[np.ndarray, "*n"]:
    """Share of a voxel on the inner side of an edge, from the signed distance of its centre (positive inside)."""
    return np.clip(distance / np.float32(pixel) + np.float32(0.5), 0, 1)


@dataclasses.dataclass(frozen=True)
class Packing:
    """kappa and filling, (core, outer zone) each, and the grains that are missing."""

    rounding: tuple[float, float]
    filling: tuple[float, float]
    missing: Bool[np.ndarray, " grain"]


def framework(
    body: Body, place: Place, missing: Bool[np.ndarray, " grain"], pixel: float
) -> Float[np.ndarray, " point"]:
    """Share of a voxel that the cells of its two nearest grains would fill, without rounding."""
    grains, near = body.grains, place.grains
    porous = grains.porous[near.first] | grains.porous[near.second]
    half = np.where(porous, np.float32(1), np.float32(DENSE_GAP)) * np.float32(
        OPEN_BOUNDARY * body.state.gap_m / 2
    )
    share = edge_share(near.face - half, pixel) * ~missing[near.first]
    share += edge_share(-near.face - half, pixel) * ~missing[near.second]
    share *= edge_share(place.depth, pixel)
    share *= 1 - body.crack_share(place, pixel)
    return share


def rounded(
    body: Body, place: Place, kappa: Float[np.ndarray, " point"], pixel: float
) -> Float[np.ndarray, " point"]:
    """Share that rounding leaves of the nearest grain."""
    grains = body.grains
    left = edge_share(kappa * np.float32(grains.spacing_m) - place.grains.distance, ROUND_EDGE * pixel)
    return np.where(grains.porous[place.grains.first], left, np.float32(1))


def occupancy(body: Body, place: Place, packing: Packing, pixel: float) -> Float[np.ndarray, " point"]:
    """Share of solid in a voxel about each point."""
    kappa = between(packing.rounding, outer_share(place.radius, body.state.zone_edge))
    return framework(body, place, packing.missing, pixel) * rounded(body, place, kappa, pixel)


def _pair(values: Float[np.ndarray, "2"]) -> tuple[float, float]:
    return float(values[0]), float(values[1])


def sample_points(radius_m: float, spacing_m: float) -> Float[np.ndarray, "point 3"]:
    """A lattice through the particle, for means."""
    pitch = max(radius_m / SAMPLES, LEAST_PITCH * spacing_m)
    n = int(np.ceil(LARGEST * radius_m / pitch))
    axis = np.arange(-n, n + 1, dtype=np.float32) * np.float32(pitch)
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)


def solve_packing(body: Body, solid: Callable[[Place], Float[np.ndarray, " point"]]) -> Packing:
    """The packing whose density over core and outer zone is the state's; `solid` is the density of the solid itself, e/A^3."""
    state, pixel = body.state, PIXEL * body.grains.spacing_m
    points = sample_points(body.surface.radius_m, body.grains.spacing_m)
    r, surface = body.surface.distances(points)
    place = body.at(points[r < surface])
    outer = outer_share(place.radius, state.zone_edge)
    core = place.radius < state.zone_edge
    zones = np.stack([core, ~core & (place.radius < ZONE_END)]) * edge_share(place.depth, pixel)
    zones /= zones.sum(axis=1, keepdims=True)
    wanted = zones @ between(state.density, outer)
    weight = zones * solid(place)
    for share in THINNING:
        missing = body.grains.missing(share * state.vacancies, state.clusters)
        shares = framework(body, place, missing, pixel)
        low, high = (np.full(2, end) for end in ROUNDING)
        for _ in range(BISECTIONS):
            kappa = (low + high) / 2
            left = rounded(body, place, between(_pair(kappa), outer), pixel)
            found = weight @ (shares * left)
            too_little = found * (1 - state.microporosity) < wanted
            low, high = np.where(too_little, kappa, low), np.where(too_little, high, kappa)
        if wanted[1] <= 1.001 * found[1]:
            break  # the core may stay below where cracks meet
    return Packing(_pair(kappa), _pair(np.clip(wanted / found, 0.8, 1.0)), missing)
