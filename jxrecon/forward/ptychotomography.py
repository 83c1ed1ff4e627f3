"""Diffraction patterns of a specimen in three dimensions that is turned between scans: ptychographic tomography in one model.

View t, at the angle theta_t, sees the transmission of the projected volume, and frame j of it what `ptychography` says:

    p_t(v, u) = int n_e dl  along the beam,  u = x cos theta_t + y sin theta_t,  v = z
    T_t = exp( -r_e lambda (i f1/Z + f2/Z) p_t )          electron density n_e, and n = 1 - delta + i beta
    I_tj = s_tj ( sum_m | D[ P_m(r) T_t(r + r_tj - a_t) ] |^2 + background^2 )

a_t is the shift of the projection (alignment), which moves the probe's place over it and interpolates nothing. A second volume
may say the absorption; else the material's f2/f1 ties it to the density. The volume enters as itself and not through wrapped
phases, so that a phase of many times 2 pi needs no unwrapping. Far and near field alike.
Voxel z//2 lies on the canvas's row n//2.

The modes of the probe are shared by all views, or vary slowly with the view's number: with K sets of modes
(axis `optics`) view t takes the linear interpolation between the two nearest of K equidistant knots.

Guizar-Sicairos et al., Opt. Express 19, 21345 (2011), doi 10.1364/OE.19.021345 (phase tomography from ptychography);
Gursoy, Opt. Lett. 42, 3169 (2017), doi 10.1364/OL.42.003169 (direct coupling).
"""

import dataclasses
import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Int

from ..geometry import Geometry
from ..kernels.ray_transform import project
from ..measurement import Measurement
from ..objective import AbstractForwardModel
from ..parameters import Parameters, Probe
from .material import ELECTRON_RADIUS_M, PER_CUBIC_ANGSTROM, Material
from .ptychography import Ptychography, Shared
from .tomography import views

MARGIN = 32  # pixels of a projection beyond the windows of the nominal positions, both sides together: room for alignments


def canvas_shape(measurement: Measurement, geometry: Geometry) -> tuple[int, int]:
    """Shape (y, x) of a projection that holds the window of every frame wherever the alignment may move it; even numbers."""
    reach = 2 * abs(measurement.positions_px).max(axis=0)
    y, x = (int(r) + 1 + n + MARGIN for r, n in zip(reach, geometry.probe_shape, strict=True))
    return y + y % 2, x + x % 2


