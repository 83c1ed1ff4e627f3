"""Scanning powder diffraction of a specimen that is turned: maps of the lattice -> patterns of voxels -> patterns of rays.

    y(t, v, u, x) = i0(t, v, u) { exp(-T_t mu(u, v)) sum_u' h(u - u') A_t[ I + zeta_t / L  dI/d(nearer) ](u', v, x) + b }

I(r, x) is the pattern of voxel r in counts per channel, A_t the ray transform of `kernels.ray_transform` at the angle t, with
the channels of all slices in the place of z, h the profile of the beam along u in steps of the scan, i0 the monitor, mu the
absorption per voxel: the way in and, for small 2 theta, the way out add up to the whole ray, so one factor for each ray is
left. Where the way in alone is asked for, it is a factor of each voxel in each view. b is what air and glass scatter.

Parallax: what lies downstream of the axis by zeta = -x sin t + y cos t is nearer to a detector at the distance L, which moves
its peaks (`forward.powder.parallax_deg`). To first order that is a second pattern, dI/d(nearer), and as zeta is linear in x
and y it takes two more transforms, of x dI and y dI, and not a volume for each angle.

Intensities that depend on the angle (`angular_factors`) are further patterns, each with a transform of its own.

With one angle, and maps of one row (y = 1), the same model is a scan of a thin specimen: u = x, v = z.

Channels far from all peaks may be taken together (`Bins`): sums of Poisson counts are Poisson counts, at half the cost or less.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..kernels.ray_transform import middle, project
from ..lattice import Lattice
from .angular_factors import AngularFactors
from .fluorescence import path_integrals
from .powder import Powder, parallax_deg

# Of the detector's distance: peaks move by a few hundredths of a degree, a part of their width, between two patterns whose
# difference is dI/d(nearer).
NEARER = 1e-3


class Bins(eqx.Module):
    """Neighbouring channels that are taken together: runs of (first channel, number of bins, channels in each)."""

    runs: tuple[tuple[int, int, int], ...] = eqx.field(static=True)

    def __call__(self, values: Float[Array, "*any channel"]) -> Float[Array, "*any bin"]:
        """Sums."""
        parts = []
        for first, bins, size in self.runs:
            # Of slices with a stride: with a reduction XLA computes what stands before it once for every run.
            slices = [values[..., first + k : first + bins * size : size] for k in range(size)]
            parts.append(sum(slices[1:], start=slices[0]))
        return jnp.concatenate(parts, axis=-1)


def single_channels(channels: int) -> Bins:
    """Every channel for itself."""
    return Bins(((0, channels, 1),))


def bins_around(
    two_theta_deg: Float[np.ndarray, " channel"],
    centre_deg: Float[np.ndarray, " peak"],
    half_width_deg: float | int,
    together: int = 8,
) -> Bins:
    """Single channels within `half_width_deg` of a peak, up to `together` in one elsewhere."""
    near = np.any(np.abs(two_theta_deg[:, None] - centre_deg) <= half_width_deg, axis=1)
    edges = [0, *(np.flatnonzero(np.diff(near.astype(int))) + 1).tolist(), near.size]
    runs = []
    for first, stop in zip(edges, edges[1:]):
        size = 1 if near[first] else together
        whole, rest = divmod(stop - first, size)
        runs += [(first, whole, size)] * bool(whole) + [(stop - rest, 1, rest)] * bool(rest)
    return Bins(tuple(runs))


def peak_patterns(
    lattice: Lattice,
    powder: Powder,
    nearer: Float[Array, ""] | None = None,
    factor: Float[Array, " peak"] | None = None,
) -> Float[Array, "y x z channel"]:
    """Counts per channel of the peaks alone; `nearer` to the detector by this part of its distance, areas times `factor`."""
    last = [jnp.moveaxis(maps, 0, -1) for maps in (lattice.strain, lattice.fwhm_deg(), lattice.areas())]
    strain, width, area = last
    mixing = jnp.broadcast_to(lattice.eta(), area.shape)
    area = area if factor is None else area * factor
    shift = 0.0 if nearer is None else parallax_deg(powder.reference_deg, nearer)
    return powder(strain, width, mixing, area, shift)


def background_spectra(
    shape: Float[Array, "term knot"], basis: Float[Array, "knot channel"]
) -> Float[Array, "term channel"]:
    return jnp.exp(jnp.matmul(shape, basis, precision="highest"))


def voxel_patterns(
    lattice: Lattice, powder: Powder, basis: Float[Array, "knot channel"]
) -> Float[Array, "y x z channel"]:
    """Counts per channel of every voxel: peaks and background."""
    spectra = background_spectra(lattice.shape, basis)
    return peak_patterns(lattice, powder) + jnp.einsum("tyxz,tk->yxzk", lattice.backgrounds(), spectra)


def ray_patterns(
    patterns: Float[Array, "y x z channel"],
    angle: Float[Array, " view"],
    shift: Float[Array, " view"],
    width: int,
) -> Float[Array, "view z u channel"]:
    """Sums of the voxels' patterns along rays: the ray transform of all channels of all slices."""
    y, x, slices, channels = patterns.shape
    image = project(patterns.reshape(y, x, slices * channels), angle, shift, width=width)
    return image.reshape(*image.shape[:2], slices, channels).swapaxes(1, 2)


