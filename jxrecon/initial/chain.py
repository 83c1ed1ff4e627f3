"""The step-by-step chain of the literature as first guess of a volume: ptychography of every view, alignment, back-projection.

    frames -> objects of all views (`views`) -> phases without ramps, unwrapped -> shifts along v by mass fluctuation, along u by
    projection matching -> filtered back-projection (`classical.chain`) -> volume, shifts, probe and positions

With `epochs=0` and this first guess a run is the chain itself (`experiment=sequential`).
"""

import dataclasses

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..analysis.region import coverage
from ..classical.chain import AlignedVolume, aligned_volume
from ..forward.material import Material
from ..geometry import Geometry
from ..measurement import Measurement
from ..parameters import Alignment, Parameters, Positions
from .first_guess import AbstractInitial
from .flat_volume import FlatVolume, repeated_probe, square_pixels, upright
from .guess import as_real
from .views import Views


@dataclasses.dataclass(frozen=True)
class Chained:
    """parameters: of the joint problem, as the chain found them; aligned: its projections and stages; photons (view, v, u) that
    lit each pixel of them."""

    parameters: Parameters
    aligned: AlignedVolume
    photons: Float[np.ndarray, "view v u"]


def light(parameters: Parameters, view: np.ndarray) -> Float[np.ndarray, "view v u"]:
    """Photons that fell on every pixel of every view's object."""
    assert parameters.object is not None
    shape = parameters.object.shape[1:]
    modes = np.asarray(parameters.probe.modes[0], np.complex128)
    centres = np.asarray(parameters.positions(), np.float64)
    numbers = range(parameters.object.shape[0])
    return np.stack([coverage(centres[view == k], modes, (shape[0], shape[1])) for k in numbers])


def middle_of(volume: Float[np.ndarray, "_ _ _"], shape: tuple[int, int, int]) -> Float[np.ndarray, "y x z"]:
    """The middle of a volume, or the volume in the middle of air, with as many voxels as `shape` says."""
    for axis, size in enumerate(shape):
        n = volume.shape[axis]
        first = (n - size) // 2
        if first >= 0:
            volume = np.take(volume, np.arange(first, first + size), axis=axis)
        else:
            pad = [(0, 0)] * 3
            pad[axis] = (-first, size - n + first)
            volume = np.pad(volume, pad)
    return volume


class Chain(AbstractInitial):
    """views: how every view is reconstructed. flat: size, support and positivity of the volume. filter: of the back-projection.
    rounds: how often ramps and phases are compared with the volume of the round before."""

    views: Views = eqx.field(default_factory=Views)
    flat: FlatVolume = eqx.field(default_factory=FlatVolume)
    material: Material = Material()
    filter: str = "hann"
    rounds: int = 2

    def __call__(self, geometry: Geometry, measurement: Measurement, *, seed: int = 0) -> Parameters:
        return self.chained(geometry, measurement, seed=seed).parameters

    def chained(self, geometry: Geometry, measurement: Measurement, *, seed: int = 0) -> Chained:
        """The chain with its stages."""
        square_pixels(geometry, measurement.source)
        start = upright(measurement)
        found = self.views(geometry, measurement, seed=seed)
        photons = light(found, measurement.view)
        pixel = geometry.pixel_size_m[0]
        aligned = aligned_volume(
            np.asarray(found.object, np.complex128),
            photons,
            np.asarray(start.angle, np.float64),
            phase_per_density=self.material.phase_per_density(geometry.energy_keV) * pixel,
            rounds=self.rounds,
            filter=self.filter,
        )
        shape = self.flat.shape(geometry, measurement)
        density = middle_of(np.maximum(aligned.density, 0).transpose(1, 2, 0), shape)
        positions, alignment = self._placed(found.positions, start, aligned.shift)
        parameters = dataclasses.replace(
            found,
            object=None,
            probe=repeated_probe(found, self.flat.knots),
            positions=positions,
            volume=self.flat.volume(density),
            alignment=alignment,
        )
        return Chained(parameters, aligned, photons)

    def _placed(
        self, positions: Positions, start: Alignment, shift: Float[np.ndarray, "view 2"]
    ) -> tuple[Positions, Alignment]:
        """Positions whose corrections have no mean in any view, and the alignment that takes it up.

        The chain counts from the middle (n - 1)/2 of an object of even size, positions from its pixel n//2.
        """
        view = np.asarray(start.view)
        own = np.asarray(positions.shift, np.float64)
        count = np.bincount(view)
        mean = np.stack([np.bincount(view, own[:, k]) / count for k in (0, 1)], axis=1)
        moved = shift - mean - np.array([0.0, 0.5])
        placed = dataclasses.replace(positions, shift=as_real(own - mean[view]))
        return placed, dataclasses.replace(start, shift=as_real(jnp.asarray(moved)))
