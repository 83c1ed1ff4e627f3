"""NeXus ptychography: the application definitions NXptycho and NXcxi_ptycho (contributed, draft).

Differences from CXI: source_1/energy is the MACHINE's energy and beam_1/incident_beam_energy that of the photons; every length
has its unit in an attribute; data may be a raster (slow, fast, v, u), of which data_1 is the same as a list of frames.
Most writers leave fields out that the definition requires, so that each is looked for in several places.
Positions: as in CXI, translation is that of the sample, x y z.
"""

import numpy as np

from ..errors import InputError
from .access import Access
from .cxi import DETECTOR, detector_axes, good_pixels, own_records, probe_positions, read_guess
from .frames import DatasetFrames
from .hdf5 import GuardedFile
from .instrument import FileGeometry, Instrument
from .preprocess import Preprocess
from .reader import AbstractReader
from .scan import Scan, check_mask
from .units import kilo_electron_volts, metres, wavelength_of_keV

DEFINITIONS = ("NXptycho", "NXcxi_ptycho")


def find_entry(file: GuardedFile) -> str | None:
    """Name of the first entry that claims one of the definitions."""
    for name in file.children():
        if file.has(f"{name}/definition") and file.text(f"{name}/definition") in DEFINITIONS:
            return name
    return None


def first(file: GuardedFile, *names: str) -> str | None:
    """The first of the names that leads to something."""
    return next((name for name in names if file.has(name)), None)


def length(file: GuardedFile, *names: str) -> float | None:
    """Metres, by the unit in the attribute (none: metres)."""
    name = first(file, *names)
    if name is None:
        return None
    unit = file.attribute(name, "units")
    known = isinstance(unit, str) and unit.strip()
    return file.scalar(name) * (metres(str(unit), file.where(name)) if known else 1.0)


def photon_wavelength(file: GuardedFile, instrument: str) -> float | None:
    """From a wavelength where there is one, else from the energy of the incident beam (no unit: eV)."""
    stored = length(
        file, f"{instrument}/beam_1/incident_wavelength", f"{instrument}/monochromator_1/wavelength"
    )
    if stored is not None:
        return stored
    name = first(
        file,
        f"{instrument}/beam_1/incident_beam_energy",
        f"{instrument}/beam_1/incident_energy",
        f"{instrument}/beam_1/energy",
    )
    if name is None:
        return None
    unit = file.attribute(name, "units")
    energy = file.scalar(name) * kilo_electron_volts(
        unit if isinstance(unit, str) else "eV", file.where(name)
    )
    if not 0.01 < energy < 1000:
        raise InputError(f"{file.where(name)}: {energy:g} keV is no energy of X-ray photons; check its unit.")
    return wavelength_of_keV(energy)


def translations(file: GuardedFile, name: str) -> np.ndarray:
    """(scan, 3) metres."""
    unit = file.attribute(name, "units")
    moves = file.array(name).astype(np.float64)
    return moves * (metres(unit, file.where(name)) if isinstance(unit, str) else 1.0)


def _pixels(file: GuardedFile, name: str, pitch: str) -> float:
    """A beam centre in pixels; the definition asks for a length, most writers give pixels."""
    unit, step = file.attribute(name, "units"), length(file, pitch)
    if isinstance(unit, str) and unit.lower() not in ("px", "pixel", "pixels", "") and step:
        return file.scalar(name) * metres(unit, file.where(name)) / step
    return file.scalar(name)


class Nxcxi(AbstractReader):
    """Reads NXcxi_ptycho and NXptycho; `entry` None takes the first entry with such a definition."""

    path: str
    entry: str | None = None
    instrument: Instrument = Instrument()
    preprocess: Preprocess = Preprocess()
    access: Access = Access()

    def scan(self) -> Scan:
        file = self.access.open(self.source)
        entry = self.entry or find_entry(file)
        if entry is None:
            raise InputError(f"{file.path}: no entry has the definition {' or '.join(DEFINITIONS)}.")
        instrument, detector = f"{entry}/instrument_1", f"{entry}/{DETECTOR}"
        data = (
            first(file, f"{detector}/data_1", f"{detector}/data", f"{entry}/data_1/data")
            or f"{detector}/data"
        )
        frames = DatasetFrames(file.dataset(data))
        shape = frames.shape[1:]
        moves = (
            f"{entry}/sample_1/geometry_1/translation",
            f"{entry}/data_1/translation",
            f"{detector}/translation",
        )
        move = first(file, *moves) or moves[0]
        axes, steps = detector_axes(file, f"{detector}/basis_vectors")
        v, u = length(file, f"{detector}/y_pixel_size"), length(file, f"{detector}/x_pixel_size")
        mask = first(file, f"{detector}/mask", f"{detector}/pixel_mask")
        return Scan(
            format="nxcxi",
            frames=frames,
            positions=probe_positions(translations(file, move), axes, file.where(move)),
            geometry=FileGeometry(
                wavelength_m=photon_wavelength(file, instrument),
                distance_m=length(file, f"{detector}/distance"),
                detector_pixel_m=steps if v is None or u is None else (v, u),
                **own_records(file, entry),
            ),
            names=(data, move),
            mask=None if mask is None else check_mask(good_pixels(file.array(mask)), shape, file.where(mask)),
            centre=self._centre(file, detector, shape),
            **read_guess(file, entry, shape),
        )

    def _centre(self, file: GuardedFile, detector: str, shape: tuple[int, int]) -> tuple[float, float] | None:
        """The beam where the file says so; 0, 0 is a writer's way to say nothing."""
        names = [f"{detector}/beam_center_{axis}" for axis in "yx"]
        if not all(file.has(name) for name in names):
            return None
        v, u = (
            _pixels(file, name, f"{detector}/{axis}_pixel_size")
            for name, axis in zip(names, "yx", strict=True)
        )
        return (v, u) if 0 < v < shape[0] and 0 < u < shape[1] else None
