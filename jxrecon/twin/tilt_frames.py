"""The frames of a simulated tilt series, view by view as they are asked for, and everything that is true of them.

What is true ends in `_true` and must never be given to a reconstruction. Frames of one view are simulated together and are kept
as long as there is room, so that reading twice costs a series of moderate size once.
"""

import dataclasses
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Bool, Complex

from ..geometry import Geometry
from ..measurement import Measurement
from .acquisition import Acquisition, stream
from .beam import centroid, expected_counts, guessed_modes, on_coarse_grid, true_modes
from .detector import NOT_MEASURED, PhotonCounter
from .illumination import AbstractIllumination
from .turned import TurnedScene

KEPT_BYTES = 2**30


@dataclasses.dataclass(frozen=True)
class Beam:
    """What lights the specimen; see the arguments of the simulation."""

    illumination: AbstractIllumination
    powers: tuple[float, ...]
    photons: float
    defocus_error: float


@dataclasses.dataclass(frozen=True)
class TiltFrames:
    """Frames (view * scan, v, u) as `AbstractFrames`.

    modes: the true probe on the fine grid, without drift. volumes: what is true of the specimen.
    """

    geometry: Geometry
    acquisition: Acquisition
    scene: TurnedScene
    beam: Beam
    modes: Complex[np.ndarray, "mode fine_v fine_u"]
    detector: PhotonCounter
    mask: Bool[np.ndarray, "v u"]
    seed: int
    volumes: dict[str, np.ndarray]
    _kept: dict[int, np.ndarray] = dataclasses.field(default_factory=dict, repr=False)
    _lock: Any = dataclasses.field(default_factory=threading.Lock, repr=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        views, shots = self.acquisition.flux.shape
        return views * shots, *self.geometry.frame_shape

    def transmission(self, view: int) -> Complex[np.ndarray, "scan fine_v fine_u"]:
        """Of the specimen in the windows of a view's frames, where they truly are."""
        state = self.acquisition
        centres = state.true[view] - state.shift[view]
        return self.scene.transmission(
            float(np.deg2rad(state.true_deg[view])), centres, self.geometry.probe_shape
        )

    def view(self, view: int) -> np.ndarray:
        """Counts of one view, (scan, v, u): int32, or float32 without counting noise."""
        state = self.acquisition
        waves = self.transmission(view)[:, None] * self._modes(view)
        expected = state.flux[view][:, None, None] * expected_counts(self.geometry, waves)
        noise = stream(self.seed, "noise", int(state.number[view]))
        counts = self.detector.count(expected, self.mask, noise)
        return counts.astype(np.int32 if self.detector.poisson else np.float32)

    def views(self) -> Iterator[np.ndarray]:
        """Frames of all views, one after the other."""
        return (self.view(view) for view in range(len(self.acquisition.number)))

    def read(self, index: np.ndarray) -> np.ndarray:
        """Frames of these ascending numbers, float32."""
        index, shots = np.asarray(index), self.acquisition.flux.shape[1]
        out = np.empty((len(index), *self.shape[1:]), np.float32)
        with self._lock:
            for view in np.unique(index // shots).tolist():
                mine = index // shots == view
                out[mine] = self._of(view)[index[mine] % shots]
        return out

    def _of(self, view: int) -> np.ndarray:
        if view not in self._kept:
            if sum(frames.nbytes for frames in self._kept.values()) > KEPT_BYTES:
                self._kept.clear()
            self._kept[view] = self.view(view)
        return self._kept[view]

    def _modes(self, view: int) -> np.ndarray:
        factor, beam = float(self.acquisition.defocus[view]), self.beam
        if factor == 1:
            return self.modes
        return true_modes(beam.illumination.misjudged(factor), self.geometry, beam.powers, beam.photons)

    def guess(self) -> Complex[np.ndarray, "mode v u"]:
        """First guess of the probe, with the mean counts of the first view."""
        frames, beam = self.read(np.arange(self.acquisition.flux.shape[1])), self.beam
        mean = float(np.where(frames == NOT_MEASURED, 0, frames).sum(axis=(1, 2)).mean())
        misjudged = beam.illumination.misjudged(beam.defocus_error)
        return guessed_modes(misjudged, self.geometry, beam.powers, mean)

    def measurement(self) -> Measurement:
        """One view for each angle, each with a specimen of its own, that share the probe."""
        views, shots = self.acquisition.flux.shape
        number = np.arange(views, dtype=np.int32)
        return Measurement(
            frames=self,
            positions_px=self.acquisition.nominal.reshape(-1, 2),
            mask=self.mask,
            view=np.repeat(number, shots),
            specimen=number,
            optics=np.zeros(views, np.int32),
            angle_deg=self.acquisition.nominal_deg,
            probe=self.guess(),
        )

    def truth(self) -> dict[str, np.ndarray]:
        """electron_density_true (z y x) on the voxels of the reconstruction, e/A^3, glass included; particle_true: within the
        outer surface; projection_shift_true (view, 2), (v, u), axis offset included; angle_deg_true (view,); defocus_true
        (view,), a factor; positions_true (view * scan, 2); flux_true (view * scan,); probe_true without drift.
        displacement_true (view, 2), (v, u): how far the specimen's image lay from the light where the nominal positions put it,
        that is shift less mean error of the positions less the probe's centroid; to the frames these are one and the same."""
        state, probe = self.acquisition, on_coarse_grid(self.modes, self.geometry)
        return self.volumes | {
            "projection_shift_true": state.shift,
            "angle_deg_true": state.true_deg,
            "positions_true": state.true.reshape(-1, 2),
            "probe_true": probe,
            "displacement_true": state.shift - (state.true - state.nominal).mean(axis=1) - centroid(probe),
            "defocus_true": state.defocus,
            "flux_true": state.flux.ravel(),
        }
