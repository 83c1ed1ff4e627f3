"""What a reader finds in a file, before anything is done to it, in one record for all formats."""

import dataclasses
from typing import Literal

import numpy as np

from ..errors import InputError
from .detector import Point
from .frames import AbstractRawFrames
from .instrument import FileGeometry

MAX_EXTENT_M = 1.0


@dataclasses.dataclass(frozen=True)
class Scan:
    """One scan as the file holds it.

    frames              raw, (scan, v, u)
    positions           (scan, 2), (y, x) of the probe over the specimen, along the axes of the frames as stored; the format's
                        own sign and order are already undone
    position_unit       "m", or "px" = object pixels of the geometry of the frames as stored
    geometry            what the file says of the instrument
    mask                (v, u) bool, True = good, or None
    centre              (v, u) of the beam on the frames (after the zero frequency was moved to the centre), or None
    zero_frequency      where the frames have it
    probe, object       first guesses on the grid of the frames as stored, or None
    object_centre       the object's pixel (y, x) that position (0, 0) puts under the centre of the probe; None: the middle of
                        the object lies under the middle of the scan
    names               datasets of the frames and of the positions, for messages
    rescale_probe       the probe's scale is the program's own: bring sum |probe|^2 to the mean counts of a frame
    metadata            what else the file says, plain values
    """

    format: str
    frames: AbstractRawFrames
    positions: np.ndarray
    geometry: FileGeometry
    position_unit: Literal["m", "px"] = "m"
    mask: np.ndarray | None = None
    centre: Point | None = None
    zero_frequency: Literal["centre", "corner"] = "centre"
    probe: np.ndarray | None = None
    object: np.ndarray | None = None
    object_centre: Point | None = None
    rescale_probe: bool = False
    names: tuple[str, str] = ("frames", "positions")
    metadata: dict = dataclasses.field(default_factory=dict)


def check_positions(positions: np.ndarray, where: str, unit: str = "m") -> np.ndarray:
    """(scan, 2) finite float64, or an `InputError`."""
    if positions.ndim != 2 or positions.shape[1] != 2:
        raise InputError(f"{where}: has shape {positions.shape}; expected positions (scan, 2).")
    if positions.dtype.kind not in "fiu":
        raise InputError(f"{where}: holds {positions.dtype}; expected real numbers.")
    positions = positions.astype(np.float64)
    bad = ~np.all(np.isfinite(positions), axis=1, keepdims=False)
    if bad.any():
        raise InputError(
            f"{where}: {bad.sum()} of {len(positions)} positions are not finite (number {np.argmax(bad)})."
        )
    if unit == "m" and len(positions) and np.ptp(positions, axis=0).max() > MAX_EXTENT_M:
        raise InputError(
            f"{where}: the positions extend over {np.ptp(positions, axis=0).max():.3g} m; expected metres, less than "
            f"{MAX_EXTENT_M:g}."
        )
    return positions


def check_count(frames: int, positions: int, where: str, names: tuple[str, str]) -> None:
    """Every frame has its position."""
    if frames != positions:
        raise InputError(
            f"{where}:/{names[0]}: {frames} frames, but {positions} positions in {names[1]}; expected equal numbers "
            f"(`data.preprocess.stop={min(frames, positions)}` uses the first of both)."
        )


def check_mask(mask: np.ndarray, shape: tuple[int, int], where: str) -> np.ndarray:
    """(v, u) bool of the frames' shape, with at least one good pixel."""
    if mask.shape != shape:
        raise InputError(f"{where}: has shape {mask.shape}; expected that of the frames, {shape}.")
    if not mask.any():
        raise InputError(f"{where}: marks every pixel as bad; is True (or nonzero) meant for good pixels?")
    return mask.astype(bool)


def check_probe(probe: np.ndarray, shape: tuple[int, int], where: str) -> np.ndarray:
    """(mode, v, u) complex, finite, of the frames' shape."""
    probe = probe[None] if probe.ndim == 2 else probe
    probe = probe.reshape(-1, *probe.shape[-2:]) if probe.ndim > 3 else probe
    if probe.ndim != 3 or probe.shape[1:] != shape:
        raise InputError(
            f"{where}: has shape {probe.shape}; expected a probe (mode, {shape[0]}, {shape[1]})."
        )
    if not np.isfinite(probe).all() or not np.any(probe):
        raise InputError(f"{where}: is zero or not finite; expected a probe.")
    return probe.astype(np.complex64)
