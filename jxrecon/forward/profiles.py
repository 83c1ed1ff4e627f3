"""Shapes of reflections, of unit area, as functions of the distance x from the centre; widths are full ones at half maximum.

    Gaussian      2 / w sqrt(ln 2 / pi) exp(-4 ln 2 x^2 / w^2)
    Lorentzian    2 / (pi w) / (1 + 4 x^2 / w^2)
    pseudo-Voigt  eta Lorentzian + (1 - eta) Gaussian
    split         the two halves of pseudo-Voigts of widths w_l (left) and w_r, scaled to one height at the centre

The pseudo-Voigt itself is `kernels.profile_sum.pseudo_voigt`. Wertheim et al., Rev. Sci. Instrum. 45, 1369 (1974), doi
10.1063/1.1686503; Toraya, J. Appl. Cryst. 23, 485 (1990) (split).
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..kernels.profile_sum import GAUSSIAN, LORENTZIAN, STEEPNESS, pseudo_voigt
from .line_width import width_and_mixing

Values = Float[Array, "*#shape"]


def gaussian(distance: Values, width: Values) -> Values:
    return GAUSSIAN / width * jnp.exp(-STEEPNESS * (distance / width) ** 2)


def lorentzian(distance: Values, width: Values) -> Values:
    return LORENTZIAN / width / (1 + 4 * (distance / width) ** 2)


def thompson_cox_hastings(distance: Values, gaussian_width: Values, lorentzian_width: Values) -> Values:
    """The pseudo-Voigt that comes closest to a Gaussian convolved with a Lorentzian, within 1.3 % of its height."""
    return pseudo_voigt(distance, *width_and_mixing(gaussian_width, lorentzian_width))


def split_pseudo_voigt(distance: Values, left: Values, right: Values, mixing: Values) -> Values:
    """Width `left` below the centre, `right` above it."""
    width = jnp.where(distance < 0, left, right)
    return pseudo_voigt(distance, width, mixing) * (2 * width / (left + right))
