"""A volume from the moments of its diffraction patterns (`forward.moments`): a first guess for thick specimens.

The misfit of the moments to all frames is close to linear in the volume. A few Gauss-Newton steps of a few conjugate gradients
each make it small, from an empty volume, on voxels `coarser` than the final ones; the beam hides what is finer. The joint loop,
whose frames repeat when a phase grows by 2 pi, starts from there on the right branch, however thick the specimen.

Far field; the scan has to reach air, where the brightest frames say the power of the empty beam.
"""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.ndimage import affine_transform

from ..errors import InputError
from ..forward.material import Material
from ..forward.moments import Moments, beam_spectra
from ..geometry import Geometry
from ..kernels.ray_transform import back_project, project
from ..measurement import Measurement
from ..parameters import Parameters
from .first_guess import AbstractInitial
from .flat_volume import FlatVolume, as_real, cylinder, square_pixels

FLUX_ERROR = 0.01  # of the shots' intensities, relative
BLOCK = 256  # frames read at once
BRIGHTEST = 98  # percentile of the frames that lie in air


def moments_of(measurement: Measurement) -> Float[np.ndarray, "scan 5"]:
    """Sum of every frame, its first moments (v, u) and the variances of these, detector pixels from the beam (pixel n//2)."""
    count, v, u = measurement.frames.shape
    rows, columns = ((np.arange(n) - n // 2).astype(float) for n in (v, u))
    found = np.empty((count, 5))
    for first in range(0, count, BLOCK):
        index = np.arange(first, min(first + BLOCK, count))
        frames = measurement.frames.read(index)
        frames = np.where(measurement.mask & (frames >= 0), frames, 0).astype(float)
        along = frames.sum(axis=2), frames.sum(axis=1)
        squares = along[0] @ rows**2, along[1] @ columns**2
        found[index] = np.stack([frames.sum(axis=(1, 2)), along[0] @ rows, along[1] @ columns, *squares], 1)
    return found


@eqx.filter_jit
def gauss_newton(
    model: Moments,
    density: Float[Array, "y x z"],
    measured: Float[Array, "scan 3"],
    weight: Float[Array, "scan 3"],
    angle: Float[Array, " view"],
    support: Float[Array, "y x z"],
    inner: int,
) -> Float[Array, "y x z"]:
    """One step towards the least sum of (weight * misfit)^2, by `inner` conjugate gradients; densities stay positive."""
    width = model.spectra.shape[-1]
    axis = jnp.full(angle.shape, width // 2 - (width - 1) / 2, angle.dtype)
    lines = project(density, angle, axis, width=width)
    predicted, along = jax.linearize(lambda p: weight * model(p), lines)
    against = jax.linear_transpose(along, lines)
    y, x, _ = density.shape

    def forward(d):
        return along(project(support * d, angle, axis, width=width))

    def backward(r):
        return support * back_project(against(r)[0], angle, axis, shape=(y, x))

    def step(carry, _):
        found, rest, direction, size = carry
        image = forward(direction)
        length = size / jnp.sum(image**2)
        rest = rest - length * image
        slope = backward(rest)
        after = jnp.sum(slope**2)
        return (found + length * direction, rest, slope + after / size * direction, after), None

    rest = weight * measured - predicted
    slope = backward(rest)
    start = (jnp.zeros_like(density), rest, slope, jnp.sum(slope**2))
    (found, *_), _ = jax.lax.scan(step, start, None, length=inner)
    return jnp.maximum(density + found, 0)


def finer_volume(
    coarse: Float[np.ndarray, "_ _ _"], shape: tuple[int, ...], by: int
) -> Float[np.ndarray, "y x z"]:
    """On voxels `by` times smaller about the same middle, linearly."""
    offset = [(m - 1) / 2 - (n - 1) / (2 * by) for m, n in zip(coarse.shape, shape, strict=True)]
    return affine_transform(coarse, [1 / by] * 3, offset, shape, order=1, mode="nearest")  # pyright: ignore[reportArgumentType]


class MomentVolume(AbstractInitial):
    """start: the shape of the volume and the guess of the probe, whose power is corrected. material: what ties absorption to
    density. steps: of Gauss and Newton, with `inner` conjugate gradients each."""

    start: FlatVolume = eqx.field(default_factory=FlatVolume)
    material: Material = Material()
    coarser: int = 2
    steps: int = 6
    inner: int = 10

    def __check_init__(self):
        if min(self.coarser, self.steps, self.inner) < 1:
            raise ValueError("`coarser`, `steps` and `inner` want to be 1 or more.")

    def __call__(self, geometry: Geometry, measurement: Measurement, *, seed: int = 0) -> Parameters:
        if geometry.regime != "far_field":
            raise InputError(
                f"{measurement.source}: moments say the phase in the far field only; take `initial=flat_volume`."
            )
        square_pixels(geometry, measurement.source)
        found = self.start(geometry, measurement, seed=seed)
        assert found.volume is not None and found.alignment is not None
        moments = moments_of(measurement)
        empty = float(np.percentile(moments[:, 0], BRIGHTEST))
        modes = np.asarray(found.probe.modes[0])
        shape = found.volume.density.shape
        coarse = [-(-n // self.coarser) for n in shape]
        model = self._model(geometry, measurement, modes, coarse)
        measured, weight = scaled(moments, empty, geometry.frame_shape)
        support = as_real(
            np.ones(coarse)
            if found.volume.support is None
            else cylinder((coarse[0], coarse[1], coarse[2]), 1.0)
        )
        density = jnp.zeros_like(support)
        for _ in range(self.steps):
            density = gauss_newton(
                model, density, measured, weight, found.alignment.angle, support, self.inner
            )
        fine = finer_volume(np.asarray(density), shape, self.coarser)
        factor = np.sqrt(empty / np.sum(np.abs(modes) ** 2))
        probe = dataclasses.replace(found.probe, modes=found.probe.modes * float(factor))
        absorbing = self.material.f2_per_electron(geometry.energy_keV) * fine
        return dataclasses.replace(found, probe=probe, volume=self.start.volume(fine, absorbing))

    def _model(
        self, geometry: Geometry, measurement: Measurement, modes: np.ndarray, coarse: list[int]
    ) -> Moments:
        """On a canvas that holds the volume and the beam at every position."""
        by, positions = self.coarser, np.asarray(measurement.positions_px, float)
        reach = int(np.ceil((2 * np.abs(positions).max() + max(geometry.probe_shape)) / by)) + 2
        width = max(reach, *coarse)
        width += (width - coarse[2]) % 2
        rows = (positions[:, 0] + 0.5) / by + (width - 1) / 2  # the voxel z//2 is where v = 0
        columns = positions[:, 1] / by + width // 2
        voxel, energy = by * geometry.pixel_size_m[0], geometry.energy_keV
        return Moments(
            jnp.asarray(beam_spectra(modes, width, by), jnp.result_type(complex)),
            as_real(np.stack([rows, columns], axis=1)),
            jnp.asarray(measurement.view, jnp.int32),
            voxel * self.material.phase_per_density(energy),
            voxel * self.material.absorption_per_density(energy),
            by,
        )


def scaled(
    moments: Float[np.ndarray, "scan 5"], empty: float, shape: tuple[int, int]
) -> tuple[Float[Array, "scan 3"], Float[Array, "scan 3"]]:
    """Moments as `Moments` predicts them, and what each weighs: the inverse of its standard deviation over the scan."""
    turn = np.array([1.0, 2 * np.pi / shape[0], 2 * np.pi / shape[1]])
    values = moments[:, :3] / empty * turn
    noise = np.sqrt(np.mean(moments[:, [0, 3, 4]], axis=0)) / empty * turn
    noise = np.hypot(noise, FLUX_ERROR)
    return as_real(values), as_real(np.broadcast_to(1 / noise, values.shape))