def blurred(
    image: Float[Array, "view z u channel"], beam: Float[Array, " tap"]
) -> Float[Array, "view z u channel"]:
    """Convolved with the profile of the beam along u, an odd number of taps; nothing comes in from outside."""
    reach, width = beam.size // 2, image.shape[2]
    padded = jnp.pad(image, [(0, 0), (0, 0), (reach, reach), (0, 0)])
    return sum(beam[k] * padded[:, :, k : k + width] for k in range(beam.size))  # pyright: ignore[reportReturnType]


def gaussian_beam(fwhm_steps: float) -> Float[np.ndarray, " tap"]:
    """Weights of sum 1 for a beam of this width in steps of the scan, out to twice its width."""
    reach = max(1, int(np.ceil(2 * fwhm_steps)))
    u = np.arange(-reach, reach + 1)
    weight = np.exp(-4 * np.log(2) * (u / fwhm_steps) ** 2)
    return weight / weight.sum()


def _downstream(patterns: Array, along_y: bool) -> Array:
    """Patterns times y, or times -x, from the middle: the two parts of zeta."""
    axis, sign = (0, 1) if along_y else (1, -1)
    place = sign * (jnp.arange(patterns.shape[axis]) - middle(patterns.shape[axis]))
    return patterns * jnp.expand_dims(place, [k for k in range(4) if k != axis]).astype(patterns.dtype)


