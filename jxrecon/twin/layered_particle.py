"""A secondary particle of a layered battery cathode in projection: onion layers, pores in them, cracks through the core.

The particle is a ball of radius R whose surface and layers are warped by a smooth random field. Dense and porous layers
alternate (density 1 and 1 - contrast), so that the projected thickness is a sum of chords,

    t(r) = sum_k (rho_k - rho_(k+1)) chord(R_k, r) - sum_pores chord(a, d),   then times 1 - depth in the cracks.

Pores are balls that do not overlap, cracks are wedges that start in the core and close towards the surface. The defaults
are Li1.17Ni0.19Mn0.54Co0.10O2 of 4.25 g/cm^3 at 7.0 keV (xraylib 4.3): a particle of 2.2 um turns the phase by about -1.2 rad.
"""

import dataclasses

import numpy as np
from jaxtyping import Float

from .random_field import draw_field
from .specimen import AbstractSpecimen, chord, inside, pixel_of


def box(
    y: Float[np.ndarray, " v"],
    x: Float[np.ndarray, " u"],
    low: Float[np.ndarray, "2"],
    high: Float[np.ndarray, "2"],
) -> tuple[slice, slice]:
    """The pixels of a grid between two corners (y, x)."""
    rows, columns = (slice(*np.searchsorted(a, ends)) for a, *ends in zip((y, x), low, high, strict=True))
    return rows, columns


@dataclasses.dataclass(frozen=True)
class Crack:
    """A gap from `start` (y, x) in the direction `angle`, `width_m` wide there and closed after `length_m`.

    Its line wanders as a sum of sines with amplitudes `wander_m`, `wander_m`/2, ... and these phases.
    """

    start: Float[np.ndarray, "2"]
    angle: float
    width_m: float
    length_m: float
    wander_m: float
    phase: Float[np.ndarray, " n"]

    def bounds(self, y: np.ndarray, x: np.ndarray, pixel: float) -> tuple[slice, slice]:
        """The pixels that the crack may touch."""
        end = self.start + self.length_m * np.array([np.sin(self.angle), np.cos(self.angle)])
        reach = self.width_m + pixel + self.wander_m * np.sum(1 / np.arange(1, len(self.phase) + 1))
        return box(y, x, np.minimum(self.start, end) - reach, np.maximum(self.start, end) + reach)

    def __call__(self, y: np.ndarray, x: np.ndarray, pixel: float) -> np.ndarray:
        """Share of each pixel that is open."""
        y, x = y[:, None] - self.start[0], x - self.start[1]
        along = y * np.sin(self.angle) + x * np.cos(self.angle)
        across = y * np.cos(self.angle) - x * np.sin(self.angle)
        for n, phase in enumerate(self.phase, start=1):
            across = across - self.wander_m / n * np.sin(3.4 * np.pi * n * along / self.length_m + phase)
        width = self.width_m * np.sqrt(np.clip(1 - along / self.length_m, 1e-9, 1))
        left, right = (np.clip(across + side * pixel / 2, -width / 2, width / 2) for side in (-1, 1))
        # The mean over a pixel of 1 - (2 x / width)^2 across the gap, which is not parallel to the beam all the way.
        gap = right - left - 4 * (right**3 - left**3) / (3 * width**2)
        return gap / pixel * inside(along, pixel)


def draw_pores(
    rng: np.random.Generator, count: int, radii: tuple[float, float], shells: list[tuple[float, float]]
) -> Float[np.ndarray, "pore 3"]:
    """(y, x, radius) of balls at random in spherical shells (inner, outer), none touching another.

    Fewer than `count` come back if the shells are too full for them.
    """
    volume = np.array([outer**3 - inner**3 for inner, outer in shells])
    kept = np.empty((0, 4))
    for _ in range(20 * count):
        if len(kept) == count:
            break
        inner, outer = shells[rng.choice(len(shells), p=volume / volume.sum())]
        size = np.exp(rng.uniform(*np.log(radii)))
        direction = rng.standard_normal(3)
        distance = rng.uniform(inner**3, outer**3) ** (1 / 3)
        centre = direction / np.linalg.norm(direction) * distance
        fits = distance + size < outer and distance - size > inner
        if fits and np.all(np.linalg.norm(kept[:, :3] - centre, axis=1) > kept[:, 3] + size):
            kept = np.vstack([kept, [*centre, size]])
    return kept[:, 1:]


