"""Eiger master files (Dectris, NXmx) and the like, with scan positions from a file of their own.

/entry/data/data_000001, ...: external links to the frames; /entry/instrument/detector: x_pixel_size, y_pixel_size,
detector_distance (m), beam_center_x, beam_center_y (px), detectorSpecific/pixel_mask (0 = good), photon_energy (eV);
/entry/instrument/beam/incident_wavelength (angstrom). At cSAXS: one dataset /entry/data/data, pixel sizes in um under
instrument/eiger_4, instrument/monochromator energy (keV) and distance (mm), /entry/collection/mask.
Gaps between modules are the largest number of the data type; dead pixels the one below.
"""

import numpy as np

from ..errors import InputError
from .access import Access
from .frames import AbstractRawFrames, DatasetFrames, JoinedFrames
from .hdf5 import GuardedFile
from .images import load_array, split_name
from .instrument import FileGeometry, Instrument
from .preprocess import Preprocess
from .reader import AbstractReader
from .scan import Scan, check_mask, check_positions
from .units import kilo_electron_volts, metres, wavelength_of_keV

ENTRY = "entry"
DETECTOR = f"{ENTRY}/instrument/detector"
CSAXS = f"{ENTRY}/instrument/eiger_4"


def frame_names(file: GuardedFile) -> list[str]:
    """Datasets of frames, in order: data_000001, ... or the single `data`."""
    names = file.children(f"{ENTRY}/data")
    numbered = sorted(n for n in names if n.startswith("data_") and n[5:].isdigit())
    return [f"{ENTRY}/data/{n}" for n in numbered or [n for n in names if n == "data"]]


def _value(file: GuardedFile, factor, *places: tuple[str, str]) -> float | None:
    """The first of (dataset, unit where the file names none) that is there, through `factor(unit, where)`."""
    for name, unit in places:
        if file.has(name):
            stated = file.attribute(name, "units")
            return file.scalar(name) * factor(stated if isinstance(stated, str) else unit, file.where(name))
    return None


def _wavelength(file: GuardedFile) -> float | None:
    stored = _value(
        file,
        metres,
        (f"{ENTRY}/instrument/beam/incident_wavelength", "angstrom"),
        (f"{ENTRY}/instrument/monochromator/wavelength", "angstrom"),
        (f"{DETECTOR}/incident_wavelength", "angstrom"),
    )
    if stored is not None:
        return stored
    energy = _value(
        file,
        kilo_electron_volts,
        (f"{ENTRY}/instrument/beam/incident_energy", "eV"),
        (f"{DETECTOR}/detectorSpecific/photon_energy", "eV"),
        (f"{DETECTOR}/photon_energy", "eV"),
        (f"{ENTRY}/instrument/monochromator/energy", "keV"),
    )
    if energy is not None and not 0.01 < energy < 1000:
        raise InputError(f"{file.path}: {energy:g} keV is no energy of X-ray photons.")
    return None if energy is None else wavelength_of_keV(energy)


def geometry(file: GuardedFile) -> FileGeometry:
    """What the master file says."""
    v, u = (
        _value(file, metres, (f"{DETECTOR}/{axis}_pixel_size", "m"), (f"{CSAXS}/{axis}_pixel_size", "um"))
        for axis in "yx"
    )
    distance = _value(
        file,
        metres,
        (f"{DETECTOR}/detector_distance", "m"),
        (f"{DETECTOR}/distance", "m"),
        (f"{ENTRY}/instrument/monochromator/distance", "mm"),
    )
    return FileGeometry(_wavelength(file), distance, None if v is None or u is None else (v, u))


def pixel_mask(file: GuardedFile, shape: tuple[int, int]) -> np.ndarray | None:
    """(v, u) True = good."""
    for name in (
        f"{DETECTOR}/pixel_mask",
        f"{DETECTOR}/detectorSpecific/pixel_mask",
        f"{ENTRY}/collection/mask",
    ):
        if file.has(name):
            mask = file.array(name)
            mask = mask[0] if mask.ndim == 3 else mask
            return check_mask(mask == 0, shape, file.where(name))
    return None


def _centre(file: GuardedFile, shape: tuple[int, int]) -> tuple[float, float] | None:
    names = [f"{DETECTOR}/beam_center_{axis}" for axis in "yx"]
    if not all(file.has(n) for n in names):
        return None
    v, u = (file.scalar(n) for n in names)
    return (v, u) if 0 < v < shape[0] and 0 < u < shape[1] else None


class Eiger(AbstractReader):
    """Reads a master file. `positions` names the scan positions: `FILE.txt` (or .csv), `FILE.npy`, `FILE.h5:/dataset`.

    `columns` are those of y and x; `position_unit` is their unit. By default they are the probe's over the specimen; for a
    sample stage set `preprocess.position_sign=-1`.
    """

    path: str
    positions: str | None = None
    columns: tuple[int, int] = (0, 1)
    position_unit: str = "m"
    instrument: Instrument = Instrument()
    preprocess: Preprocess = Preprocess()
    access: Access = Access()

    def scan(self) -> Scan:
        file = self.access.open(self.source)
        names = frame_names(file)
        if not names:
            raise InputError(f"{file.where(f'{ENTRY}/data')}: no frames; expected data_000001 or data.")
        if self.positions is None:
            raise InputError(f"{file.path}: holds no positions; set `data.positions=FILE`.")
        parts: list[AbstractRawFrames] = [DatasetFrames(file.dataset(name)) for name in names]
        frames = parts[0] if len(parts) == 1 else JoinedFrames(parts, file.where(f"{ENTRY}/data"))
        shape = frames.shape[1:]
        return Scan(
            format="eiger",
            frames=frames,
            positions=self._positions(),
            geometry=geometry(file),
            mask=pixel_mask(file, shape),
            centre=_centre(file, shape),
            names=(f"{ENTRY}/data", str(self.positions)),
            metadata={"positions_from": split_name(str(self.positions))[0]},
        )

    def _positions(self) -> np.ndarray:
        name = str(self.positions)
        table = load_array(name, "`data.positions`", self.access.limits())
        table = table.T if table.ndim == 2 and len(table) == 2 and table.shape[1] > 3 else table
        if table.ndim != 2 or table.shape[1] <= max(self.columns) or min(self.columns) < 0:
            raise InputError(
                f"{name}: has shape {table.shape}; expected rows with columns {self.columns} (`data.columns`)."
            )
        unit = metres(self.position_unit, "`data.position_unit`")
        return check_positions(table[:, list(self.columns)].astype(np.float64) * unit, name)
