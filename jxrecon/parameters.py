"""The unknowns of a reconstruction, as one pytree that every term of the objective reads.

A leaf is free when an optimiser's name is the beginning of its dotted path (`object`, `probe.modes`, `positions.shift`);
all others are frozen. Lengths are in object pixels, amplitudes in square roots of photons.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Int

from .kernels.positive_density import positive_density
from .lattice import STRAIN, Lattice
from .numerics.tree import dotted


class Probe(eqx.Module):
    """Illumination: incoherent modes and what varies of them from shot to shot.

    Orthogonal probe relaxation (Odstrcil et al., Opt. Express 24, 8360, 2016): in frame j, mode m is
    modes[m] + sum_k weights[j, k] variations[k, m]. Probes of several scans stand along the axis `optics`.
    """

    modes: Complex[Array, "optics mode v u"]
    variations: Complex[Array, "optics k mode v u"] | None = None
    weights: Float[Array, "scan k"] | None = None


class Positions(eqx.Module):
    """Probe centres (y, x) in object pixels from the object's centre: affine map of the nominal ones plus a residue.

    affine = (scale, asymmetry, rotation, shear), all zero for the identity, after pty-chi and PtychoShelves:
    A = (1 + scale) [[1 + asymmetry/2, 0], [0, 1 - asymmetry/2]] R(rotation) [[1, 0], [tan(shear), 1]].
    Rotation and shear are in radians.
    """

    nominal: Float[Array, "scan 2"]
    shift: Float[Array, "scan 2"]
    affine: Float[Array, " 4"]

    def matrix(self) -> Float[Array, "2 2"]:
        scale, asymmetry, rotation, shear = self.affine
        one, zero = jnp.ones_like(scale), jnp.zeros_like(scale)
        stretch = (1 + scale) * jnp.stack([one + asymmetry / 2, one - asymmetry / 2])
        c, s = jnp.cos(rotation), jnp.sin(rotation)
        rotate = jnp.stack([jnp.stack([c, -s]), jnp.stack([s, c])])
        slant = jnp.stack([jnp.stack([one, zero]), jnp.stack([jnp.tan(shear), one])])
        return stretch[:, None] * rotate @ slant

    def __call__(self) -> Float[Array, "scan 2"]:
        return self.nominal @ self.matrix().T + self.shift


class Volume(eqx.Module):
    """The specimen in three dimensions, on cubic voxels of the size of an object pixel, the rotation axis z last.

    density: what `electron_density` makes non-negative, e/A^3. absorption: likewise for beta = r_e lambda^2 / (2 pi) times
    `absorbing_density`, which is the electron density times f2/Z; None ties it to the density by the material.
    softness: e/A^3 over which the map to non-negative values bends; None lets both be of either sign.
    support: 1 inside the region that may hold matter, 0 outside of it (air); None for everywhere.
    """

    density: Float[Array, "y x z"]
    absorption: Float[Array, "y x z"] | None = None
    softness: Float[Array, ""] | None = None
    support: Float[Array, "y x z"] | None = None

    def electron_density(self) -> Float[Array, "y x z"]:
        """Electrons per cubic angstrom."""
        return self._physical(self.density)

    def absorbing_density(self) -> Float[Array, "y x z"] | None:
        """Electrons per cubic angstrom times f2/Z, or None where the material says it."""
        return None if self.absorption is None else self._physical(self.absorption)

    def _physical(self, values):
        values = values if self.softness is None else positive_density(values, self.softness)
        return values if self.support is None else values * self.support


class Alignment(eqx.Module):
    """Where the specimen was in each view (rotation angle); all angles in radians.

    angle: nominal rotation; rotation: correction to it; shift: how far the projection lies from where the nominal axis puts
    it, (v, u) pixels; tilt: (roll, pitch) of the rotation axis in the plane of the detector and towards the beam, None for an
    upright axis. view: the view that each frame belongs to.
    """

    angle: Float[Array, " view"]
    rotation: Float[Array, " view"]
    shift: Float[Array, "view 2"]
    view: Int[Array, " scan"]
    tilt: Float[Array, "view 2"] | None = None


def _optional(value: object) -> Array | None:
    """Of JAX's default precision; None stays."""
    return None if value is None else jnp.asarray(value, jnp.result_type(float))


