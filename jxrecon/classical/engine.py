"""What the iterative phase-retrieval engines share: a scan on the device, its exit waves, and the modulus constraint.

Frame j sees the object through a window with the first pixel `corner_j`; the probe is moved by the rest of the position. Its
exit waves are psi_jm = P_m(r - fraction_j) O(r + corner_j), one for each incoherent mode m. The modulus constraint replaces the
amplitude on the detector by the measured one and keeps the phases, for all modes by the same factor:

    Psi_jm <- Psi_jm sqrt( I_j / sum_n |Psi_jn|^2 )        where I_j was measured (I_j >= 0), unchanged elsewhere.

Counts may have any scale: what is added against division by zero is a fraction of the mean count of a pixel.

Several modes: Thibault & Menzel, Nature 494, 68 (2013), doi 10.1038/nature11806.
"""

import abc

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Int

from ..forward.propagation import far_field, near_field
from ..kernels.patches import cut
from ..numerics.fourier import ifft2, ramped, shift_ramps
from ..numerics.safe import intensity

FLOOR = 1e-6  # of the mean count of a pixel, added to model and measurement


class Scan(eqx.Module):
    """Frames taken with one illumination; one frame of it has no leading axis.

    intensity: photon counts, negative where not measured; in the far field with the beam at the corner, in the near field padded
    to the probe's shape. corners: first pixel of each frame's window of the object. fractions: what the probe is moved by,
    in pixels. level: mean count of a pixel. fresnel_number: p^2 / (lambda z), None for the far field.
    """

    intensity: Float[Array, "*scan v u"]
    corners: Int[Array, "*scan 2"]
    fractions: Float[Array, "*scan 2"]
    level: Float[Array, "*scan"]
    fresnel_number: tuple[float, float] | None = eqx.field(static=True, default=None)

    def __getitem__(self, index) -> "Scan":
        return Scan(
            self.intensity[index],
            self.corners[index],
            self.fractions[index],
            self.level[index],
            self.fresnel_number,
        )


def moved(field: Complex[Array, "*batch v u"], shift: Float[Array, "2"]) -> Complex[Array, "*batch v u"]:
    """The field Fourier-shifted by `shift` pixels (y, x)."""
    ramps = shift_ramps(shift, field.shape[-2:])  # pyright: ignore[reportArgumentType]
    return ifft2(ramped(far_field(field), ramps))


def window(object: Complex[Array, "y x"], frame: Scan) -> Complex[Array, "v u"]:
    """What the frame sees of the object."""
    return cut(object, frame.corners, frame.intensity.shape[-2:])  # pyright: ignore[reportArgumentType]


def to_detector(waves: Complex[Array, "mode v u"], frame: Scan) -> Complex[Array, "mode v u"]:
    """Exit waves on the detector.

    In the near field the detector stands still with the probe, so the waves are moved back first; in the far field
    a shift would only turn phases.
    """
    if frame.fresnel_number is None:
        return far_field(waves)
    return near_field(moved(waves, -frame.fractions), frame.fresnel_number)


def from_detector(waves: Complex[Array, "mode v u"], frame: Scan) -> Complex[Array, "mode v u"]:
    """The inverse, and the adjoint, of `to_detector`."""
    if frame.fresnel_number is None:
        return ifft2(waves)
    back = tuple(-number for number in frame.fresnel_number)
    return moved(near_field(waves, back), frame.fractions)  # pyright: ignore[reportArgumentType]


class Misfit(eqx.Module):
    """Numerator and denominator of R = sum |sqrt(I_model) - sqrt(I)| / sum sqrt(I)."""

    difference: Float[Array, "*scan"]
    amplitude: Float[Array, "*scan"]

    @property
    def r_factor(self) -> Float[Array, ""]:
        return jnp.sum(self.difference) / jnp.sum(self.amplitude)


def constrained(waves: Complex[Array, "mode v u"], frame: Scan) -> tuple[Complex[Array, "mode v u"], Misfit]:
    """The nearest exit waves with the measured amplitudes, and how far these were from the model's."""
    detected = to_detector(waves, frame)
    model = jnp.sum(intensity(detected), axis=0)
    valid = frame.intensity >= 0
    counts = jnp.where(valid, frame.intensity, model)
    floor = FLOOR * frame.level
    factor = jnp.sqrt((counts + floor) / (model + floor))
    difference = jnp.sum(jnp.abs(jnp.sqrt(model) - jnp.sqrt(counts)))
    amplitude = jnp.sum(jnp.where(valid, jnp.sqrt(counts), 0))
    return from_detector(detected * factor, frame), Misfit(difference, amplitude)


def random_orders(iterations: int, count: int, seed: int) -> Int[Array, "iteration scan"]:
    """The numbers of all frames, in another order for each iteration. Drawn on the host: on the device it compiles for long."""
    rng = np.random.default_rng([seed, 0xC1A55])
    return jnp.asarray(np.stack([rng.permutation(count) for _ in range(iterations)]), jnp.int32)


class AbstractEngine(eqx.Module):
    """An iterative reconstruction of one object and one illumination from a scan."""

    iterations: eqx.AbstractVar[int]

    @abc.abstractmethod
    def __call__(
        self,
        scan: Scan,
        object: Complex[Array, "y x"],
        probe: Complex[Array, "mode v u"],
        *,
        seed: int = 0,
    ) -> tuple[Complex[Array, "y x"], Complex[Array, "mode v u"], Float[Array, " iteration"]]:
        """Object, probe, and the R-factor met in each iteration; `seed` orders the frames. All frames stay on the device."""
