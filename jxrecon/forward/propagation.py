"""Free-space propagation of a wave from the specimen to the detector.

Far field (Fraunhofer), with the zero frequency of the result at the corner:

    psi_far = FFT(psi)

Near field (Fresnel, angular spectrum in the paraxial approximation), f in cycles per pixel and F = p^2 / (lambda z):

    psi_near = IFFT( FFT(psi) exp(-i pi (f_y^2 / F_y + f_x^2 / F_x)) )

for waves exp(+ikz); the constant phase exp(ikz) is left out. Both are unitary. A cone beam is a parallel one of effective
distance z2/M and pixel d/M (Fresnel scaling), which `Geometry.fresnel_number` contains.

Goodman, Introduction to Fourier Optics, 3rd ed., sections 4.2 and 4.3.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex

from ..numerics.fourier import fft2, ifft2


def far_field(field: Complex[Array, "*batch v u"]) -> Complex[Array, "*batch v u"]:
    """Wave on a distant detector, zero frequency at the corner."""
    return fft2(field)


def transfer_function(
    shape: tuple[int, int], fresnel_number: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """The Fresnel kernel as two vectors (along v, along u), complex128; the kernel is their outer product.

    Computed on the host in float64: in float32 the phase of a high frequency would lose its last digits.
    """
    return tuple(
        np.exp(-1j * np.pi * np.fft.fftfreq(n) ** 2 / number)
        for n, number in zip(shape, fresnel_number, strict=True)
    )  # pyright: ignore[reportReturnType]


def near_field(
    field: Complex[Array, "*batch v u"], fresnel_number: tuple[float, float]
) -> Complex[Array, "*batch v u"]:
    """Wave after a distance z with p^2 / (lambda z) = `fresnel_number`; a negative number propagates back.

    Boundaries are periodic: a field must fade towards its edges, or be padded by about 1 / (2 F) pixels.
    """
    along_v, along_u = transfer_function(field.shape[-2:], fresnel_number)  # pyright: ignore[reportArgumentType]
    kernel = jnp.asarray(along_v[:, None] * along_u, field.dtype)
    return ifft2(fft2(field) * kernel)
