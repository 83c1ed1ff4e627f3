"""Diffraction patterns of a specimen scanned through a coherent or partially coherent beam.

Frame j, at the position r_j, with incoherent modes P_m, the object's transmission O, a propagator D and the shot's flux s_j:

    I_j = s_j ( sum_m | D[ P_m(r) O(r + r_j) ] |^2 + background^2 )

D is a Fourier transform in the far field and a Fresnel propagator in the near field (`propagation`). Orthogonal probe
relaxation adds sum_k w_jk V_km to mode m. The integer part of r_j picks a window of the object; the rest is a Fourier shift.
In the far field the probe is shifted: it is compact, and a common shift of the exit wave only turns phases. In the near
field the object's window is shifted: the probe fills the frame and is fixed to the detector.

Rodenburg & Maiden, in Springer Handbook of Microscopy (2019), chapter 17; modes: Thibault & Menzel, Nature 494, 68 (2013),
doi 10.1038/nature11806; relaxation: Odstrcil et al., Opt. Express 24, 8360 (2016), doi 10.1364/OE.24.008360.
"""

import dataclasses
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Int

from ..geometry import Geometry
from ..measurement import Measurement
from ..numerics.fourier import ramped, shift_ramps
from ..numerics.safe import intensity
from ..objective import AbstractForwardModel
from ..parameters import Parameters
from .propagation import far_field, near_field

SHIFT_MARGIN = (
    4  # object pixels around a window that is Fourier-shifted, so that its edges do not wrap into the frame
)


