"""What a laboratory diffractometer with a flat specimen (Bragg-Brentano) does to the place and shape of a reflection.

Emission lines of the tube: each has its wavelength, its share and its natural width (Lorentzian, relative), which is as wide as
(180/pi) 2 tan(theta) w in 2 theta.

Axial divergence. A ray that leaves the plane of the goniometer by the small angle alpha on its way to the specimen and by beta on
its way to the detector is counted, with s = alpha + beta and d = alpha - beta, at a 2 theta that is too large by

    s^2 / 4 tan(theta) - d^2 / 4 cot(theta)          (radians)

for one of the two signs of beta: cos(2 theta) = cos(2 phi) cos(alpha) cos(beta) - sin(alpha) sin(beta) to second order. Low
reflections get a tail to the left, those near 180 degrees to the right. Behind Soller slits of half opening m, alpha and beta are
spread evenly over -m ... m, so that s and d have triangular distributions of half width 2 m; they are taken as independent.

Flat specimen. A beam of equatorial divergence a meets a plane, not a circle: shifts e of density |e|^(-1/2) / 2 between
e_m = -(a^2 / 4) cot(theta) and 0. It is small beside the width of a reflection: mean e_m / 3 and variance 4 e_m^2 / 45 are taken.

Cheary & Coelho, J. Appl. Cryst. 31, 851 and 862 (1998), doi 10.1107/S0021889898006876; Wilson, Mathematical Theory of X-ray
Powder Diffractometry (1963); Hölzer et al., Phys. Rev. A 56, 4554 (1997), doi 10.1103/PhysRevA.56.4554.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .powder import COPPER_K_ALPHA

Number = float | int | Float[Array, ""]
# Wavelengths in metres, shares relative to the first, natural widths relative to the wavelength.
DOUBLET = tuple((wavelength, share, 0.0) for wavelength, share in COPPER_K_ALPHA)
_ENERGY_EV = (8047.8372, 8045.3672, 8027.9935, 8026.5041)
_WIDTH_EV = (2.285, 3.358, 2.666, 3.571)
_SHARE = (0.579, 0.080, 0.236, 0.105)
_PEAK_EV, _PEAK_M = 8047.8227, 1.5405929e-10  # of the whole K alpha 1: ties the energies to today's metre
COPPER_SPECTRUM = tuple(
    (_PEAK_M * _PEAK_EV / energy, share / _SHARE[0], width / energy)
    for energy, width, share in zip(_ENERGY_EV, _WIDTH_EV, _SHARE)
)
NODES = 12


def half_gauss(nodes: int) -> tuple[Float[np.ndarray, " node"], Float[np.ndarray, " node"]]:
    """Nodes between 0 and 1 and weights of the integral over them."""
    x, weight = np.polynomial.legendre.leggauss(nodes)
    return (x + 1) / 2, weight / 2


def axial_shifts_deg(
    two_theta_deg: Float[np.ndarray, " peak"], half_opening: Number, nodes: int = NODES
) -> tuple[Float[Array, "peak node"], Float[np.ndarray, " node"]]:
    """Shifts by axial divergence behind slits of this half opening (radians), and their weights."""
    alpha, weight = np.polynomial.legendre.leggauss(nodes)
    beta, weight_beta = half_gauss(max(nodes // 2, 1))  # the rest is the same with both signs turned
    s2 = np.square(alpha[:, None] + beta[None, :])
    d2 = np.square(alpha[:, None] - beta[None, :])
    tangent = np.tan(np.radians(two_theta_deg) / 2)[:, None, None]
    factors = np.degrees(s2 * tangent - d2 / tangent) / 4
    weights = (weight[:, None] * weight_beta[None, :]).reshape(-1)
    return jnp.asarray(factors.reshape(len(two_theta_deg), -1)) * jnp.square(half_opening), weights / 2


def flat_specimen_deg(
    two_theta_deg: Float[np.ndarray, " peak"], divergence_rad: float | int
) -> tuple[Float[np.ndarray, " peak"], Float[np.ndarray, " peak"]]:
    """Mean shift by the flatness of the specimen in a beam of this full divergence, and the width of as wide a Gaussian."""
    longest = np.degrees(divergence_rad**2 / 4 / np.tan(np.radians(two_theta_deg) / 2))
    return -longest / 3, np.sqrt(8 * np.log(2) * 4 / 45) * longest
