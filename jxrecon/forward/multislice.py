"""Ptychographic tomography of thick specimens: the wave passes one slab of the volume after another, and spreads between them.

The volume is cut across the beam into S slabs by weights w_s(depth) that add up to 1 (hats about equidistant planes, the first
and the last level to the edge), so that the slabs' line integrals p_s add up to the projection of `ptychotomography`:

    psi <- P;   for s = 1 .. S:  psi <- T_s psi,  T_s = exp( -r_e lambda (i f1/Z + f2/Z) p_s );   psi <- F_dz psi  between slabs

F_dz is Fresnel propagation by the distance of the planes. The projection approximation holds while the specimen is thinner than
about 5.2 p^2 / lambda (p the resolved half period): 12 um for 20 nm at 7 keV. Angles of the tilt are those of an upright axis.

Maiden, Humphry & Rodenburg, J. Opt. Soc. Am. A 29, 1606 (2012), doi 10.1364/JOSAA.29.001606; depth of field: Tsai et al.,
Opt. Express 24, 29089 (2016), doi 10.1364/OE.24.029089.
"""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Int

from ..geometry import Geometry
from ..measurement import Measurement
from ..objective import AbstractForwardModel
from ..parameters import Parameters
from .propagation import near_field
from .ptychography import Frame, Shared
from .ptychotomography import Ptychotomography, projections


def planes(depth: int, slices: int) -> Float[np.ndarray, " slice"]:
    """Middles of `slices` equal slabs of a volume `depth` voxels deep, from the source on, relative to its middle."""
    return (np.arange(slices) + 0.5) * depth / slices - depth / 2


def slabs(
    angle: Float[Array, ""], shape: tuple[int, int], depth: int, slices: int
) -> Float[Array, "slice y x"]:
    """Share of every voxel column in each slab: hats about the planes, level towards the ends; the sum is 1."""
    y, x = (jnp.arange(n) - (n - 1) / 2 for n in shape)
    along = -x * jnp.sin(angle) + y[:, None] * jnp.cos(angle)
    place = planes(depth, slices)
    if slices == 1:
        return jnp.ones((1, *shape), angle.dtype)
    step = place[1] - place[0]
    place = jnp.asarray(place, angle.dtype)
    return jnp.maximum(1 - jnp.abs(jnp.clip(along, place[0], place[-1]) - place[:, None, None]) / step, 0)


def through(
    probe: Complex[Array, "mode v u"],
    slices: Complex[Array, "slice v u"],
    fresnel_number: tuple[float, float],
) -> Complex[Array, "mode v u"]:
    """The wave in front of the last slice; p^2 / (lambda dz) = `fresnel_number` from one to the next."""
    wave = probe
    for slice in slices[:-1]:
        wave = near_field(wave * slice, fresnel_number)
    return wave


def _times(parameters: Parameters, share: Float[Array, "y x"]) -> Parameters:
    """The same parameters with a part of the volume."""
    volume = parameters.volume
    assert volume is not None
    part = share[..., None] if volume.support is None else share[..., None] * volume.support
    return eqx.tree_at(lambda p: p.volume.support, parameters, part, is_leaf=lambda x: x is None)


class Multislice(AbstractForwardModel):
    """`thin` with the specimen, `depth` voxels deep, cut into `slices` slabs across the beam."""

    thin: Ptychotomography = Ptychotomography()
    depth: int = 64
    slices: int = 4
    group: int | None = None

    def __check_init__(self):
        if self.slices < 1 or self.depth < self.slices:
            raise ValueError(
                f"`slices` is {self.slices}, `depth` {self.depth}; expected 1 or more, and as many voxels at least."
            )

    @property
    def fresnel_number(self) -> tuple[float, float]:
        """p^2 / (lambda dz) from slab to slab, (y, x)."""
        geometry = self.geometry
        assert geometry is not None
        y, x = geometry.pixel_size_m
        distance = self.depth / self.slices * x
        return y * y / (geometry.wavelength_m * distance), x * x / (geometry.wavelength_m * distance)

    def bind(self, geometry: Geometry, measurement: Measurement) -> "Multislice":
        thin = self.thin.bind(geometry, measurement)
        return dataclasses.replace(self, thin=thin, group=self.group or thin.group)

    @property
    def geometry(self) -> Geometry | None:
        return self.thin.geometry

    @property
    def window(self) -> tuple[int, int]:
        return self.thin.window

    def develop(self, parameters: Parameters, view: Int[Array, " view"]):
        volume, alignment, canvas = parameters.volume, parameters.alignment, self.thin.canvas
        assert volume is not None and alignment is not None and canvas is not None
        shape = volume.density.shape[:2]

        def of_view(number):
            angle = (alignment.angle + alignment.rotation)[number]
            shares = slabs(angle, shape, self.depth, self.slices)  # pyright: ignore[reportArgumentType]
            found = [projections(_times(parameters, share), number[None], canvas)[0] for share in shares]
            return jnp.stack(found)

        return dataclasses.replace(parameters, volume=None), jax.lax.map(of_view, view)

    def prepare(self, parameters: Parameters, view: Int[Array, ""], own: Float[Array, "slice u z two"]):
        return jnp.stack([self.thin.transmission(part) for part in own]), self.thin.illumination(
            parameters, view
        )

    def frames(self, parameters: Parameters, index: Int[Array, " frame"], canvas: Array):
        return self.thin.frames(parameters, index, canvas)

    def predict(
        self, patch: Complex[Array, "slice _ _"], shared: Shared, frame: Frame
    ) -> Float[Array, "v u"]:
        model = self.thin.frame
        seen = jnp.stack([model.seen(part, frame) for part in patch])
        wave = through(model.incident(shared, frame), seen, self.fresnel_number)
        return model.detected(seen[-1], wave, shared, frame)
