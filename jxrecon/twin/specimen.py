"""A specimen that can be looked at on any grid: its transmission is a function of coordinates, averaged over each pixel.

With the projected thickness t of a material of refractive index n = 1 - delta + i beta, and k = 2 pi / lambda,

    T = exp(i k t (-delta + i beta))

so that the phase is negative where there is matter. Coordinates and thicknesses in metres; the grid is a product of two
vectors, along y and along x, and its pixel is their step.
"""

import abc
from collections.abc import Callable

import equinox as eqx
import numpy as np
from jaxtyping import Complex, Float

Transmission = Callable[[np.ndarray, np.ndarray], np.ndarray]


class AbstractSpecimen(eqx.Module):
    """A thin specimen of one material. `delta` and `beta` belong to the photon energy of the experiment."""

    delta: eqx.AbstractVar[float]
    beta: eqx.AbstractVar[float]

    @abc.abstractmethod
    def thickness(self, rng: np.random.Generator) -> Transmission:
        """Draw what is random about the specimen and return its projected thickness (y, x) -> metres, (v u)."""

    def transmission(self, rng: np.random.Generator, wavelength_m: float) -> Transmission:
        """As `thickness`, but the complex transmission, (v u)."""
        thickness = self.thickness(rng)
        return lambda y, x: transmission(thickness(y, x), self.delta, self.beta, wavelength_m)


def transmission(
    thickness_m: Float[np.ndarray, "v u"], delta: float, beta: float, wavelength_m: float
) -> Complex[np.ndarray, "v u"]:
    """exp(i k t (-delta + i beta))."""
    return np.exp(2 * np.pi / wavelength_m * (-beta - 1j * delta) * thickness_m)


def pixel_of(y: Float[np.ndarray, " v"], x: Float[np.ndarray, " u"]) -> float:
    """The larger step of the grid, which edges are softened by."""
    return float(max(abs(y[1] - y[0]), abs(x[1] - x[0])))


def chord(radius: float, distance: Float[np.ndarray, "v u"], pixel: float) -> Float[np.ndarray, "v u"]:
    """Path 2 sqrt(R^2 - d^2) through a ball, averaged over one pixel.

    The mean of sqrt(s)+ over an interval of width h about s is ((s + h/2)+^(3/2) - (s - h/2)+^(3/2)) 2 / (3 h). Along the radius
    h = 2 d pixel; s = R^2 - d^2 - pixel^2 / 6, as the mean of a squared distance over a pixel is larger than at its centre.
    """
    s = radius**2 - distance**2 - pixel**2 / 6
    h = np.maximum(2 * distance, 0.1 * pixel) * pixel
    upper, lower = np.maximum(s + h / 2, 0), np.maximum(s - h / 2, 0)
    return 4 / (3 * h) * (upper * np.sqrt(upper) - lower * np.sqrt(lower))


def inside(distance: np.ndarray, pixel: float) -> np.ndarray:
    """Share of a pixel on the inner side of an edge, from the signed distance of its centre (positive inside)."""
    return np.clip(distance / pixel + 0.5, 0, 1)
