"""Filtered back projection: a volume from its line integrals in one pass, as first guess and as baseline.

    f(x, y, z) = sum_t d_t  q_t( x cos(angle_t) + y sin(angle_t) + shift_t, z ),      q_t = p_t * h   along u

h is the band-limited ramp |k| of Ramachandran and Lakshminarayanan, set up in real space, where it is 1/4 at 0, -1/(pi n)^2 at
odd n and 0 at even n: sampled in frequency instead, its zero at k = 0 would lower the mean density. A window that falls towards
high frequencies may damp noise. d_t is the angle that a view stands for, half of the gaps to its two neighbours mod pi, so that
irregular angles, double ones and full turns are weighed as they should; a gap of more than ten usual ones and 5 degrees is a
wedge that was not measured, and counts as a usual one.

Ramachandran & Lakshminarayanan, PNAS 68, 2236 (1971), doi:10.1073/pnas.68.9.2236; Kak & Slaney, Principles of Computerized
Tomographic Imaging (1988), ch. 3.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..errors import InputError
from ..kernels.columns import read_columns
from ..kernels.ray_transform import smear

WEDGE, LEAST_WEDGE_RAD = 10, np.deg2rad(5)  # usual gaps between neighbouring angles, and at least this
SAME = 1e-6  # radians
WINDOWS = {  # of x = pi k, k in cycles per pixel up to 1/2
    "ram_lak": lambda x: np.ones_like(x),
    "shepp_logan": lambda x: np.sinc(x / np.pi),
    "cosine": np.cos,
    "hamming": lambda x: 0.54 + 0.46 * np.cos(2 * x),
    "hann": lambda x: 0.5 + 0.5 * np.cos(2 * x),
}


def response(size: int, name: str = "ram_lak") -> Float[np.ndarray, " frequency"]:
    """Of the filter at the frequencies of a real Fourier transform of `size` (even) samples; "none" is 1."""
    if name == "none":
        return np.ones(size // 2 + 1)
    if name not in WINDOWS:
        raise InputError(f"there is no filter `{name}`; expected one of {', '.join([*WINDOWS, 'none'])}.")
    n = np.abs(np.fft.fftfreq(size, 1 / size))
    ramp = np.where(n % 2 == 1, -1 / (np.pi * np.maximum(n, 1)) ** 2, 0.0)
    ramp[0] = 0.25
    return np.fft.rfft(ramp).real * WINDOWS[name](np.pi * np.fft.rfftfreq(size))


def angle_weights(angle: Float[np.ndarray, " view"]) -> Float[np.ndarray, " view"]:
    """Radians that each view stands for."""
    turn = np.asarray(angle, np.float64) % np.pi
    order = np.argsort(turn)
    gaps = np.diff(turn[order], append=turn[order[0]] + np.pi)
    usual = np.median(gaps[gaps > SAME])
    gaps = np.where(gaps > max(WEDGE * usual, LEAST_WEDGE_RAD), usual, gaps)
    weights = np.empty_like(gaps)
    weights[order] = (gaps + np.roll(gaps, 1)) / 2
    return weights


def filtered(
    projections: Float[Array, "view v u"], response: Float[Array, " frequency"]
) -> Float[Array, "view u v"]:
    """Every row convolved, with zeros around it; a view at a time."""
    size, width = 2 * (response.shape[0] - 1), projections.shape[2]

    def one(image):
        spectrum = jnp.fft.rfft(image, size, axis=1) * response
        return jnp.fft.irfft(spectrum, size, axis=1)[:, :width].T.astype(image.dtype)

    return jax.lax.map(one, projections)


@partial(jax.jit, static_argnames="size")
def _reconstructed(projections, angle, shift, weight, response, size: int):
    image = filtered(projections * weight[:, None, None], response)
    along_u = jnp.zeros_like(angle)
    if shift is not None:
        one = jnp.ones((1, 1), shift.dtype)
        image = read_columns(image, one, shift[:, :1], depth=image.shape[2])
        along_u = shift[:, 1]
    return smear(image, angle, along_u, shape=(size, size)).transpose(2, 0, 1)


def fbp(
    projections: Float[Array, "view v u"] | Float[np.ndarray, "view v u"],
    angle: Float[Array, " view"] | Float[np.ndarray, " view"],
    shift: Float[Array, "view 2"] | Float[np.ndarray, "view 2"] | None = None,
    *,
    filter: str = "ram_lak",
    size: int | None = None,
) -> Float[Array, "z y x"]:
    """Value per voxel, of a volume with `size` columns and rows (by default the detector's width).

    angle in radians; shift (v, u) in pixels: how far the content of a projection is displaced. filter: `ram_lak`,
    `shepp_logan`, `cosine`, `hamming`, `hann`, or `none`, which is a plain back projection.
    """
    width = projections.shape[2]
    padded = 2 * (1 << (width - 1).bit_length())
    values = jnp.asarray(projections)
    arrays = (angle_weights(np.asarray(angle)), response(padded, filter))
    weight, window = (jnp.asarray(x, values.dtype) for x in arrays)
    place = None if shift is None else jnp.asarray(shift)
    return _reconstructed(values, jnp.asarray(angle), place, weight, window, size or width)
