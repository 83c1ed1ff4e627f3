"""Orthonormal Fourier transforms over the last two axes, and sub-pixel shifts.

Inside the package the zero frequency, and the centre of a detector frame in the far field, is at the corner [0, 0];
files and figures have it at [n//2].
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float


def fft2(field: Complex[Array, "*batch v u"]) -> Complex[Array, "*batch v u"]:
    return jnp.fft.fft2(field, norm="ortho")


def ifft2(spectrum: Complex[Array, "*batch v u"]) -> Complex[Array, "*batch v u"]:
    return jnp.fft.ifft2(spectrum, norm="ortho")


def shift_ramps(
    shift: Float[Array, "*scan 2"], shape: tuple[int, int]
) -> tuple[Complex[Array, "*scan v"], Complex[Array, "*scan u"]]:
    """Phase ramps (along v, along u) whose outer product, times a spectrum, moves its field by `shift` pixels (y, x)."""
    return tuple(
        jnp.exp(-2j * np.pi * shift[..., k, None] * jnp.asarray(np.fft.fftfreq(n), shift.dtype))
        for k, n in enumerate(shape)
    )  # pyright: ignore[reportReturnType]


def ramped(
    spectrum: Complex[Array, "*batch v u"], ramps: tuple[Complex[Array, " v"], Complex[Array, " u"]]
) -> Complex[Array, "*batch v u"]:
    """Spectrum of the moved field, with periodic boundaries; `ramps` as `shift_ramps` gives them."""
    along_v, along_u = ramps
    return spectrum * (along_v[:, None] * along_u)