def split_position(
    position: Float[Array, "*scan 2"], canvas: tuple[int, int], window: tuple[int, int]
) -> tuple[Int[Array, "*scan 2"], Float[Array, "*scan 2"]]:
    """First pixel of the window around a probe centre, and the remainder, -1/2 to 1/2 pixel.

    Position (0, 0) lays the window's pixel n//2 on the canvas's pixel N//2.
    """
    nearest = jnp.round(jax.lax.stop_gradient(position))
    origin = jnp.asarray([c // 2 - w // 2 for c, w in zip(canvas, window, strict=True)])
    return nearest.astype(jnp.int32) + origin, position - nearest


def shifted_window(
    patch: Complex[Array, "y x"],
    ramps: tuple[Complex[Array, " y"], Complex[Array, " x"]],
    margin: int,
) -> Complex[Array, "v u"]:
    """The window moved by the shift of `ramps`, without its margin.

    The mean is kept out of the transform: an object that does not fade at the edge of its window would ring.
    """
    offset = jax.lax.stop_gradient(jnp.mean(patch))
    moved = jnp.fft.ifft2(ramped(jnp.fft.fft2(patch - offset), ramps)) + offset
    return moved[margin : patch.shape[0] - margin, margin : patch.shape[1] - margin]


def far_field_pattern(patch: Complex[Array, "v u"], probe: Complex[Array, "mode v u"]) -> Float[Array, "v u"]:
    """Incoherent sum of the modes' far-field intensities, beam at the corner, photons."""
    return jnp.sum(intensity(far_field(probe * patch)), axis=0)


def near_field_pattern(
    patch: Complex[Array, "v u"],
    probe: Complex[Array, "mode v u"],
    fresnel_number: tuple[float, float],
    margin: int,
    oversampling: int = 1,
) -> Float[Array, "_ _"]:
    """Incoherent sum of the modes' near-field intensities on the detector, photons.

    The detector lies `margin` of its pixels inside the window, and each of them sums `oversampling`^2 samples.
    """
    fine = jnp.sum(intensity(near_field(probe * patch, fresnel_number)), axis=0)
    v, u = (n // oversampling for n in fine.shape)
    frame = fine.reshape(v, oversampling, u, oversampling).sum(axis=(1, 3))
    return frame[margin : v - margin, margin : u - margin]


class Shared(eqx.Module):
    """What the frames of a view share: probe modes (or their spectrum), variations likewise, background counts."""

    probe: Complex[Array, "mode v u"]
    variations: Complex[Array, "k mode v u"] | None
    background: Float[Array, "_ _"] | None


class Frame(eqx.Module):
    """What each frame has of its own; every field has the leading axis `frame`."""

    ramps: tuple[Complex[Array, "*frame v"], Complex[Array, "*frame u"]] | None
    flux: Float[Array, "*frame"]
    weights: Float[Array, "*frame k"] | None


class Ptychography(AbstractForwardModel):
    """The model above for one set-up.

    subpixel: False rounds the positions to whole pixels, which is about twice as fast. group: frames computed at once;
    None for 1 on a CPU, where more only leave the cache, and 64 on a GPU. The other fields are filled in by `bind`.
    """

    subpixel: bool = True
    group: int | None = None
    geometry: Geometry | None = None
    specimen: Int[Array, " view"] | None = None
    optics: Int[Array, " view"] | None = None

    def bind(self, geometry: Geometry, measurement: Measurement) -> "Ptychography":
        return dataclasses.replace(
            self,
            group=self.group or (1 if jax.default_backend() == "cpu" else 64),
            geometry=geometry,
            specimen=jnp.asarray(measurement.specimen),
            optics=jnp.asarray(measurement.optics),
        )

    @property
    def regime(self) -> Literal["far_field", "near_field"]:
        if self.geometry is None:
            raise ValueError("the model has no geometry yet; call `bind(geometry)` first.")
        return self.geometry.regime

    @property
    def _shifts_object(self) -> bool:
        return self.subpixel and self.regime == "near_field"

    @property
    def window(self) -> tuple[int, int]:
        assert self.geometry is not None
        v, u = self.geometry.probe_shape
        extra = 2 * SHIFT_MARGIN if self._shifts_object else 0
        return v + extra, u + extra

    def develop(self, parameters: Parameters, view: Int[Array, " view"]):
        return parameters, None

    def prepare(self, parameters: Parameters, view: Int[Array, ""], own: None):
        assert self.specimen is not None and parameters.object is not None
        return parameters.object[self.specimen[view]], self.illumination(parameters, view)

    def illumination(self, parameters: Parameters, view: Int[Array, ""]) -> Shared:
        """What the frames of a view share beside the specimen."""
        assert self.optics is not None
        optics, probe = self.optics[view], parameters.probe
        modes = probe.modes[optics]
        variations = None if probe.variations is None else probe.variations[optics]
        if self.subpixel and self.regime == "far_field":
            # The probe's spectrum is computed once per view; frames only turn its phases.
            modes = jnp.fft.fft2(modes)
            variations = None if variations is None else jnp.fft.fft2(variations)
        background = parameters.background
        background = None if background is None else background**2
        return Shared(modes, variations, background)

    def frames(self, parameters: Parameters, index: Int[Array, " frame"], canvas: Array):
        position = parameters.centres(index)
        corners, shift = split_position(position, canvas.shape[-2:], self.window)  # pyright: ignore[reportArgumentType]
        # In the far field the probe moves with the position; in the near field the object moves against it.
        # Made here and not in `predict`, where XLA would compute the exponentials anew for every pixel.
        sign = -1 if self.regime == "near_field" else 1
        ramps = shift_ramps(sign * shift, self.window) if self.subpixel else None
        weights = parameters.probe.weights
        weights = None if weights is None else weights[index]
        return corners, Frame(ramps, parameters.flux[index], weights)

    def predict(self, patch: Complex[Array, "_ _"], shared: Shared, frame: Frame) -> Float[Array, "v u"]:
        return self.detected(self.seen(patch, frame), self.incident(shared, frame), shared, frame)

    def incident(self, shared: Shared, frame: Frame) -> Complex[Array, "mode v u"]:
        """The modes that fall on the specimen, moved by the fraction of the position (far field)."""
        probe = shared.probe
        if shared.variations is not None and frame.weights is not None:
            probe = probe + jnp.tensordot(frame.weights.astype(probe.dtype), shared.variations, 1)
        if self.regime == "far_field" and frame.ramps is not None:
            probe = jnp.fft.ifft2(ramped(probe, frame.ramps))
        return probe

    def seen(self, patch: Complex[Array, "_ _"], frame: Frame) -> Complex[Array, "v u"]:
        """The window of the specimen, moved by the fraction of the position (near field)."""
        if self.regime == "far_field" or frame.ramps is None:
            return patch
        return shifted_window(patch, frame.ramps, SHIFT_MARGIN)

    def detected(
        self, patch: Complex[Array, "v u"], probe: Complex[Array, "mode v u"], shared: Shared, frame: Frame
    ) -> Float[Array, "_ _"]:
        """Expected counts behind this part of the specimen."""
        if self.regime == "far_field":
            counts = far_field_pattern(patch, probe)
        else:
            assert self.geometry is not None
            g = self.geometry
            counts = near_field_pattern(patch, probe, g.fresnel_number, g.margin, g.oversampling)
        if shared.background is not None:
            counts = counts + shared.background
        return frame.flux * counts
