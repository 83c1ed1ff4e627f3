"""A smooth Gaussian random field that belongs to no grid: a sum of plane waves with random wave vectors (Fourier features).

    g(r) = sqrt(2 / K) sum_k cos(k_k r + phase_k),   k_k normal with variance 1 / length^2,

which has unit variance and, for many waves, the correlation exp(-r^2 / (2 length^2)).
Rahimi & Recht, Random features for large-scale kernel machines, NIPS 20 (2007).
"""

import dataclasses

import numpy as np
from jaxtyping import Float

BLOCK = 1024  # points at once: their waves stay in the cache, and their product below what BLAS would start threads for


@dataclasses.dataclass(frozen=True)
class RandomField:
    """The waves of one such field; wave vectors (y, x), or (z, y, x), in radians per unit of length."""

    wavevector: Float[np.ndarray, "k axes"]
    phase: Float[np.ndarray, " k"]

    def __call__(self, y: Float[np.ndarray, " v"], x: Float[np.ndarray, " u"]) -> Float[np.ndarray, "v u"]:
        """A field of two axes on a grid."""
        # A cosine of a sum is a sum of products: one small matrix product instead of a cosine per pixel and wave.
        a, b = np.outer(y, self.wavevector[:, 0]) + self.phase, np.outer(self.wavevector[:, 1], x)
        waves = np.hstack([np.cos(a), -np.sin(a)]) @ np.vstack([np.cos(b), np.sin(b)])
        return np.sqrt(2 / len(self.phase)) * waves

    def at(self, points: Float[np.ndarray, "point axes"]) -> Float[np.ndarray, " point"]:
        """The field at any points, in their precision."""
        wavevector, phase = (a.astype(points.dtype) for a in (self.wavevector.T, self.phase))
        amplitude = np.full(len(phase), np.sqrt(2 / len(phase)), points.dtype)
        found = np.empty(len(points), points.dtype)
        for start in range(0, len(points), BLOCK):
            here = slice(start, start + BLOCK)
            waves = points[here] @ wavevector
            waves += phase
            found[here] = np.cos(waves, out=waves) @ amplitude
        return found


def draw_field(rng: np.random.Generator, length: float, *, waves: int, axes: int = 2) -> RandomField:
    """A field of this correlation length."""
    return RandomField(rng.standard_normal((waves, axes)) / length, rng.uniform(0, 2 * np.pi, waves))
