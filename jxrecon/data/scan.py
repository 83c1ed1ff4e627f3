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
class Views:
    """The views of a series in one file; positions of it count from the rotation axis, and keep that origin.

    view                (scan,) the view of each frame
    angle_deg           (view,)
    specimen, optics    (view,) which object and which probe each view sees
    """

    view: np.ndarray
    angle_deg: np.ndarray
    specimen: np.ndarray
    optics: np.ndarray

    def chosen(self, frames: np.ndarray) -> "Views":
        """Of some of the frames; views of which no frame is left are gone, and the others keep their angles."""
        kept, view = np.unique(self.view[frames], return_inverse=True)
        return Views(
            view.astype(np.int32),
            self.angle_deg[kept],
            self.specimen[kept].astype(np.int32),
            self.optics[kept],
        ).numbered()

    def numbered(self) -> "Views":
        """With specimens and optics counted from 0 without gaps."""
        specimen, optics = (
            np.unique(n, return_inverse=True)[1].astype(np.int32) for n in (self.specimen, self.optics)
        )
        return dataclasses.replace(self, specimen=specimen, optics=optics)


def one_view(count: int, angle_deg: float = 0.0) -> Views:
    """All frames in one view."""
    none = np.zeros(1, np.int32)
    return Views(np.zeros(count, np.int32), np.array([angle_deg], np.float64), none, none)


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
    views               the views of the frames, where the file holds several or says the angle of its one
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
    views: Views | None = None
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
