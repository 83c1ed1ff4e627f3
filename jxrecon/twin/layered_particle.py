"""A secondary particle of a layered battery cathode in projection: onion layers, pores in them, cracks through the core.

The particle is a ball of radius R whose surface and layers are warped by a smooth random field. Dense and porous layers
alternate (density 1 and 1 - contrast), so that the projected thickness is a sum of chords,

    t(r) = sum_k (rho_k - rho_(k+1)) chord(R_k, r) - sum_pores chord(a, d),   then times 1 - depth in the cracks.

Pores are balls that do not overlap, cracks are wedges that start in the core and close towards the surface. The defaults
are Li-rich NMC of 4.25 g/cm^3 at 7.0 keV (delta, beta of 3.6 g/cm^3 from xraylib 4.3 are 1.393e-5 and 7.60e-7): a particle of 2.2 um
turns the phase by about -1.2 rad.
"""

import dataclasses

import numpy as np
from jaxtyping import Float

from .specimen import AbstractSpecimen, chord, inside, pixel_of

WARP_FEATURES = 24


@dataclasses.dataclass(frozen=True)
class Warp:
    """A smooth Gaussian field of unit variance, sum_k sqrt(2 / K) cos(k_y y + k_x x + phase)."""

    wavevector: Float[np.ndarray, "k 2"]
    phase: Float[np.ndarray, " k"]

    def __call__(self, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        # A cosine of a sum is a sum of products: one small matrix product instead of a cosine per pixel.
        along_y = np.exp(1j * (np.outer(y, self.wavevector[:, 0]) + self.phase))
        along_x = np.exp(1j * np.outer(self.wavevector[:, 1], x))
        return np.sqrt(2 / len(self.phase)) * (along_y @ along_x).real


def draw_warp(rng: np.random.Generator, length_m: float) -> Warp:
    """A warp with the correlation exp(-r^2 / (2 length^2))."""
    wavevector = rng.standard_normal((WARP_FEATURES, 2)) / length_m
    return Warp(wavevector, rng.uniform(0, 2 * np.pi, WARP_FEATURES))


@dataclasses.dataclass(frozen=True)
class Crack:
    """A gap that starts at `start` (y, x) in the direction `angle`, `width_m` wide there and closed after `length_m`."""

    start: np.ndarray
    angle: float
    width_m: float
    length_m: float
    wave_m: float
    phase: float

    def __call__(self, y: np.ndarray, x: np.ndarray, pixel: float) -> np.ndarray:
        """Share of each pixel that is open."""
        y, x = y[:, None] - self.start[0], x - self.start[1]
        along = y * np.sin(self.angle) + x * np.cos(self.angle)
        across = y * np.cos(self.angle) - x * np.sin(self.angle)
        ragged = self.wave_m * np.sin(2 * np.pi * along / (0.35 * self.length_m) + self.phase)
        width = self.width_m * np.sqrt(np.clip(1 - along / self.length_m, 0, 1))
        share = inside(width / 2 - np.abs(across - ragged), pixel) * inside(along, pixel)
        # A gap narrower than a pixel fills only its width of it.
        return np.minimum(share, width / pixel)


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
        distance = rng.uniform((inner) ** 3, outer**3) ** (1 / 3)
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
    for y0, x0, size in pores:
        rows = slice(*np.searchsorted(y, (y0 - size - pixel, y0 + size + pixel)))
        columns = slice(*np.searchsorted(x, (x0 - size - pixel, x0 + size + pixel)))
        distance = np.hypot(y[rows, None] - y0, x[columns] - x0)
        total[rows, columns] += chord(size, distance, pixel)
    return total


class LayeredParticle(AbstractSpecimen):
    """See above. `layers` counts dense and porous ones; lengths in metres; `roughness` relative to the radius;
    `crack_depth` is the share of the thickness that a crack takes away."""

    radius_m: float = 1.1e-6
    layers: int = 7
    layer_contrast: float = 0.2
    pores: int = 150
    pore_radius_m: tuple[float, float] = (2e-8, 8e-8)
    cracks: int = 3
    crack_width_m: float = 8e-8
    crack_depth: float = 0.6
    roughness: float = 0.03
    delta: float = 1.645e-5
    beta: float = 8.97e-7

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
        warp = draw_warp(rng, 0.45 * self.radius_m)
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
                solid = solid * (1 - self.crack_depth * crack(y, x, pixel))
            return solid

        return thickness

    def _crack(self, rng: np.random.Generator) -> Crack:
        return Crack(
            start=0.1 * self.radius_m * rng.standard_normal(2),
            angle=rng.uniform(0, 2 * np.pi),
            width_m=self.crack_width_m * rng.uniform(0.6, 1),
            length_m=self.radius_m * rng.uniform(0.6, 1),
            wave_m=0.03 * self.radius_m,
            phase=rng.uniform(0, 2 * np.pi),
        )
