"""PtyPy's prepared data, `.ptyd` (Enders and Thibault, Proc. R. Soc. A 472, 20160640, 2016).

meta: distance (m), energy (keV), psize (2,) m (v, u), center (2,) px (v, u), shape, num_frames, label;
chunks/<k>: data (n, v, u), positions (n, 2) m as (y, x) of the probe over the specimen, indices (n,), weights (n, v, u) or empty
(0 = not measured; may differ from frame to frame). None is stored as [0.] with the attribute type = "None". With save="link" each
chunk is an external link to a file of its own. The orientation in `info` has been applied before saving.
"""

import numpy as np

from ..errors import InputError
from .access import Access
from .frames import AbstractRawFrames, DatasetFrames, JoinedFrames, WeightedFrames
from .hdf5 import GuardedFile
from .instrument import FileGeometry, Instrument
from .preprocess import Preprocess
from .reader import AbstractReader
from .scan import Scan, check_positions
from .units import wavelength_of_keV


def _missing(file: GuardedFile, name: str) -> bool:
    return not file.has(name) or file.attribute(name, "type") == "None"


def _numbers(file: GuardedFile, name: str) -> np.ndarray | None:
    return None if _missing(file, name) else file.array(name).astype(np.float64).reshape(-1)


def _pair(file: GuardedFile, name: str) -> tuple[float, float] | None:
    values = _numbers(file, name)
    if values is None or values.size == 0:
        return None
    if not np.isfinite(values[:2]).all():
        raise InputError(f"{file.where(name)}: holds {values[:2]}; expected finite numbers.")
    return float(values[0]), float(values[min(1, values.size - 1)])


def _chunk(file: GuardedFile, group: str) -> tuple[AbstractRawFrames, np.ndarray]:
    """Frames and positions of one chunk."""
    frames: AbstractRawFrames = DatasetFrames(file.dataset(f"{group}/data"))
    name = f"{group}/positions"
    if _missing(file, name):
        raise InputError(f"{file.where(name)}: missing; PtyPy saved these frames without positions.")
    positions = check_positions(file.array(name), file.where(name))
    if len(positions) != frames.shape[0]:
        raise InputError(
            f"{file.where(group)}/data: {frames.shape[0]} frames, but {len(positions)} positions beside them."
        )
    weights = f"{group}/weights"
    if not _missing(file, weights):
        found = file.dataset(weights)
        if found.shape == frames.shape:
            frames = WeightedFrames(frames, DatasetFrames(found), found.where)
        elif np.prod(found.shape) > 1 and found.shape != frames.shape[1:]:
            raise InputError(f"{found.where}: has shape {found.shape}; expected {frames.shape}.")
    return frames, positions


def _shared_weights(file: GuardedFile, group: str, shape: tuple[int, int]) -> np.ndarray | None:
    """(v, u) True where all chunks and the whole scan have a weight."""
    for name in (f"{group}/weights", "info/weight2d", "meta/weight2d"):
        if not _missing(file, name) and file.dataset(name).shape == shape:
            return file.array(name) > 0
    return None


class Ptyd(AbstractReader):
    """Reads `.ptyd`; frames are in the order of the file's chunks."""

    path: str
    instrument: Instrument = Instrument()
    preprocess: Preprocess = Preprocess()
    access: Access = Access()

    def scan(self) -> Scan:
        file = self.access.open(self.source)
        chunks = sorted((name for name in file.children("chunks") if name.isdigit()), key=int)
        if not chunks:
            raise InputError(f"{file.where('chunks')}: no chunk of frames; expected chunks/0/data.")
        parts = [_chunk(file, f"chunks/{name}") for name in chunks]
        frames = JoinedFrames([part[0] for part in parts], file.where("chunks"))
        energy = _numbers(file, "meta/energy")
        if energy is not None and not 0.01 < energy[0] < 1000:
            raise InputError(f"{file.where('meta/energy')}: {energy[0]:g} keV is no energy of X-ray photons.")
        distance = _numbers(file, "meta/distance")
        centre = _pair(file, "meta/center")
        return Scan(
            format="ptyd",
            frames=frames,
            positions=np.concatenate([part[1] for part in parts]),
            geometry=FileGeometry(
                wavelength_m=None if energy is None else wavelength_of_keV(float(energy[0])),
                distance_m=None if distance is None else float(distance[0]),
                detector_pixel_m=_pair(file, "meta/psize"),
                regime=_regime(file),
            ),
            mask=_shared_weights(file, f"chunks/{chunks[0]}", frames.shape[1:]),
            centre=centre if centre != (frames.shape[1] // 2, frames.shape[2] // 2) else None,
            names=("chunks/*/data", "chunks/*/positions"),
        )


def _regime(file: GuardedFile):
    """PtyPy's `propagation`: farfield or nearfield."""
    for name in ("meta/propagation", "info/propagation"):
        if not _missing(file, name):
            return "near_field" if file.text(name).startswith("near") else "far_field"
    return None