class Morphology(eqx.Module):
    """Numbers of a porous solid that several priors share and may learn; None where each prior has a constant of its own.

    solid_level: e/A^3 of a voxel that is all solid. log_noise: logarithm of the spread of densities about their levels, e/A^3.
    shares: logits of the parts of the voxels that are pore, solid, and in between. reference: e/A^3 of the pristine solid.
    lithium, lost_oxygen: y, and x, of a formula unit Li_y M O_(2-x). porosity: logit of the pores' part of every voxel.
    """

    solid_level: Float[Array, ""] | None = eqx.field(converter=_optional, default=None)
    log_noise: Float[Array, ""] | None = eqx.field(converter=_optional, default=None)
    shares: Float[Array, " 3"] | None = eqx.field(converter=_optional, default=None)
    reference: Float[Array, ""] | None = eqx.field(converter=_optional, default=None)
    lithium: Float[Array, ""] | None = eqx.field(converter=_optional, default=None)
    lost_oxygen: Float[Array, ""] | None = eqx.field(converter=_optional, default=None)
    porosity: Float[Array, "y x z"] | None = eqx.field(converter=_optional, default=None)


class Parameters(eqx.Module):
    """All unknowns. What a reconstruction does not use is None.

    object: complex transmission, one layer (`specimen`) for each distinct specimen of the data set; volume: the specimen in
    three dimensions instead, and alignment: how it was turned and where it lay. flux: intensity of each shot, 1 on average.
    background: counts of the detector at the mean flux, as a square root, which keeps them non-negative. lattice: what
    diffraction finds. morphology: what priors of a porous solid share.
    """

    object: Complex[Array, "specimen y x"] | None
    probe: Probe
    positions: Positions
    flux: Float[Array, " scan"]
    background: Float[Array, "v u"] | None = None
    volume: Volume | None = None
    alignment: Alignment | None = None
    lattice: Lattice | None = None
    morphology: Morphology | None = None

    def physical(self) -> "Parameters":
        """The same with a volume of densities as they are, worked out once for all that read it."""
        if self.volume is None:
            return self
        volume = Volume(self.volume.electron_density(), self.volume.absorbing_density())
        return eqx.tree_at(lambda p: p.volume, self, volume)

    def objects(self) -> Complex[Array, "specimen y x"]:
        """The transmission of every specimen; raises ValueError where a volume stands for them."""
        if self.object is None:
            raise ValueError(
                "this reconstruction has a volume and no object; what was asked for needs an object."
            )
        return self.object

    def centres(self, index: Int[Array, " frame"]) -> Float[Array, "frame 2"]:
        """Probe centres (y, x) of some frames over the specimen's image: a shift of the image moves them the other way."""
        positions = self.positions()[index]
        if self.alignment is None:
            return positions
        return positions - self.alignment.shift[self.alignment.view[index]]


def natural_units(parameters: Parameters) -> Parameters:
    """One number per leaf: the size of a change that matters, in which learning rates are given.

    Object 1 (a transmission), probe and its variations the largest modulus of the probe, positions 1 pixel, affine 0.01 (1 %
    or 0.6 degrees), flux 1, background the mean amplitude of the probe; density 1 e/A^3, absorption 0.05 of it, shifts of
    views 1 pixel, rotation and tilt 0.01; strain 1e-3, logarithms of widths 0.1, areas and backgrounds ten of their
    softnesses; densities of solids 0.1 e/A^3, the logarithm of their spread 0.3, lithium 0.3 and lost oxygen 0.1 of a formula
    unit.
    """
    peak = jnp.max(jnp.abs(parameters.probe.modes))
    units = {
        "probe.modes": peak,
        "probe.variations": peak,
        "positions.affine": 0.01,
        "volume.absorption": 0.05,
        "alignment.rotation": 0.01,
        "alignment.tilt": 0.01,
        "lattice.strain": STRAIN,
        "lattice.log_width": 0.1,
        "morphology.solid_level": 0.1,
        "morphology.reference": 0.1,
        "morphology.log_noise": 0.3,
        "morphology.lithium": 0.3,
        "morphology.lost_oxygen": 0.1,
        "background": jnp.sqrt(jnp.mean(jnp.abs(parameters.probe.modes) ** 2)),
    }
    if parameters.lattice is not None:
        units["lattice.area"] = 10 * parameters.lattice.softness
        units["lattice.background"] = 10 * parameters.lattice.floor
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: jnp.asarray(units.get(dotted(path), 1.0), leaf.real.dtype), parameters
    )
