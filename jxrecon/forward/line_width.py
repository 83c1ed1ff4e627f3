"""How wide a reflection is: instrument, crystallite size, microstrain, and the pseudo-Voigt that they make together.

    Gamma_G^2 = U tan^2 theta + V tan theta + W + P / cos^2 theta            instrument (Caglioti et al.)
    Gamma_L   = (180/pi) K lambda / (D cos theta)                            crystallites of size D (Scherrer), K = 0.9
              + (180/pi) 4 eps tan theta                                     strain eps = |dd|/d (Stokes & Wilson)
    eps^2     = eps_a^2 sin^4 phi + eps_c^2 cos^4 phi,   cos phi = l d / c   of layered crystals

Full widths at half maximum in degrees of 2 theta. Of a Gaussian and a Lorentzian width G and L, Thompson, Cox & Hastings make

    Gamma^5 = G^5 + 2.69269 G^4 L + 2.42843 G^3 L^2 + 4.47163 G^2 L^3 + 0.07842 G L^4 + L^5,
    eta = 1.36603 q - 0.47719 q^2 + 0.11116 q^3,      q = L / Gamma

and the other way round  G / Gamma = (1 - 0.74417 eta - 0.24781 eta^2 - 0.00810 eta^3)^(1/2),
L / Gamma = 0.72928 eta + 0.19289 eta^2 + 0.07783 eta^3.

Caglioti, Paoletti & Ricci, Nucl. Instrum. 3, 223 (1958), doi 10.1016/0369-643X(58)90029-X; Scherrer, Nachr. Ges. Wiss. Goettingen
98 (1918); Stokes & Wilson, Proc. Phys. Soc. 56, 174 (1944), doi 10.1088/0959-5309/56/3/303; Thompson, Cox & Hastings, J. Appl.
Cryst. 20, 79 (1987), doi 10.1107/S0021889887087090.
"""

import functools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..numerics import safe
from .cell import Cell, cosine_to_c

Number = float | int | Float[Array, "*#voxel"]
Angles = Float[np.ndarray, " peak"]

# Widths and strains below are taken for these: derivatives stay finite where a part of the width vanishes.
SMALLEST_DEG = 1e-7
SMALLEST_STRAIN = 1e-8
WIDTH = (1.0, 2.69269, 2.42843, 4.47163, 0.07842, 1.0)
MIXING = (1.36603, -0.47719, 0.11116)


def _half(two_theta_deg: Angles) -> np.ndarray:
    return np.radians(two_theta_deg) / 2


def _by_peak(values, factors: np.ndarray):
    """(*voxel, peak) products."""
    values = jnp.asarray(values)
    return values[..., None] * jnp.asarray(factors, values.dtype)


def caglioti_deg(
    two_theta_deg: Angles, u: Number, v: Number, w: Number, p: Number = 0.0
) -> Float[Array, "*voxel peak"]:
    """Gaussian width of the instrument; U, V, W, P in degrees squared."""
    tangent, cosine = np.tan(_half(two_theta_deg)), np.cos(_half(two_theta_deg))
    factors = (tangent**2, tangent, np.ones_like(tangent), cosine**-2)
    square = sum(_by_peak(value, f) for value, f in zip((u, v, w, p), factors))
    return jnp.sqrt(jnp.maximum(square, SMALLEST_DEG**2))


def size_deg(
    two_theta_deg: Angles, crystallite_m: Number, wavelength_m: float, shape: float = 0.9
) -> Float[Array, "*voxel peak"]:
    """Lorentzian width of small crystallites; `shape` is Scherrer's K."""
    return _by_peak(
        wavelength_m / jnp.asarray(crystallite_m), np.degrees(shape / np.cos(_half(two_theta_deg)))
    )


def strain_deg(two_theta_deg: Angles, strain: Float[Array, "*#voxel #peak"]) -> Float[Array, "*voxel peak"]:
    """Lorentzian width by microstrain, one for each reflection or one for all."""
    return strain * jnp.asarray(np.degrees(4 * np.tan(_half(two_theta_deg))), strain.dtype)


def layered_strain(
    hkl: np.ndarray, cell: Cell, strain_a: Float[Array, "*voxel"], strain_c: Float[Array, "*voxel"]
) -> Float[Array, "*voxel peak"]:
    """eps of every reflection from the strains within the layers and across them."""
    cosine2 = cosine_to_c(hkl, cell) ** 2
    square = _by_peak(strain_a**2, (1 - cosine2) ** 2) + _by_peak(strain_c**2, cosine2**2)
    return safe.sqrt(square, SMALLEST_STRAIN**2)


def in_quadrature(*widths: Float[Array, "*#shape"]) -> Float[Array, "*#shape"]:
    """Of Gaussian parts: their squares add."""
    return safe.sqrt(functools.reduce(jnp.add, (w**2 for w in widths)), SMALLEST_DEG**2)


def width_and_mixing(
    gaussian: Float[Array, "*#shape"], lorentzian: Float[Array, "*#shape"]
) -> tuple[Float[Array, "*#shape"], Float[Array, "*#shape"]]:
    """Gamma and eta of Thompson, Cox & Hastings; finite derivatives where one width or both are zero.

    Gamma is up to 0.44 % below the width of the true Voigt profile, from which the pseudo-Voigt differs by up to 1.3 % of its
    height, both where the Lorentzian is somewhat narrower than the Gaussian.
    """
    total = gaussian + lorentzian + SMALLEST_DEG
    # Relative to the sum of both no power is out of range, and the fifth root is never taken at zero.
    l = lorentzian / total
    g = 1 - l
    ratio = sum(factor * g ** (5 - k) * l**k for k, factor in enumerate(WIDTH)) ** 0.2
    q = l / ratio
    return total * ratio, q * (MIXING[0] + q * (MIXING[1] + q * MIXING[2]))


def gaussian_and_lorentzian(
    width: Float[Array, "*#shape"], mixing: Float[Array, "*#shape"]
) -> tuple[Float[Array, "*#shape"], Float[Array, "*#shape"]]:
    """The widths of which a fitted pseudo-Voigt is made: inverse of `width_and_mixing` within 0.3 % of the width."""
    square = 1 - mixing * (0.74417 + mixing * (0.24781 + mixing * 0.00810))
    gaussian = width * safe.sqrt(jnp.maximum(square, 0), 1e-12)
    return gaussian, width * mixing * (0.72928 + mixing * (0.19289 + mixing * 0.07783))
