"""Two-point correlation of a volume, averaged over directions, by Fourier transform.

    S(r) = mean over displacements d with |d| within 1/2 of r, and over x, of u(x) u(x + d)

periodic, for whole r from 0 on. With the power |F|^2 = re^2 + im^2 (whose derivative at 0 is that of abs()^2, but finite) S
is linear in |F|^2, so that dS/du is F times a spectrum: value and derivative take one real transform each. All else happens
on the octant of displacements that are wanted (`numerics.even_spectrum`).

Torquato, Random Heterogeneous Materials (2002), section 2.2, doi:10.1007/978-1-4757-6355-3.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..numerics.even_spectrum import even_spectrum, octant, reach_fits

Volume = Float[Array, "y x z"]


def shells(count: int) -> tuple[np.ndarray, np.ndarray]:
    """(shell, signs) of every displacement of the octant: rounded length, `count` beyond the last, and its copies by signs."""
    a = np.arange(count)
    length = np.sqrt(a[:, None, None] ** 2 + a[:, None] ** 2 + a**2)
    two = np.where(a == 0, 1, 2)
    return np.minimum(np.rint(length).astype(int), count), two[:, None, None] * two[:, None] * two


def _by_shell(count: int, dtype) -> Float[Array, "lag displacement"]:
    """Weights of the displacements in the mean over a shell."""
    shell, signs = shells(count)
    weight = (shell == np.arange(count)[:, None, None, None]) * signs
    return jnp.asarray((weight / weight.sum(axis=(1, 2, 3), keepdims=True)).reshape(count, -1), dtype)


def two_point_reference(u: Volume, count: int) -> Float[Array, " lag"]:
    """S(0) to S(count - 1) from the correlations of all displacements, differentiated automatically."""
    spectrum = jnp.fft.rfftn(u)
    correlation = jnp.fft.irfftn(spectrum.real**2 + spectrum.imag**2, u.shape) / u.size
    away = np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in u.shape), indexing="ij")
    shell = np.rint(np.sqrt(sum(d**2 for d in away)))
    return jnp.stack([jnp.mean(correlation[shell == k]) for k in range(count)])


def _forward(u, count):
    reach_fits(count - 1, u.shape)
    spectrum = jnp.fft.rfftn(u)
    found = octant(spectrum.real**2 + spectrum.imag**2, u.shape, (count,) * 3)
    return _by_shell(count, u.dtype) @ found.ravel() / float(u.size) ** 2, (spectrum, jnp.zeros_like(u[:0]))


def _backward(count, kept, cotangent):
    spectrum, like = kept
    shape = (spectrum.shape[0], *like.shape[1:])
    signs = jnp.asarray(shells(count)[1], cotangent.dtype)
    weights = (cotangent @ _by_shell(count, cotangent.dtype)).reshape((count,) * 3) / signs
    gain = even_spectrum(2 * weights / float(np.prod(shape)), shape)
    return (jnp.fft.irfftn(spectrum * gain, shape),)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _two_point(u, count):
    return _forward(u, count)[0]


_two_point.defvjp(_forward, _backward)


def two_point(u: Volume, count: int) -> Float[Array, " lag"]:
    """S(0) to S(count - 1) of the file's head."""
    return _two_point(u, count)
