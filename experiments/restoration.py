"""The two tasks of `priors.py`: a piece of the twin behind a blur, or seen from few angles, and what a restoration is worth."""

import dataclasses
import functools

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.ndimage import binary_erosion, gaussian_filter

from jxrecon.analysis.shell_correlation import half_period_at, shell_correlation
from jxrecon.forward.projection_misfit import ProjectionMisfit
from jxrecon.objective import AbstractTerm, Batch
from jxrecon.parameters import Alignment, Morphology, Parameters, Positions, Probe, Volume
from jxrecon.twin.particle import Particle
from jxrecon.twin.projector import project

SIZE, EDGE = 64, 4
CUBE = (slice(32, 96), slice(32, 96), slice(60, 124))  # z y x of the particle's 128^3 voxels
BLUR_NM, BLUR_NOISE, VOXEL_NM = 35.0, 0.10, 20.0
ANGLES, ANGLE_NOISE, WIDTH = 24, 0.5, 92
TASKS = ("deblur", "angles")


class BlurMisfit(AbstractTerm):
    """1/2 sum w (G n - measured)^2, G a Gaussian of `sigma` voxels, by Fourier transforms with periodic boundaries."""

    measured: Float[Array, "y x z"]
    inverse_variance: Float[Array, "y x z"]
    sigma: Float[Array, ""]
    weight: Float[Array, ""] = eqx.field(converter=jnp.asarray, default=1.0)

    def __call__(self, parameters: Parameters, batch: dict[str, Batch]) -> Float[Array, ""]:
        assert parameters.volume is not None
        density = parameters.volume.electron_density()
        *rest, n = density.shape
        f = [jnp.fft.fftfreq(k).reshape([-1 if a == i else 1 for a in range(3)]) for i, k in enumerate(rest)]
        square = f[0] ** 2 + f[1] ** 2 + jnp.fft.rfftfreq(n) ** 2
        spectrum = jnp.fft.rfftn(density) * jnp.exp(-2 * (jnp.pi * self.sigma) ** 2 * square)
        difference = jnp.fft.irfftn(spectrum, density.shape) - self.measured
        return jnp.sum(self.inverse_variance * difference**2) / 2


@functools.lru_cache(maxsize=2)
def specimen(seed: int, chemistry: bool) -> tuple[np.ndarray, float]:
    """Density of the cube and 8 voxels about it, z y x on voxels half as large, and the solid's density within."""
    particle = Particle(state="cycled_small", chemistry=chemistry).finer(2)
    axis = particle.axis_m()
    reach = [
        axis[2 * s.start - 16 :][: 2 * SIZE + 32] for s in CUBE
    ]  # beyond the particle's voxels there is air
    piece = np.asarray(particle.draw(seed).maps(reach[0], reach[1], reach[2], 2).electron_density, np.float64)
    piece = np.pad(piece, [(0, 2 * SIZE + 32 - n) for n in piece.shape])
    return piece, float(np.median(piece[piece > 0.7 * piece.max()]))


def pooled(volume: np.ndarray) -> np.ndarray:
    z, y, x = (n // 2 for n in volume.shape)
    return volume.reshape(z, 2, y, 2, x, 2).mean(axis=(1, 3, 5))


def kernel_order(volume: np.ndarray) -> Array:
    return jnp.asarray(volume.transpose(1, 2, 0), jnp.float32)


def measured(task: str, seed: int, chemistry: bool) -> AbstractTerm:
    """The data term; its noise is the same for every prior."""
    piece, _ = specimen(seed, chemistry)
    random = np.random.default_rng([seed, TASKS.index(task)])
    if task == "deblur":
        sigma = BLUR_NM / (2 * np.sqrt(2 * np.log(2))) / VOXEL_NM
        blurred = pooled(gaussian_filter(piece, 2 * sigma))[8:-8, 8:-8, 8:-8]
        noisy = blurred + BLUR_NOISE * random.standard_normal(blurred.shape)
        known = np.pad(np.ones([SIZE - 6] * 3), 3) / BLUR_NOISE**2
        return BlurMisfit(
            measured=kernel_order(noisy),
            inverse_variance=kernel_order(known),
            sigma=jnp.asarray(sigma, jnp.float32),
        )
    cube = piece[16:-16, 16:-16, 16:-16]
    views = np.stack([project(cube, float(t), 0.0, 2 * WIDTH) for t in angles()]) / 2
    views = views.reshape(ANGLES, SIZE, 2, WIDTH, 2).mean(axis=(2, 4))
    noisy = views + ANGLE_NOISE * random.standard_normal(views.shape)
    return ProjectionMisfit(
        projections=jnp.asarray(noisy, jnp.float32),
        inverse_variance=jnp.full(noisy.shape, ANGLE_NOISE**-2, jnp.float32),
    )


def angles() -> np.ndarray:
    return np.arange(ANGLES) * np.pi / ANGLES


def start(learns: bool) -> Parameters:
    """Nothing, and what is learnt at its first guess."""
    still = jnp.zeros(ANGLES, jnp.float32)
    probe = Probe(jnp.ones((1, 1, 1, 1), jnp.complex64))  # frames there are none
    positions = Positions(jnp.zeros((1, 2)), jnp.zeros((1, 2)), jnp.zeros(4))
    parameters = Parameters(
        None,
        probe,
        positions,
        jnp.ones(1),
        volume=Volume(jnp.zeros((SIZE, SIZE, SIZE), jnp.float32)),
        alignment=Alignment(
            jnp.asarray(angles(), jnp.float32), still, jnp.zeros((ANGLES, 2), jnp.float32), jnp.zeros(1, int)
        ),
    )
    if not learns:
        return parameters
    return dataclasses.replace(parameters, morphology=Morphology(solid_level=jnp.asarray(1.0)))


def scores(found: np.ndarray, seed: int, chemistry: bool) -> dict[str, float]:
    """Against the truth, without the edge."""
    piece, solid = specimen(seed, chemistry)
    inner = (slice(EDGE, -EDGE),) * 3
    true, found = pooled(piece)[8:-8, 8:-8, 8:-8][inner], found[inner]
    body: np.ndarray = np.asarray(
        binary_erosion(gaussian_filter(true, 3.0) > solid / 2, iterations=2), bool
    )  # without the air about it
    pore, here = (true < solid / 2)[body], (found < solid / 2)[body]
    window = np.ones(true.shape)
    return {
        "rmse": float(np.sqrt(np.mean((found - true) ** 2))),
        "dice": float(2 * np.sum(pore & here) / (pore.sum() + here.sum())),
        "bias": float(here.mean() - pore.mean()),
        "half_period_nm": VOXEL_NM * half_period_at(shell_correlation(found, true, window), 0.5),
    }
