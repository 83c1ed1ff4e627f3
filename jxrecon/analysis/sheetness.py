"""How much more pore lies in a thin disc about each voxel than around it: cracks that cross porous and dense layers.

A particle's pores lie in onion layers; a crack runs across them, from the core outwards. The share s(x) of pore that a voxel's
layer leads one to expect is the mean b(x) over a disc at right angles to the radius. In a disc of the normal n, a Gaussian K
of a thickness of 1.2 voxels and a spread of 9 voxels (standard deviations, sum 1), the excess

    z_n(x) = sum_y K w (s - b) / sqrt(sum_y (K w)^2 b (1 - b)),     w = 1 / (b (1 - b) + 0.03)

counts dense layers most, where hardly anything but a crack is open, and carries across porous ones. The score is the largest
z_n over normals that a sheet along the radius can have (|n . r| < 0.4; all within a spread of the core). In standard
deviations of voxels that are open by chance each on its own; pores are larger than voxels, so that scores of up to about 8
come by chance.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Complex, Float, Int
from scipy import fft, ndimage

NORMALS = 60
THICKNESS = 1.2
SPREAD = 9.0
LAYER = (1.0, 6.0)  # thickness and spread of the disc that shows a voxel's layer
LEAN = 0.4
FLOOR = 0.03


@dataclasses.dataclass(frozen=True)
class Sheetness:
    """score: of the best disc; normal: its number in `directions(NORMALS)`; radius: 0 in the core, 1 at the surface."""

    score: Float[np.ndarray, "z y x"]
    normal: Int[np.ndarray, "z y x"]
    radius: Float[np.ndarray, "z y x"]


def directions(count: int) -> Float[np.ndarray, "count 3"]:
    """Unit vectors (z, y, x) spread evenly over half of the sphere (golden spiral)."""
    number = np.arange(count) + 0.5
    z, angle = number / count, np.pi * (1 + 5**0.5) * number
    side = np.sqrt(1 - z**2)
    return np.stack([z, side * np.sin(angle), side * np.cos(angle)], axis=1).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class Discs:
    """Means over Gaussian discs by FFT, the volume padded by 0."""

    shape: tuple[int, int, int]
    padded: tuple[int, int, int]
    wave: list[np.ndarray]
    squared: np.ndarray

    def spectrum(self, volume: Float[np.ndarray, "z y x"]) -> Complex[np.ndarray, "_ _ _"]:
        return np.asarray(fft.rfftn(volume.astype(np.float32), self.padded, workers=-1))

    def mean(
        self,
        spectrum: Complex[np.ndarray, "_ _ _"],
        normal: Float[np.ndarray, "3"],
        size: tuple[float, float],
    ) -> Float[np.ndarray, "z y x"]:
        """size: standard deviations along the normal and across."""
        along, across = size
        part = sum(k * float(n) for k, n in zip(self.wave, normal)) ** 2
        kernel = np.exp((part * (across**2 - along**2) - self.squared * across**2) / 2)
        return np.asarray(fft.irfftn(spectrum * kernel, self.padded, workers=-1))[
            tuple(slice(n) for n in self.shape)
        ]


def discs(shape: tuple[int, int, int], spread: float) -> Discs:
    wanted = [int(n + 3 * spread) for n in shape]
    size_z, size_y, size_x = (int(fft.next_fast_len(n, real=True) or n) for n in wanted)
    padded = size_z, size_y, size_x
    z, y, x = fft.fftfreq(padded[0]), fft.fftfreq(padded[1]), fft.rfftfreq(padded[2])
    axes = (z[:, None, None], y[:, None], x)
    wave = [(2 * np.pi * a).astype(np.float32) for a in axes]
    return Discs(shape, padded, wave, wave[0] ** 2 + wave[1] ** 2 + wave[2] ** 2)


def outward(
    particle: Bool[np.ndarray, "z y x"],
) -> tuple[Float[np.ndarray, "z y x 3"], Float[np.ndarray, "z y x"]]:
    """Unit vectors away from the particle's centre of mass, and the distance from it in voxels."""
    centre = ndimage.center_of_mass(particle)
    axes = (np.arange(n, dtype=np.float32) - c for n, c in zip(particle.shape, centre))
    place = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    distance = np.linalg.norm(place, axis=-1)
    return (place / np.maximum(distance, 1e-3)[..., None]).astype(np.float32), distance


def relative_radius(
    particle: Bool[np.ndarray, "z y x"], distance: Float[np.ndarray, "z y x"]
) -> Float[np.ndarray, "z y x"]:
    """r / (r + depth under the surface), r from the centre."""
    depth = np.asarray(ndimage.distance_transform_edt(np.pad(particle, 1)))[1:-1, 1:-1, 1:-1]
    return distance / np.maximum(distance + depth, 1e-3)


def expected(
    share: Float[np.ndarray, "z y x"],
    particle: Bool[np.ndarray, "z y x"],
    away: Float[np.ndarray, "z y x 3"],
) -> Float[np.ndarray, "z y x"]:
    """Mean share of pore in each voxel's layer."""
    means = discs(share.shape, LAYER[1])
    pores, inside = means.spectrum(share * particle), means.spectrum(particle.astype(np.float32))
    found, best = np.zeros_like(share), np.full_like(share, -1)
    for normal in directions(NORMALS):
        along = np.abs(away @ normal)
        better = along > best
        best[better] = along[better]
        mean = means.mean(pores, normal, LAYER) / np.maximum(means.mean(inside, normal, LAYER), 0.05)
        found[better] = mean[better]
    return np.clip(found, 0, 1)


def sheetness(
    share: Float[np.ndarray, "z y x"], particle: Bool[np.ndarray, "z y x"], spread: float = SPREAD
) -> Sheetness:
    """Of shares of pore within the particle; about 100 Fourier transforms of the volume."""
    share = np.where(particle, share, 0).astype(np.float32)
    away, distance = outward(particle)
    usual = expected(share, particle, away)
    chance = usual * (1 - usual)
    weight = particle / (chance + FLOOR)
    means = discs(share.shape, spread)
    excess = means.spectrum(weight * (share - usual))
    noise = means.spectrum(weight**2 * (chance + FLOOR))
    # K^2 is a disc of sizes smaller by sqrt(2), of the sum 1 / ((4 pi)^(3/2) thickness spread^2).
    narrow = THICKNESS / 2**0.5, spread / 2**0.5
    sum_of_squares = 1 / ((4 * np.pi) ** 1.5 * THICKNESS * spread**2)
    score, number = np.full_like(share, -np.inf), np.zeros(share.shape, np.int16)
    most = np.maximum(LEAN, np.minimum(1, 6 / np.maximum(distance, 1)))
    for k, normal in enumerate(directions(NORMALS)):
        variance = np.maximum(means.mean(noise, normal, narrow), 1e-3) * sum_of_squares
        z = means.mean(excess, normal, (THICKNESS, spread)) / np.sqrt(variance)
        better = (z > score) & (np.abs(away @ normal) < most)
        score[better], number[better] = z[better], k
    return Sheetness(score, number, relative_radius(particle, distance))