class DiffractionTomography(eqx.Module):
    """Expected counts of the file's head.

    angle: radians; shift: steps that the axis of rotation lies to larger u. beam: weights along u, None for a beam of one step.
    basis: functions of 2 theta for the logarithm of the background's spectra (without the constant, which is in the maps).
    absorption: mu per voxel, of the whole ray, or of the way in (`incident_only`). distance: of the detector in voxels, None for
    no parallax. around: b of the file's head. factors: of the reflections in each view.
    """

    powder: Powder
    basis: Float[Array, "knot channel"]
    angle: Float[Array, " view"]
    shift: Float[Array, " view"]
    monitor: Float[Array, "view v u"]
    beam: Float[Array, " tap"] | None = None
    absorption: Float[Array, "y x z"] | None = None
    distance: Float[Array, ""] | None = None
    bins: Bins | None = None
    around: Float[Array, "#view #v #u channel"] | None = None
    factors: AngularFactors | None = None
    incident_only: bool = eqx.field(static=True, default=False)

    def __check_init__(self):
        if self.beam is not None and self.beam.size % 2 == 0:
            raise ValueError(f"`beam` has {self.beam.size} weights; an odd number has a middle.")

    def binned(self, values: Float[Array, "*any channel"]) -> Float[Array, "*any bin"]:
        """Measured counts, or patterns, in the bins of this model."""
        return values if self.bins is None else self.bins(values)

    def binned_counts(self, counts: Float[np.ndarray, "*any channel"]) -> Float[Array, "*any bin"]:
        """Of counts that are negative where not measured: bins hold what all of their channels hold, or nothing."""
        known = self.binned(jnp.asarray(counts >= 0, jnp.float32))
        whole = known >= self.binned(jnp.ones(counts.shape[-1], jnp.float32))
        return jnp.where(whole, self.binned(jnp.asarray(counts, jnp.float32)), -1)

    def voxels(self, lattice: Lattice) -> Float[Array, "part y x z bin"]:
        """Patterns of voxels; where there is parallax, what they change by when nearer to the detector by one voxel; where
        reflections have factors, the patterns of these.
        """
        parts = [voxel_patterns(lattice, self.powder, self.basis)]
        if self.distance is not None:
            step = jnp.asarray(NEARER, lattice.area.dtype)
            ahead, behind = (peak_patterns(lattice, self.powder, sign * step) for sign in (1, -1))
            parts.append((ahead - behind) / (2 * step * self.distance))
        if self.factors is not None:
            parts.extend(
                peak_patterns(lattice, self.powder, None, factor) for factor in self.factors.coefficient.T
            )
        return jnp.stack([self.binned(part) for part in parts])

    def transform(self, voxels: Float[Array, "part y x z bin"]) -> Float[Array, "view v u bin"]:
        """Expected counts of what `voxels` gives: linear."""
        image = self._rays(voxels[0])
        if self.distance is not None:
            sin, cos = (f(self.angle)[:, None, None, None] for f in (jnp.sin, jnp.cos))
            image = image + sin * self._rays(_downstream(voxels[1], False))
            image = image + cos * self._rays(_downstream(voxels[1], True))
        if self.factors is not None:
            first = 1 if self.distance is None else 2
            terms = self.factors.terms(voxels[first:])
            for function, part in zip(self.factors.function.T, terms, strict=True):
                image = image + function[:, None, None, None] * self._rays(part)
        if self.beam is not None:
            image = blurred(image, self.beam)
        factor = self.monitor
        if self.absorption is not None and not self.incident_only:
            depth = ray_patterns(self.absorption[..., None], self.angle, self.shift, image.shape[2])
            factor = factor * jnp.exp(-depth[..., 0])
        return image * factor[..., None]

    def surroundings(self) -> Float[Array, "view v u bin"] | Float[Array, ""]:
        """Expected counts without the specimen."""
        if self.around is None:
            return jnp.zeros((), self.monitor.dtype)
        return self.monitor[..., None] * self.binned(self.around)

    def transposed(
        self, image: Float[Array, "view v u bin"], like: Float[Array, "part y x z bin"]
    ) -> Float[Array, "part y x z bin"]:
        """The transpose of `transform`, for voxels of the shape of `like`."""
        # Linear: its derivative at zero, where XLA drops the transform itself.
        return jax.vjp(self.transform, jnp.zeros_like(like))[1](image)[0]

    def __call__(self, lattice: Lattice) -> Float[Array, "view v u bin"]:
        return self.transform(self.voxels(lattice)) + self.surroundings()

    def _rays(self, patterns):
        width, absorption = self.monitor.shape[2], self.absorption
        if absorption is None or not self.incident_only:
            return ray_patterns(patterns, self.angle, self.shift, width)

        def view(at):
            angle, shift = at
            lit = jnp.exp(-path_integrals(absorption, angle - jnp.pi / 2))
            return ray_patterns(patterns * lit[..., None], angle[None], shift[None], width)[0]

        return jax.lax.map(view, (self.angle, self.shift))
