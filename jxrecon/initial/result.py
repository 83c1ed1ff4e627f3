"""Warm start from an earlier result: everything of it that fits.

Object and probe are taken always, on the new pixels: centres stay on centres, the object is 1 and the probe 0 where the result
had nothing. What belongs to single frames (corrected positions, flux, weights of the variations) and the background are taken
when the scan is the same: as many frames, at the same nominal positions within a thousandth of the scan's extent. For another
scan the probe's power is set to its mean counts.
"""

import logging

import numpy as np
from jaxtyping import Array

from ..errors import InputError
from ..geometry import Geometry
from ..measurement import Measurement
from ..parameters import Parameters, Positions, Probe
from ..result import load
from .first_guess import AbstractInitial, object_shape
from .guess import as_real, mean_frames, nominal_positions, on_device
from .modes import powers, with_modes
from .resample import resampled

_log = logging.getLogger(__name__)


def repeated(fields: np.ndarray, count: int, what: str, path: str) -> np.ndarray:
    """As many as wanted; one may serve for all."""
    if len(fields) not in (1, count):
        raise InputError(
            f"{path}: holds {len(fields)} {what}, the measurement has {count}; expected 1 or {count}."
        )
    return np.broadcast_to(fields, (count, *fields.shape[1:]))


def ratio(new: Geometry, old: Geometry) -> np.ndarray:
    """New pixels in units of old ones, (y, x)."""
    return np.array(new.pixel_size_m) / np.array(old.pixel_size_m)


def same_scan(positions: Positions, scale: np.ndarray, measurement: Measurement) -> bool:
    """Whether these nominal positions, in pixels `scale` times smaller, are those of the measurement."""
    old, new = np.asarray(positions.nominal) / scale, measurement.positions_px
    return old.shape == new.shape and bool(
        np.abs(old - new).max() <= 1e-3 * max(np.ptp(new, axis=0).max(), 1)
    )


def on_new_pixels(fields: Array, old: Geometry, new: Geometry) -> np.ndarray:
    """Illuminations (..., v, u) on the probe's grid of `new`, their power kept."""
    flat = np.asarray(fields).reshape(-1, *fields.shape[-2:])
    factor = np.sqrt(np.prod(ratio(new, old)))
    moved = [factor * resampled(f, old.pixel_size_m, new.probe_shape, new.pixel_size_m) for f in flat]
    return np.stack(moved).reshape(*fields.shape[:-2], *new.probe_shape)


class Result(AbstractInitial):
    """From the `result.h5` or the run folder `path`.

    modes: how many; null keeps those of the result. mode_share: power of each that has to be invented.
    """

    path: str
    modes: int | None = None
    mode_share: float = 0.05

    def __check_init__(self):
        if self.modes is not None and self.modes < 1:
            raise ValueError(f"`modes` is {self.modes}; expected at least 1, or null.")

    def __call__(self, geometry: Geometry, measurement: Measurement, *, seed: int = 0) -> Parameters:
        result = load(self.path)
        if result.geometry.regime != geometry.regime:
            raise InputError(
                f"{self.path}: is a {result.geometry.regime} result, the measurement is {geometry.regime}; they share no probe."
            )
        old, scale = result.parameters, ratio(geometry, result.geometry)
        same = same_scan(old.positions, scale, measurement)
        _log.info(
            "%s: object and probe taken%s", self.path, ", and all of its frames" if same else "; another scan"
        )
        positions = nominal_positions(measurement)
        if same:
            shift = as_real(np.asarray(old.positions.shift) / scale)
            positions = Positions(positions.nominal, shift, as_real(old.positions.affine))
        return Parameters(
            object=on_device(self._object(old, result.geometry, geometry, measurement)),
            probe=self._probe(old.probe, result.geometry, geometry, measurement, same),
            positions=positions,
            flux=as_real(old.flux if same else np.ones(measurement.scan_count)),
            background=_background(old.background, geometry) if same else None,
        )

    def _object(self, old: Parameters, grid: Geometry, geometry: Geometry, measurement: Measurement):
        shape = object_shape(measurement.positions_px, geometry.probe_shape)
        count = int(measurement.specimen.max()) + 1
        found = repeated(np.asarray(old.object), count, "specimens", self.path)
        return np.stack([resampled(o, grid.pixel_size_m, shape, geometry.pixel_size_m, 1.0) for o in found])

    def _probe(
        self, old: Probe, grid: Geometry, geometry: Geometry, measurement: Measurement, same: bool
    ) -> Probe:
        modes = on_new_pixels(old.modes, grid, geometry)
        modes = repeated(modes, int(measurement.optics.max()) + 1, "illuminations", self.path)
        count = modes.shape[1] if self.modes is None else self.modes
        total = powers(modes).sum(axis=1)
        if not same:
            total = np.array([mean.photons for mean in mean_frames(geometry, measurement)])
        if count != modes.shape[1] or not same:
            modes = np.stack([with_modes(m, count, self.mode_share) for m in modes])
            modes = modes * np.sqrt(total)[:, None, None, None]
        if not same or old.variations is None or old.weights is None or count != old.modes.shape[1]:
            return Probe(on_device(modes))
        return Probe(
            on_device(modes), on_device(on_new_pixels(old.variations, grid, geometry)), as_real(old.weights)
        )


def _background(old: Array | None, geometry: Geometry) -> Array | None:
    if old is None or old.shape != geometry.frame_shape:
        return None
    return as_real(old)
