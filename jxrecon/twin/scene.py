"""What turns in the beam: bodies as electron densities on any grid, and glass around them.

A scene has voxels of its own size, those of the reconstruction, and can be evaluated on voxels `finer` times smaller; its middle
is on the axis of rotation. Densities are means over each voxel, in electrons per cubic angstrom.
"""

import abc
import dataclasses

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float

from ..forward.material import SILICA, Material
from .specimen import chord


@dataclasses.dataclass(frozen=True)
class Matter:
    """electron_density: e/A^3; inside: share of a voxel within the outer surface, pores and cracks included."""

    electron_density: Float[np.ndarray, "z y x"]
    inside: Float[np.ndarray, "z y x"]


class AbstractScene(eqx.Module):
    """A body, or several."""

    shape: eqx.AbstractVar[tuple[int, int, int]]
    voxel_m: eqx.AbstractVar[float]

    @abc.abstractmethod
    def matter(self, seed: int, finer: int = 1) -> Matter:
        """Draw what is random and evaluate it on (z, y, x) `finer` times the shape; float32."""


def grid(shape: tuple[int, int, int], voxel_m: float, finer: int) -> list[np.ndarray]:
    """Coordinates (z, y, x) in metres of the voxels' middles, ready to broadcast."""
    z, y, x = ((np.arange(n * finer) - (n * finer - 1) / 2) * voxel_m / finer for n in shape)
    return [z[:, None, None], y[:, None], x]


def pooled(volume: Float[np.ndarray, "z y x"], by: int) -> Float[np.ndarray, "_ _ _"]:
    """Means over cubes of `by`^3 voxels."""
    z, y, x = (n // by for n in volume.shape)
    return volume.reshape(z, by, y, by, x, by).mean(axis=(1, 3, 5), dtype=np.float64).astype(np.float32)


class BallWithHoles(AbstractScene):
    """A ball with spherical holes that do not touch: its line integrals are sums of chords.

    radius_m, density: of the ball, e/A^3. holes: how many, at random within the ball, fewer if it is too full for them;
    hole_radius_m: smallest and largest.
    """

    shape: tuple[int, int, int] = (64, 64, 64)
    voxel_m: float = 40e-9
    radius_m: float = 1.15e-6
    density: float = 1.0244
    holes: int = 12
    hole_radius_m: tuple[float, float] = (0.1e-6, 0.25e-6)

    def balls(self, seed: int) -> Float[np.ndarray, "hole 4"]:
        """(z, y, x, radius) of the holes, in metres."""
        rng, kept = np.random.default_rng([seed, 3]), np.empty((0, 4))
        for _ in range(50 * self.holes):
            radius, direction = rng.uniform(*self.hole_radius_m), rng.standard_normal(3)
            distance = (self.radius_m - radius) * rng.random() ** (1 / 3)
            centre = direction * distance / np.linalg.norm(direction)
            free = np.linalg.norm(kept[:, :3] - centre, axis=1) > kept[:, 3] + radius
            if len(kept) < self.holes and free.all():
                kept = np.vstack([kept, [*centre, radius]])
        return kept

    def matter(self, seed, finer=1):
        z, y, x = grid(self.shape, self.voxel_m, finer)
        soft, holes = self.voxel_m / finer, self.balls(seed)
        inside = np.empty((z.size, y.size, x.size), np.float32)
        solid = np.empty_like(inside)
        for k, height in enumerate(z.ravel()):

            def share(centre, radius, height=height):
                distance = np.sqrt((height - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2)
                return np.clip((radius - distance) / soft + 0.5, 0, 1)

            inside[k] = solid[k] = share(np.zeros(3), self.radius_m)
            for *centre, radius in holes[np.abs(holes[:, 0] - height) < holes[:, 3] + soft]:
                solid[k] = np.minimum(solid[k], 1 - share(centre, radius))
        return Matter(np.float32(self.density) * solid, inside)


class SeveralBodies(AbstractScene):
    """Bodies side by side, each drawn anew and evaluated on a grid of its own, whose middle is put at its place.

    places: (z, y, x) of the bodies' middles from the middle of the scene, in voxels. Where grids overlap, densities add up.
    """

    bodies: tuple[AbstractScene, ...] = (BallWithHoles(),)
    places: tuple[tuple[int, int, int], ...] = ((0, 0, 0),)
    shape: tuple[int, int, int] = (64, 64, 64)
    voxel_m: float = 40e-9

    def __check_init__(self):
        if len(self.bodies) != len(self.places):
            raise ValueError(
                f"{len(self.bodies)} `bodies` and {len(self.places)} `places`; expected as many."
            )
        for body, place in zip(self.bodies, self.places, strict=True):
            low = [n / 2 + c - m / 2 for n, c, m in zip(self.shape, place, body.shape, strict=True)]
            high = [n / 2 - c - m / 2 for n, c, m in zip(self.shape, place, body.shape, strict=True)]
            if min(*low, *high) < 0 or any(x % 1 for x in low):
                raise ValueError(f"a body of {body.shape} voxels at {place} does not fit into {self.shape}.")
            if body.voxel_m != self.voxel_m:
                raise ValueError(f"a body has voxels of {body.voxel_m} m in a scene of {self.voxel_m} m.")

    def matter(self, seed, finer=1):
        z, y, x = (n * finer for n in self.shape)
        density, inside = np.zeros((z, y, x), np.float32), np.zeros((z, y, x), np.float32)
        for number, (body, place) in enumerate(zip(self.bodies, self.places, strict=True)):
            own = body.matter(int(np.random.SeedSequence([seed, number]).generate_state(1)[0]), finer)
            sides = zip(self.shape, place, body.shape, strict=True)
            first = [(n - m) * finer // 2 + c * finer for n, c, m in sides]
            where = tuple(slice(f, f + m * finer) for f, m in zip(first, body.shape, strict=True))
            density[where] += own.electron_density
            inside[where] += own.inside
        return Matter(density, np.minimum(inside, 1))


class Capillary(eqx.Module):
    """A tube along the axis of rotation, as long as the beam is high. `centre_m`: (y, x) of its middle at the angle 0."""

    inner_radius_m: float = 1.3e-6
    wall_m: float = 0.13e-6
    density: float = 0.66
    material: Material = Material(SILICA)
    centre_m: tuple[float, float] = (0.0, 0.0)

    def path(
        self, u: Float[np.ndarray, "frame n"], angle_rad: float, pixel_m: float
    ) -> Float[np.ndarray, "frame n"]:
        """Electrons along the beam, e/A^3 times metres, at the distances `u` (metres) from the axis of rotation."""
        y, x = self.centre_m
        distance = np.abs(u - x * np.cos(angle_rad) - y * np.sin(angle_rad))
        outer = chord(self.inner_radius_m + self.wall_m, distance, pixel_m)
        return self.density * (outer - chord(self.inner_radius_m, distance, pixel_m))

    def electron_density(self, shape: tuple[int, int, int], voxel_m: float) -> Float[np.ndarray, "z y x"]:
        """On the voxels of a scene, for comparison."""
        finer = 4
        _, y, x = grid(shape, voxel_m, finer)
        radius = np.hypot(y - self.centre_m[0], x - self.centre_m[1])
        wall: Bool[np.ndarray, "y x"] = (radius > self.inner_radius_m) & (
            radius < self.inner_radius_m + self.wall_m
        )
        share = wall.reshape(shape[1], finer, shape[2], finer).mean(axis=(1, 3))
        return np.broadcast_to((self.density * share).astype(np.float32), shape)
