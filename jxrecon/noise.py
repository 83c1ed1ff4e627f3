"""Negative log-likelihoods of photon counts, per pixel, zero where prediction m and measurement y agree.

    Poisson     m - y + y log(y / m)              half the deviance
    Gaussian    (m - y)^2 / (2 (y + variance))    Neyman's variance of a count, plus the detector's own
    Amplitude   2 (sqrt(m) - sqrt(y))^2           the square root of a count has the variance 1/4

All agree to second order near m = y and scale linearly with the counts, so that data and flux multiplied by any number lead
along the same path, and a prior's weight has to be multiplied by it as well. To m and y both, `floor` times the mean count
of a pixel is added first: value and slope stay finite at zero counts, and m = y is still the minimum.

Thibault & Guizar-Sicairos, New J. Phys. 14, 063004 (2012), doi 10.1088/1367-2630/14/6/063004.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .objective import AbstractNoise


class Poisson(AbstractNoise):
    """Shot noise. `floor` is relative to the mean count of a pixel."""

    floor: float = 1e-6

    def __check_init__(self):
        _positive(self.floor, "floor")

    def __call__(self, predicted, measured, level):
        m, y = predicted + self.floor * level, measured + self.floor * level
        return m - y + y * _log_ratio(y, m)


class Gaussian(AbstractNoise):
    """Noise of variance counts + `read_noise`^2. `floor` is relative to the mean count of a pixel."""

    read_noise: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=0.0)
    floor: float = 1e-2

    def __check_init__(self):
        _positive(self.floor, "floor")

    def __call__(self, predicted, measured, level):
        variance = measured + self.read_noise**2 + self.floor * level
        return (predicted - measured) ** 2 / (2 * variance)


class Amplitude(AbstractNoise):
    """Least squares of amplitudes, the variance-stabilised Poisson noise. `floor` is relative to the mean count."""

    floor: float = 1e-9

    def __check_init__(self):
        _positive(self.floor, "floor")

    def __call__(self, predicted, measured, level):
        floor = self.floor * level
        return 2 * (jnp.sqrt(predicted + floor) - jnp.sqrt(measured + floor)) ** 2


def _log_ratio(y, m):
    """log(y / m) to the last digit near y = m, where in float32 a difference of logarithms of many counts is all rounding."""
    excess = (y - m) / m
    near = jnp.abs(excess) < 0.5
    return jnp.where(near, jnp.log1p(jnp.where(near, excess, 0.0)), jnp.log(y) - jnp.log(m))


def _positive(value: float, name: str) -> None:
    if not value > 0:
        raise ValueError(f"`{name}` is {value!r}; expected a number above 0, such as 1e-4.")
