"""X-ray fluorescence of a specimen that is turned: maps of elements -> counts of each detector in windows around their lines.

    S(t, d, u, c) = i0(t, u) sum_u' h(u - u') A_t[ sum_l R(d, c, l) rho_e(l)(r) F_t,d,l(r) ](u')
    F_t,d,l(r) = exp( -int_(source..r) mu(E0) ) mean_rays exp( -int_(r..detector d) mu(E_l) )
    mu(E) = sum_e rho_e (mu/rho)_e(E)

rho_e is the concentration of the element e in g/cm^3, l a line of it with the energy E_l, A_t the ray transform of
`kernels.ray_transform`, h the beam's profile in steps of the scan, i0 the monitor. R are counts for a voxel of 1 g/cm^3: photons
times solid angle times cross-section times the share of the line in the window c. F is what survives: mu is linear in the
concentrations, and line integrals along any direction are cumulative sums on a grid turned into that direction.

Lithium and oxygen are not seen. What comes with every atom that is seen may be said (`absorption`, `companion`), and joins mu.

For a given F the measurement is linear, and its transpose exact. One view at a time: memory does not grow with their number,
but for `survivals`, which keeps F for those who apply it many times.

de Jonge & Vogt, Curr. Opin. Struct. Biol. 20, 606 (2010), doi 10.1016/j.sbi.2010.09.002; Hogan, Gonsalves & Krieger, IEEE Trans.
Nucl. Sci. 38, 1721 (1991), doi 10.1109/23.124168 (self-absorption in fluorescence tomography)
"""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from ..kernels.ray_transform import middle, project
from .emission_lines import mass_attenuation_cm2_g
from .material import Material

CM_PER_M = 100.0
SIGMA = 1 / np.sqrt(8 * np.log(2))  # of a full width at half maximum


def bilinear(
    plane: Float[Array, "a b c"], a: Float[Array, "*at"], b: Float[Array, "*at"]
) -> Float[Array, "*at c"]:
    """Values between the points of a plane, zero beyond its rim."""
    rows, columns, _ = plane.shape
    flat = plane.reshape(rows * columns, -1)
    total = jnp.zeros((*a.shape, flat.shape[1]), plane.dtype)
    first = jnp.floor(a), jnp.floor(b)
    for down in (0, 1):
        for right in (0, 1):
            i, j = first[0] + down, first[1] + right
            weight = (1 - jnp.abs(a - i)) * (1 - jnp.abs(b - j))
            inside = (i >= 0) & (i < rows) & (j >= 0) & (j < columns)
            at = jnp.where(inside, i * columns + j, 0).astype(jnp.int32)
            total = total + jnp.where(inside, weight, 0)[..., None] * flat[at]
    return total


