"""The first guess of a volume that assumes nothing: hardly any matter, an upright axis in the middle, the probe of a usual guess.

Also the parts that every first guess of a volume needs: how large it is, where matter may be, and the alignment of a tilt series.
"""

import dataclasses

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..errors import InputError
from ..geometry import Geometry
from ..measurement import Measurement
from ..parameters import Alignment, Parameters, Volume
from .first_guess import AbstractInitial
from .guess import Guess, as_real

START = 0.1  # of the softness: the slope of the map to positive densities is still a half


def angles(measurement: Measurement) -> Float[Array, " view"]:
    """Nominal rotation of every view, radians; raises `InputError` when all are the same."""
    angle = np.radians(measurement.angle_deg)
    if len(angle) < 2 or np.ptp(angle) == 0:
        raise InputError(
            f"{measurement.source}: {len(angle)} view(s), all at {measurement.angle_deg[0]:g} degrees; a volume needs views from "
            "several angles (`data.angles`)."
        )
    return as_real(angle)


def upright(measurement: Measurement) -> Alignment:
    """Every view where the nominal geometry has it."""
    angle = angles(measurement)
    view = jnp.asarray(measurement.view, jnp.int32)
    return Alignment(angle, jnp.zeros_like(angle), jnp.zeros((len(angle), 2), angle.dtype), view)


def field_of_view(measurement: Measurement, geometry: Geometry) -> int:
    """Voxels along an edge of the cube that the scan sees: extent of the positions and half a window on either side; even."""
    extent = np.ptp(measurement.positions_px, axis=0).max() + max(geometry.probe_shape) / 2
    return int(np.ceil(extent / 2)) * 2


def cylinder(shape: tuple[int, int, int], radius: float) -> Float[np.ndarray, "y x z"]:
    """1 within `radius` (relative to half the shorter side) of the rotation axis."""
    y, x = (np.arange(n) - (n - 1) / 2 for n in shape[:2])
    inside = np.hypot(y[:, None], x) <= radius * min(shape[:2]) / 2
    return np.repeat(inside[..., None], shape[2], axis=2).astype(float)


def square_pixels(geometry: Geometry, source: str) -> None:
    y, x = geometry.pixel_size_m
    if abs(y - x) > 1e-3 * x:
        raise InputError(
            f"{source}: object pixels of {y:.4g} x {x:.4g} m; a volume needs square ones (`data.preprocess.crop`)."
        )


class FlatVolume(AbstractInitial):
    """size: voxels along the edges (y, x, z), or one number for all; null is what the scan sees. softness: e/A^3 over which the
    map to positive densities bends; null lets densities be negative. support: radius, relative to the volume's, of the cylinder
    outside of which is air; null for none. absorption: give the absorption a volume of its own. tilts: let the axis roll and
    pitch in every view (slower). knots: sets of probe modes along the series.
    """

    start: Guess = eqx.field(default_factory=Guess)
    size: int | tuple[int, int, int] | None = None
    softness: float | None = 0.02
    support: float | None = 1.0
    absorption: bool = False
    tilts: bool = False
    knots: int = 1

    def __check_init__(self):
        if self.knots < 1 or (self.softness is not None and not self.softness > 0):
            raise ValueError(
                f"`knots` is {self.knots}, `softness` {self.softness}; expected 1 or more, and more than 0."
            )

    def shape(self, geometry: Geometry, measurement: Measurement) -> tuple[int, int, int]:
        """Voxels (y, x, z)."""
        size = self.size or field_of_view(measurement, geometry)
        return (size, size, size) if isinstance(size, int) else size

    def volume(
        self, density: Float[np.ndarray, "y x z"], absorption: Float[np.ndarray, "y x z"] | None = None
    ) -> Volume:
        """The unknowns of a volume as it is to begin with."""
        from ..numerics.positive import raw

        def on_device(values):
            values = as_real(np.ascontiguousarray(values))
            return values if self.softness is None else raw(values, self.softness)

        support = None if self.support is None else as_real(cylinder(density.shape, self.support))
        softness = None if self.softness is None else as_real(np.asarray(self.softness))
        own = on_device(np.zeros_like(density) if absorption is None else absorption)
        return Volume(on_device(density), own if self.absorption else None, softness, support)

    def __call__(self, geometry: Geometry, measurement: Measurement, *, seed: int = 0) -> Parameters:
        square_pixels(geometry, measurement.source)
        alignment = upright(measurement)
        if self.tilts:
            alignment = dataclasses.replace(alignment, tilt=jnp.zeros_like(alignment.shift))
        plain = dataclasses.replace(measurement, specimen=np.zeros_like(measurement.specimen))
        found = self.start(geometry, plain, seed=seed)
        empty = np.full(self.shape(geometry, measurement), START * (self.softness or 0.0))
        probe = repeated_probe(found, self.knots)
        return dataclasses.replace(
            found, object=None, probe=probe, volume=self.volume(empty), alignment=alignment
        )


def repeated_probe(parameters: Parameters, knots: int):
    """The probe with as many equal sets of modes as there are knots along the series."""
    probe = parameters.probe
    variations = None if probe.variations is None else jnp.repeat(probe.variations[:1], knots, axis=0)
    return dataclasses.replace(probe, modes=jnp.repeat(probe.modes[:1], knots, axis=0), variations=variations)