def pore_paths(
    pores: Float[np.ndarray, "pore 3"], y: Float[np.ndarray, " v"], x: Float[np.ndarray, " u"], pixel: float
) -> Float[np.ndarray, "v u"]:
    """Path through all pores; each one touches only the pixels about it."""
    total = np.zeros((len(y), len(x)))
    for centre, size in zip(pores[:, :2], pores[:, 2], strict=True):
        rows, columns = box(y, x, centre - size - pixel, centre + size + pixel)
        if rows.start == rows.stop or columns.start == columns.stop:
            continue
        distance = np.hypot(y[rows, None] - centre[0], x[columns] - centre[1])
        total[rows, columns] += chord(size, distance, pixel)
    return total


class LayeredParticle(AbstractSpecimen):
    """See above. `layers` counts dense and porous ones; lengths in metres; `roughness` relative to the radius;
    `crack_depth` is the share of the thickness that a crack takes away."""

    radius_m: float = 1.1e-6
    layers: int = 7
    layer_contrast: float = 0.3
    pores: int = 200
    pore_radius_m: tuple[float, float] = (2e-8, 8e-8)
    cracks: int = 3
    crack_width_m: float = 8e-8
    crack_depth: float = 0.6
    roughness: float = 0.03
    delta: float = 1.644e-5
    beta: float = 9.01e-7

    def __check_init__(self):
        if not self.radius_m > 0 or self.layers < 1:
            raise ValueError(
                f"`radius_m` is {self.radius_m!r} and `layers` {self.layers!r}; expected a positive radius and a layer or more."
            )

    def shells(self) -> tuple[np.ndarray, np.ndarray]:
        """Outer radius and density of every layer, from the surface (dense) inwards."""
        edges = self.radius_m * (1 - np.arange(self.layers) / self.layers)
        return edges, 1 - self.layer_contrast * (np.arange(self.layers) % 2)

    def thickness(self, rng):
        edges, density = self.shells()
        steps = np.diff(density, prepend=0)
        warp = draw_field(rng, 0.45 * self.radius_m, waves=24)
        cracks = [self._crack(rng) for _ in range(self.cracks)]
        inner = np.append(edges[1:], 0.0)
        porous = [(inner[k], edges[k]) for k in range(1 if self.layers > 1 else 0, self.layers, 2)]
        pores = draw_pores(rng, self.pores, self.pore_radius_m, porous)

        def thickness(y: Float[np.ndarray, " v"], x: Float[np.ndarray, " u"]) -> Float[np.ndarray, "v u"]:
            pixel = pixel_of(y, x)
            radius = np.hypot(y[:, None], x) * (1 + self.roughness * warp(y, x))
            solid = sum(step * chord(edge, radius, pixel) for edge, step in zip(edges, steps, strict=True))
            solid = np.maximum(solid - pore_paths(pores, y, x, pixel), 0)
            for crack in cracks:
                here = crack.bounds(y, x, pixel)
                solid[here] *= 1 - self.crack_depth * crack(y[here[0]], x[here[1]], pixel)
            return solid

        return thickness

    def _crack(self, rng: np.random.Generator) -> Crack:
        return Crack(
            start=0.05 * self.radius_m * rng.standard_normal(2),
            angle=rng.uniform(0, 2 * np.pi),
            width_m=self.crack_width_m * rng.uniform(0.6, 1),
            length_m=self.radius_m * rng.uniform(0.6, 1),
            wander_m=0.02 * self.radius_m,
            phase=rng.uniform(0, 2 * np.pi, 4),
        )