def _pooled(plane: Float[Array, "y x c"], by: int) -> Float[Array, "_ _ c"]:
    """Means over blocks, about the middle of the plane."""
    if by == 1:
        return plane
    extra = [-n % by for n in plane.shape[:2]]
    padded = jnp.pad(plane, [*((e // 2, e - e // 2) for e in extra), (0, 0)])
    y, x, c = padded.shape
    return padded.reshape(y // by, by, x // by, by, c).mean(axis=(1, 3))


def path_integrals(
    mu: Float[Array, "y x c"], direction: Float[Array, ""], coarse: int = 1
) -> Float[Array, "y x c"]:
    """int mu dl from the middle of every voxel outwards along (x, y) = (cos, sin) of the direction; mu per voxel length.

    On a turned grid of steps of `coarse` voxels, where an integral is a cumulative sum; exact to second order in the step.
    """
    rows, columns, _ = mu.shape
    small = _pooled(mu, coarse)
    off = [-n % coarse % 2 / 2 for n in (rows, columns)]  # half a voxel, where the padding is uneven
    n = int(np.ceil(np.hypot(small.shape[0], small.shape[1]))) + 2
    cos, sin = jnp.cos(direction), jnp.sin(direction)
    along, across = jnp.arange(n)[:, None] - middle(n), jnp.arange(n) - middle(n)
    y, x = along * sin + across * cos, along * cos - across * sin
    turned = bilinear(small, y + middle(small.shape[0]), x + middle(small.shape[1]))
    later = jnp.cumsum(turned[::-1], axis=0)[::-1] - turned / 2
    y = (jnp.arange(rows)[:, None] - middle(rows) - off[0]) / coarse
    x = (jnp.arange(columns) - middle(columns) - off[1]) / coarse
    return coarse * bilinear(later, y * sin + x * cos + middle(n), y * cos - x * sin + middle(n))


def beam_matrix(width: int, fwhm: float | int) -> Float[np.ndarray, "u u"]:
    """What a Gaussian beam (full width at half maximum in steps; 0: a needle) at each step sees of the others."""
    steps = np.arange(width)
    if fwhm <= 0:
        return np.eye(width)
    far = steps[-1] if width > 1 else 0
    taps = np.exp(-0.5 * (np.arange(-far, far + 1) / (SIGMA * fwhm)) ** 2)
    return np.exp(-0.5 * ((steps[:, None] - steps) / (SIGMA * fwhm)) ** 2) / taps.sum()


def absorption(
    elements: Sequence[str], energies_keV: Sequence[float], voxel_m: float, companion: str | None = None
) -> Float[np.ndarray, "element energy"]:
    """mu per voxel length and g/cm^3 of each element, with the atoms that come with each of its atoms (`Li1.41O2.41`)."""
    found = np.empty((len(elements), len(energies_keV)))
    for k, element in enumerate(elements):
        for j, energy in enumerate(energies_keV):
            found[k, j] = mass_attenuation_cm2_g(element, energy)
            if companion is not None:
                ratio = Material(companion).molar_mass_g() / Material(element).molar_mass_g()
                found[k, j] += ratio * mass_attenuation_cm2_g(companion, energy)
    return found * voxel_m * CM_PER_M


Survival = Float[Array, "detector y x z line"]


class Fluorescence(eqx.Module):
    """See the head. Angles in radians; a detector's `direction` is counted from the beam's, from x to y, and has several rays
    where its solid angle is wide. Detectors at -90 and +90 degrees look on the sides of large and of small u.

    element   of each line; response  counts per g/cm^3 in a voxel; width  number of steps u
    coarse    voxels per step of the absorbing paths, of which 2 costs a quarter and is enough for smooth specimens
    """

    angle: Float[Array, " view"]
    shift: Float[Array, " view"]
    monitor: Float[Array, "view u"]
    direction: Float[Array, "detector ray"]
    response: Float[Array, "detector channel line"]
    absorption_in: Float[Array, " element"]
    absorption_out: Float[Array, "element line"]
    beam: Float[Array, "u u"]
    element: tuple[int, ...] = eqx.field(static=True)
    width: int = eqx.field(static=True)
    coarse: int = eqx.field(static=True, default=1)

    def survival(
        self, amount: Float[Array, "y x z element"], angle: Float[Array, ""]
    ) -> Float[Array, "detector y x z line"]:
        """F of one view, of light that comes along and lines that go out."""
        y, x, z, _ = amount.shape
        mu_in = amount @ self.absorption_in
        mu_out = (amount @ self.absorption_out).reshape(y, x, -1)
        beam = angle + jnp.pi / 2
        lit = jnp.exp(-path_integrals(mu_in, beam + jnp.pi, self.coarse))

        def seen(ray):
            return jnp.exp(-path_integrals(mu_out, beam + ray, self.coarse))

        escaped = jax.lax.map(seen, self.direction.reshape(-1))
        escaped = escaped.reshape(*self.direction.shape, *mu_out.shape).mean(1)
        return lit[..., None] * escaped.reshape(-1, y, x, z, self.absorption_out.shape[1])

    def view(self, amount, survival: Survival, angle, shift, monitor) -> Float[Array, "detector u z channel"]:
        """Counts of one view, linear in `amount`."""
        y, x, z, _ = amount.shape
        lines = amount[..., np.array(self.element)]
        emitted = jnp.einsum("dyxzl,yxzl,dcl->yxdzc", survival, lines, self.response)
        detectors, channels, _ = self.response.shape
        rays = project(emitted.reshape(y, x, -1), angle[None], shift[None], width=self.width)[0]
        rays = monitor[:, None] * (self.beam @ rays)
        return rays.reshape(self.width, detectors, z, channels).swapaxes(0, 1)

    def survivals(self, amount: Float[Array, "y x z element"]) -> Float[Array, "view detector y x z line"]:
        """F of all views: a volume for each view, detector and line."""
        return jax.lax.map(lambda angle: self.survival(amount, angle), self.angle)

    def linear(
        self, amount: Float[Array, "y x z element"], survivals: Float[Array, "view detector y x z line"]
    ) -> Float[Array, "view detector u z channel"]:
        """Expected counts with what survives given."""
        each = self.angle, self.shift, self.monitor, survivals
        return jax.lax.map(lambda v: self.view(amount, v[3], *v[:3]), each)

    def __call__(
        self,
        amount: Float[Array, "y x z element"],
        attenuating: Float[Array, "y x z element"] | None = None,
    ) -> Num[Array, "view detector u z channel"]:
        """Expected counts; `attenuating`: the concentrations that absorb, where they are known better or shall stand still."""
        absorber = amount if attenuating is None else attenuating

        @jax.checkpoint
        def one(v):
            return self.view(amount, self.survival(absorber, v[0]), *v)

        return jax.lax.map(one, (self.angle, self.shift, self.monitor))
