"""A measurement on the device as the engines want it: frames in the propagator's layout, windows, sub-pixel remainders."""

import jax.numpy as jnp
import numpy as np

from ..errors import InputError
from ..forward.ptychography import split_position
from ..geometry import Geometry
from ..measurement import Measurement
from .engine import Scan

BLOCK = 64  # frames read at once


def laid_out(frames: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Frames (scan, v, u) with the beam at the corner in the far field, framed by unmeasured pixels in the near field."""
    if geometry.regime == "far_field":
        return np.fft.ifftshift(frames, axes=(1, 2))
    if geometry.oversampling > 1:
        raise InputError(
            f"the classical engines know whole detector pixels, but `data.instrument.oversampling` is {geometry.oversampling}; "
            "set it to 1, or start from another `initial`."
        )
    border = (geometry.margin, geometry.margin)
    return np.pad(frames, ((0, 0), border, border), constant_values=-1)


def read_scan(
    geometry: Geometry,
    measurement: Measurement,
    positions_px: np.ndarray,
    index: np.ndarray,
    object_shape: tuple[int, int],
) -> Scan:
    """The frames `index` (ascending) at `positions_px` (scan, 2), all of them on the device; masked pixels become negative."""
    intensity = np.empty((len(index), *geometry.probe_shape), np.float32)
    for start in range(0, len(index), BLOCK):
        frames = measurement.frames.read(index[start : start + BLOCK])
        frames = np.where(measurement.mask, frames, -1)
        intensity[start : start + BLOCK] = laid_out(frames, geometry)
    corners, fractions = split_position(
        jnp.asarray(positions_px[index], jnp.result_type(float)), object_shape, geometry.probe_shape
    )
    measured = intensity[intensity >= 0]
    level = float(measured.mean()) if measured.size else 0.0
    return Scan(
        jnp.asarray(intensity, fractions.dtype),
        corners,
        fractions,
        jnp.full(len(index), level, fractions.dtype),
        geometry.fresnel_number if geometry.regime == "near_field" else None,
    )