def projections(
    parameters: Parameters, view: Int[Array, " view"], canvas: tuple[int, int]
) -> Float[Array, "view u v two"]:
    """Line integrals of density and, when it is of its own, of absorption; e/A^3 times pixels. The axis lies on column n//2.

    Rows are those of the volume or, where the axis may tilt, of the canvas; columns no more than what the volume can reach.
    """
    volume, alignment = parameters.volume, parameters.alignment
    assert volume is not None and alignment is not None
    rows, width = canvas
    absorption = volume.absorbing_density()
    both = [volume.electron_density()] + ([] if absorption is None else [absorption])
    angle = (alignment.angle + alignment.rotation)[view]
    if alignment.tilt is not None:
        # An odd detector has its middle on a pixel, so that nothing has to be interpolated by half of one.
        odd = width // 2 * 2 + 1
        roll, pitch = alignment.tilt[view].T
        images = [views(each, angle, None, roll, pitch, shape=(rows, odd)) for each in both]
        return jnp.stack(images, axis=-1).swapaxes(1, 2)[:, :width]
    width = min(width, reached(volume.density.shape[:2]))  # pyright: ignore[reportArgumentType]
    axis = jnp.full(angle.shape, width // 2 - (width - 1) / 2, angle.dtype)
    stacked = both[0] if len(both) == 1 else jnp.concatenate(both, axis=-1)
    found = project(stacked, angle, axis, width=width)
    return found.reshape(*found.shape[:2], len(both), -1).swapaxes(2, 3)


def reached(shape: tuple[int, int]) -> int:
    """Pixels of a detector that the projections of a plane (y, x) reach at any angle, with the axis on the middle one; odd."""
    return 2 * math.ceil(math.hypot(*(n - 1 for n in shape)) / 2) + 3


def on_canvas(transmission: Complex[Array, "z x"], canvas: tuple[int, int]) -> Complex[Array, "v u"]:
    """A transmission with air about it or, where it is larger, cut; pixel n//2 on pixel n//2 of the canvas along both axes."""
    here = transmission
    for axis, (n, size) in enumerate(zip(transmission.shape, canvas, strict=True)):
        if n > size:
            here = jax.lax.slice_in_dim(here, n // 2 - size // 2, n // 2 - size // 2 + size, axis=axis)
    before = [size // 2 - n // 2 for n, size in zip(here.shape, canvas, strict=True)]
    widths = [(b, size - n - b) for b, n, size in zip(before, here.shape, canvas, strict=True)]
    return jnp.pad(here, widths, constant_values=1)


def transmission(
    images: Float[Array, "two v u"], phase: float, absorption: float, electron: float
) -> Complex[Array, "v u"]:
    """exp(-(i phase + absorption) p), factors per e/A^3 and pixel; a second image is the absorption's own, times `electron`."""
    turned = phase * images[0]
    absorbed = absorption * images[0] if images.shape[0] == 1 else electron * images[1]
    return jnp.exp(jax.lax.complex(-absorbed, -turned))


def probe_of_view(probe: Probe, view: Int[Array, ""], count: int) -> Probe:
    """The illumination of one of `count` views, with a single set of modes: linear between the knots."""
    knots = probe.modes.shape[0]
    if knots == 1:
        return probe
    place = view * ((knots - 1) / max(count - 1, 1))
    below = jnp.clip(jnp.floor(place).astype(jnp.int32), 0, knots - 2)
    part = (place - below).astype(probe.modes.real.dtype)

    def between(modes: Array) -> Array:
        return ((1 - part) * modes[below] + part * modes[below + 1])[None]

    variations = None if probe.variations is None else between(probe.variations)
    return Probe(between(probe.modes), variations, probe.weights)


class Ptychotomography(AbstractForwardModel):
    """The model above for one set-up.

    material: what ties phase (and absorption) to electron density. frame: how a single frame is predicted; its `group` holds.
    canvas: shape of a projection. The other fields are filled in by `bind`.
    """

    material: Material = Material()
    frame: Ptychography = Ptychography()
    group: int | None = None
    canvas: tuple[int, int] | None = None
    views: int = 1
    phase: float = 0.0
    absorption: float = 0.0
    electron: float = 0.0

    def bind(self, geometry: Geometry, measurement: Measurement) -> "Ptychotomography":
        frame = self.frame.bind(geometry, measurement)
        one = dataclasses.replace(frame, optics=jnp.zeros(len(measurement.optics), jnp.int32))
        pixel, energy = geometry.pixel_size_m[0], geometry.energy_keV
        return dataclasses.replace(
            self,
            frame=one,
            group=self.group or self.frame.group or suitable_group(geometry),
            canvas=self.canvas or canvas_shape(measurement, geometry),
            views=len(measurement.specimen),
            phase=pixel * self.material.phase_per_density(energy),
            absorption=pixel * self.material.absorption_per_density(energy),
            electron=pixel * ELECTRON_RADIUS_M * PER_CUBIC_ANGSTROM * geometry.wavelength_m,
        )

    @property
    def geometry(self) -> Geometry | None:
        return self.frame.geometry

    @property
    def window(self) -> tuple[int, int]:
        return self.frame.window

    def develop(self, parameters: Parameters, view: Int[Array, " view"]):
        assert self.canvas is not None
        found = projections(parameters, view, self.canvas)
        return dataclasses.replace(parameters, volume=None), found

    def prepare(self, parameters: Parameters, view: Int[Array, ""], own: Float[Array, "x z two"]):
        return self.transmission(own), self.illumination(parameters, view)

    def transmission(self, own: Float[Array, "x z two"]) -> Complex[Array, "v u"]:
        """Of a projection, on the canvas."""
        assert self.canvas is not None
        images = own.transpose(2, 1, 0)
        return on_canvas(transmission(images, self.phase, self.absorption, self.electron), self.canvas)

    def illumination(self, parameters: Parameters, view: Int[Array, ""]) -> Shared:
        """What the frames of a view share beside the specimen."""
        here = eqx.tree_at(lambda p: p.probe, parameters, probe_of_view(parameters.probe, view, self.views))
        return self.frame.illumination(here, view)

    def frames(self, parameters: Parameters, index: Int[Array, " frame"], canvas: Array):
        return self.frame.frames(parameters, index, canvas)

    def predict(self, patch, shared, frame):
        return self.frame.predict(patch, shared, frame)


def suitable_group(geometry: Geometry) -> int:
    """Frames computed at once: on a CPU as many as stay in its cache, where small frames alone would mostly wait."""
    if jax.default_backend() != "cpu":
        return 64
    v, u = geometry.probe_shape
    return max(1, 8192 // (v * u))
