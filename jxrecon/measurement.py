"""What was measured: frames on disk or in memory, where each was taken, which pixels count.

A frame is (v, u) photon counts with the beam at the array's centre (v//2, u//2); a negative value marks a pixel that was not
measured (dead, gap, NaN), so that no second array of masks has to travel. Views are groups of frames that see the same
specimen through the same optics (one rotation angle, one scan); a plain scan is one view.
"""

import dataclasses
from typing import Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class AbstractFrames(Protocol):
    """Frames that are read when they are needed, as (scan, v, u)."""

    @property
    def shape(self) -> tuple[int, int, int]: ...

    def read(self, index: np.ndarray) -> np.ndarray:
        """Frames of these numbers (ascending), float32, beam at the centre, negative where not measured.

        Thread-safe: the next batch is read in the background."""
        ...


@dataclasses.dataclass(frozen=True)
class ArrayFrames:
    """Frames in memory."""

    array: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.array.shape  # pyright: ignore[reportReturnType]

    def read(self, index: np.ndarray) -> np.ndarray:
        return np.asarray(self.array[index], np.float32)


@dataclasses.dataclass(frozen=True)
class Measurement:
    """One data set of one instrument.

    frames       (scan, v, u) photon counts, see `AbstractFrames`
    positions_px (scan, 2) float64, (y, x) of the probe's centre over the object, in object pixels, from the object's
                 centre: position (0, 0) puts probe pixel (v//2, u//2) on object pixel (y//2, x//2)
    mask         (v, u) bool, True where the detector is good
    view         (scan,) the view that each frame belongs to
    specimen     (view,) which object each view sees; optics (view,) which probe
    angle_deg    (view,) rotation angle
    probe        (mode, v, u) first guess that the file holds, sum |probe|^2 = mean counts of a frame, or None
    object       (y, x) likewise, or None
    source       path, as the user gave it, made absolute; metadata: what else the file says (for provenance)
    """

    frames: AbstractFrames
    positions_px: np.ndarray
    mask: np.ndarray
    view: np.ndarray
    specimen: np.ndarray
    optics: np.ndarray
    angle_deg: np.ndarray
    probe: np.ndarray | None = None
    object: np.ndarray | None = None
    source: str = ""
    metadata: dict = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        n = self.frames.shape[0]
        if self.positions_px.shape != (n, 2):
            raise ValueError(
                f"{self.source}: {n} frames but positions of shape {self.positions_px.shape}; expected ({n}, 2)."
            )
        if self.mask.shape != self.frames.shape[1:]:
            raise ValueError(
                f"{self.source}: mask of shape {self.mask.shape} on frames of {self.frames.shape[1:]}."
            )

    @property
    def scan_count(self) -> int:
        return self.frames.shape[0]


def single_view(frames: AbstractFrames, positions_px: np.ndarray, **fields) -> Measurement:
    """A `Measurement` of one view, with an all-good mask unless one is given."""
    fields.setdefault("mask", np.ones(frames.shape[1:], bool))
    return Measurement(
        frames=frames,
        positions_px=np.asarray(positions_px, np.float64),
        view=np.zeros(frames.shape[0], np.int32),
        specimen=np.zeros(1, np.int32),
        optics=np.zeros(1, np.int32),
        angle_deg=np.zeros(1),
        **fields,
    )
