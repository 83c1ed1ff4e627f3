"""Moments of diffraction patterns: how many photons arrive, and where on the detector their middle lies.

With the wave P T behind the specimen, T = exp(-(i k + a) p) and the line integral p of the density, Parseval's theorem gives

    sum_q I   = sum_r |P|^2 exp(-2 a p)
    sum_q q I = N / (2 pi) sum_r exp(-2 a p) ( Im(P* grad P) - k |P|^2 grad p )

q in pixels of an N x N detector from the beam. No phase is wrapped in them: the first says the absorption, the second the slope
of the phase, both averaged over the beam. In the far field only.

Dekkers & de Lang, Optik 41, 452 (1974) (differential phase contrast); Menzel et al., Ultramicroscopy 110, 1143 (2010),
doi 10.1016/j.ultramic.2010.04.007 (the moments of X-ray frames).
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.ndimage import map_coordinates
from jaxtyping import Array, Complex, Float, Int


def central(images: Float[Array, "view y x"], axis: int) -> Float[Array, "view y x"]:
    """Half the difference of the two neighbours along an axis; periodic."""
    return (jnp.roll(images, -1, axis) - jnp.roll(images, 1, axis)) / 2


def beam_spectra(
    modes: Complex[np.ndarray, "mode v u"], count: int, coarser: int
) -> Complex[np.ndarray, "3 y x"]:
    """Fourier transforms of the beam's intensity |P|^2 and of Im(P* grad P), of unit power, on `count` x `count` pixels that are
    `coarser` times as large, for correlations."""
    modes = np.asarray(modes, complex)
    gradients = [
        np.fft.ifft(
            2j * np.pi * np.fft.fftfreq(n).reshape(-1, *[1] * (2 - axis)) * np.fft.fft(modes, axis=axis),
            axis=axis,
        )
        for axis, n in ((1, modes.shape[1]), (2, modes.shape[2]))
    ]
    maps = [np.abs(modes) ** 2, *((modes.conj() * g).imag for g in gradients)]
    maps = np.stack([m.sum(axis=0) for m in maps]) / maps[0].sum()
    frequency = np.fft.fftfreq(count) / coarser
    waves = [np.exp(2j * np.pi * frequency[:, None] * (np.arange(n) - n // 2)) for n in modes.shape[1:]]
    return np.einsum("yv,kvu,xu->kyx", waves[0], maps, waves[1])


class Moments(eqx.Module):
    """What the moments of all frames are for the line integrals of a coarse volume: sums relative to the empty beam, and first
    moments as mean slopes of the phase (v, u), radians per pixel.

    place: of each frame on the canvas, (row, column). phase, absorption: k and a for one e/A^3 in a coarse voxel.
    """

    spectra: Complex[Array, "3 y x"]
    place: Float[Array, "scan 2"]
    view: Int[Array, " scan"]
    phase: float
    absorption: float
    coarser: int

    def __call__(self, lines: Float[Array, "view u z"]) -> Float[Array, "scan 3"]:
        n = self.spectra.shape[-1]
        before = (n - lines.shape[2]) // 2
        images = jnp.pad(lines.swapaxes(1, 2), ((0, 0), (before, n - lines.shape[2] - before), (0, 0)))
        light = jnp.exp(-2 * self.absorption * images)
        slopes = [-self.phase / self.coarser * light * central(images, k) for k in (1, 2)]
        of_light = jnp.fft.fft2(light) * self.spectra[:, None]
        of_slopes = [jnp.fft.fft2(s) * self.spectra[0] for s in slopes]
        maps = [of_light[0], of_light[1] + of_slopes[0], of_light[2] + of_slopes[1]]
        where = [self.view.astype(self.place.dtype), self.place[:, 0], self.place[:, 1]]
        return jnp.stack([map_coordinates(jnp.fft.ifft2(m).real, where, order=1) for m in maps], axis=1)
