"""What a powder pattern is made of: pseudo-Voigt peaks on a smooth background, free or held together by the lattice.

    f(x) = sum_i A_i [ eta_i L_i(x) + (1 - eta_i) G_i(x) ] + sum_j b_j T_j(x)

L and G have unit area and the same full width w at half maximum, t = (x - x_i) / w:

    L = (2 / pi w) / (1 + 4 t^2)          G = (2 / w) sqrt(ln 2 / pi) exp(-4 ln 2 t^2)

T_j: Chebyshev polynomials over the measured range. Areas and background are linear and need no start. A centre is a reference
(double precision, on the host) plus an offset. `FreePeaks` gives each peak an offset of its own; in `LatticePeaks` all
offsets follow from the strain of one cell (`forward.powder`).

Angles in degrees of 2 theta. Wertheim et al., Rev. Sci. Instrum. 45, 1369 (1974), doi 10.1063/1.1686503.
"""

import abc
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..forward.cell import Cell, bragg_deg
from ..forward.powder import offset_deg
from .small_matrices import solved

GAUSSIAN = 2 * math.sqrt(math.log(2) / math.pi)  # height times width of a Gaussian of unit area


class Profile(eqx.Module):
    """Form of the peaks: first width, and what is allowed. A range of one value holds the parameter there."""

    fwhm_deg: float = 0.2
    fwhm_range_deg: tuple[float, float] = (0.03, 1.5)
    eta: float = 0.5
    eta_range: tuple[float, float] = (0.0, 1.0)
    positive_area: bool = False

    def __check_init__(self):
        for name, value, (low, high) in (
            ("fwhm_deg", self.fwhm_deg, self.fwhm_range_deg),
            ("eta", self.eta, self.eta_range),
        ):
            if not low <= value <= high:
                raise ValueError(f"`{name}` = {value:g} starts outside of its range {low:g} to {high:g}.")
        if self.fwhm_range_deg[0] <= 0:
            raise ValueError(f"`fwhm_range_deg` begins at {self.fwhm_range_deg[0]:g}; expected more than 0.")


class AbstractPeaks(eqx.Module):
    """Peaks and what ties them together. Parameters, in this order: those of the places, widths, mixings eta."""

    reference_deg: eqx.AbstractVar[tuple[float, ...]]  # centres for zero offset
    search_deg: eqx.AbstractVar[float]  # how far a centre may be from its reference
    profile: eqx.AbstractVar[Profile]
    background: eqx.AbstractVar[int]  # terms

    @abc.abstractmethod
    def offset(
        self, place: Float[Array, "parameter pattern"]
    ) -> tuple[Float[Array, "peak pattern"], Float[Array, "peak parameter pattern"]]:
        """Offsets (degrees) of all centres, and their derivatives with respect to the place parameters."""

    @abc.abstractmethod
    def place(
        self, offset: Float[Array, "peak pattern"], weight: Float[Array, "peak pattern"]
    ) -> Float[Array, "parameter pattern"]:
        """Place parameters that explain offsets seen with these weights: where a fit starts."""

    @abc.abstractmethod
    def place_bounds(self) -> tuple[Float[np.ndarray, " parameter"], Float[np.ndarray, " parameter"]]:
        """Lowest and highest place parameters."""


def _degrees(values) -> tuple[float, ...]:
    return tuple(float(v) for v in np.ravel(values))


def _indices(rows) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(i) for i in row) for row in rows)


class FreePeaks(AbstractPeaks):
    """Every peak for itself."""

    reference_deg: tuple[float, ...] = eqx.field(converter=_degrees)
    search_deg: float = 0.5
    profile: Profile = Profile()
    background: int = 2

    def offset(self, place):
        one = jnp.eye(len(self.reference_deg), dtype=place.dtype)[:, :, None]
        return place, jnp.broadcast_to(one, (*one.shape[:2], place.shape[1]))

    def place(self, offset, weight):
        return offset

    def place_bounds(self):
        bound = np.full(len(self.reference_deg), self.search_deg)
        return -bound, bound


class LatticePeaks(AbstractPeaks):
    """Centres from the strain of one cell: relative changes of its free lengths, then radians of its free angles."""

    hkl: tuple[tuple[int, ...], ...] = eqx.field(converter=_indices)
    cell: Cell  # for zero strain
    wavelength_m: float
    search_deg: float = 0.5
    profile: Profile = Profile()
    background: int = 2
    largest_strain: float = 0.1

    def __check_init__(self):
        if len(self.hkl) < len(self.cell.free):
            raise ValueError(
                f"`hkl` has {len(self.hkl)} reflections, too few for {', '.join(self.cell.free)}: give more, or take `FreePeaks`."
            )

    @property
    def reference_deg(self) -> tuple[float, ...]:
        return tuple(bragg_deg(np.array(self.hkl), self.cell, self.wavelength_m).tolist())

    def offset(self, place):
        def offset(strain):
            return offset_deg(strain.T, np.array(self.hkl), self.cell, self.wavelength_m).T

        axes = jnp.eye(len(place), dtype=place.dtype)[:, :, None] * jnp.ones_like(place)
        tangent = [jax.jvp(offset, (place,), (axis,))[1] for axis in axes]
        return offset(place), jnp.stack(tangent, axis=1)

    def place(self, offset, weight):
        _, tangent = self.offset(jnp.zeros((len(self.cell.free), offset.shape[1]), offset.dtype))
        weighted = tangent * weight[:, None]
        curvature = jnp.sum(weighted[:, :, None] * tangent[:, None], axis=0)
        return solved(curvature, jnp.sum(weighted * offset[:, None], axis=0))[0]

    def place_bounds(self):
        bound = np.full(len(self.cell.free), self.largest_strain)
        return -bound, bound


def pseudo_voigt_and_slopes(
    distance: Float[Array, "*#shape"], width: Float[Array, "*#shape"], eta: Float[Array, "*#shape"]
) -> tuple[Float[Array, "*#shape"], ...]:
    """The profile of unit area, and its derivatives with respect to centre, width and eta."""
    inverse = 1 / width
    t = distance * inverse
    lorentz = 1 / (1 + 4 * t * t)
    gauss = jnp.exp(-4 * math.log(2) * t * t)
    l, g = 2 / math.pi * inverse * lorentz, GAUSSIAN * inverse * gauss
    value = eta * l + (1 - eta) * g
    fall = 8 * t * (eta * l * lorentz + (1 - eta) * math.log(2) * g)
    return value, fall * inverse, (t * fall - value) * inverse, l - g
