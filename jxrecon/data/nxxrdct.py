"""NeXus diffraction tomography, the contributed definition NXxrdct.

instrument/detector/data (translation, rotation, channel); detector/radial_axis with its unit, sample/rotation_angles and
sample/translation_values. Files of early 2026 say rotation_angle and diffraction_channel. wavelength at
instrument/monochromator, else beam/incident_energy; control/data is the monitor. Groups are found by their NX_class, else by
name.
https://github.com/nexuscontributions/nxxrdct
"""

import logging

import equinox as eqx
import numpy as np

from ..errors import InputError
from .access import Access
from .hdf5 import GuardedFile
from .nxcxi import first
from .nxtomo import by_class, energy_keV
from .pattern_checks import RawPatterns
from .pattern_reader import AbstractPatternReader, number_or_none
from .radial_axis import radial_unit
from .units import degrees, metres, wavelength_of_keV

_log = logging.getLogger(__name__)
DEFINITION = "NXxrdct"
UNEVEN = 0.25  # of a step of the translation, which the rays' regular grid forgives


def xrdct_entries(file: GuardedFile) -> list[str]:
    """Names of the entries that claim the definition."""
    return [name for name in file.children() if _definition(file, name) == DEFINITION]


def _definition(file: GuardedFile, entry: str) -> str | float | None:
    try:
        if file.has(f"{entry}/definition"):
            return file.text(f"{entry}/definition")
        return file.attribute(entry, "definition")
    except InputError:
        return None


def _text_attribute(file: GuardedFile, name: str, *keys: str) -> str | None:
    for key in keys:
        said = file.attribute(name, key)
        if isinstance(said, str) and said.strip():
            return said
    return None


def _needed(file: GuardedFile, *names: str) -> str:
    found = first(file, *names)
    if found is None:
        file.array(names[0])  # says what is missing, and what is near
        raise AssertionError
    return found


def _step(file: GuardedFile, name: str, values: np.ndarray) -> float | None:
    """Distance of neighbouring rays in metres; None for a single one."""
    steps = np.diff(values)
    if steps.size == 0:
        return None
    middle = float(np.mean(steps))
    if not np.isfinite(steps).all() or middle == 0 or np.abs(steps / middle - 1).max() > UNEVEN:
        raise InputError(
            f"{file.where(name)}: steps from {steps.min():g} to {steps.max():g}; expected equal ones (within {UNEVEN:.0%})."
        )
    return abs(middle) * metres(_text_attribute(file, name, "units") or "m", file.where(name))


class Nxxrdct(AbstractPatternReader):
    """Reads NXxrdct; `entry` None takes the first entry with this definition. unit: of the axis, where the file has none."""

    path: str
    wavelength_m: float | None = eqx.field(converter=number_or_none, default=None)
    energy_keV: float | None = eqx.field(converter=number_or_none, default=None)
    entry: str | None = None
    unit: str = "auto"
    access: Access = Access()

    def raw(self) -> RawPatterns:
        with self.access.open(self.source) as file:
            found = xrdct_entries(file)
            entry = self.entry or next(iter(found), None)
            if entry is None:
                raise InputError(f"{file.path}: no entry has the definition {DEFINITION}.")
            return self._read(file, entry)

    def _read(self, file: GuardedFile, entry: str) -> RawPatterns:
        instrument = by_class(file, entry, "NXinstrument", "instrument")
        detector = by_class(file, instrument, "NXdetector", "detector")
        sample = by_class(file, entry, "NXsample", "sample")
        turns = _needed(file, f"{sample}/rotation_angles", f"{sample}/rotation_angle")
        moves = _needed(file, f"{sample}/translation_values")
        radial = _needed(
            file, f"{detector}/radial_axis", f"{detector}/diffraction_channel", f"{entry}/data/radial_axis"
        )
        angles, places = (file.array(name).reshape(-1).astype(np.float64) for name in (turns, moves))
        axis = file.array(radial).reshape(-1).astype(np.float64)
        data = f"{detector}/data"
        counts = _rotations_first(file.array(data), len(places), len(angles), len(axis), file.where(data))
        step = _step(file, moves, places)
        said = (
            _text_attribute(file, radial, "units", "unit", "long_name") if self.unit == "auto" else self.unit
        )
        if said is None:
            raise InputError(
                f"{file.where(radial)}: has no unit (its values run from {axis.min():g} to {axis.max():g}); give `unit`."
            )
        factor = degrees(_text_attribute(file, turns, "units") or "deg", file.where(turns))[1]
        if not np.isfinite(angles).all():
            raise InputError(
                f"{file.where(turns)}: {int((~np.isfinite(angles)).sum())} angles are not finite."
            )
        return RawPatterns(
            counts=counts[:, None],
            axis=axis,
            unit=radial_unit(said, file.where(radial)),
            wavelength_m=_wavelength(file, entry, instrument),
            angle_deg=angles * factor,
            monitor=_monitor(file, f"{entry}/control/data", len(angles), len(places)),
            step_m=None if step is None else (step, step),
            source=file.path,
            metadata={"format": "nxxrdct", "entry": entry},
        )


def _rotations_first(data: np.ndarray, moves: int, turns: int, channels: int, where: str) -> np.ndarray:
    """(rotation, translation, channel)."""
    if data.shape == (moves, turns, channels):
        return np.swapaxes(data, 0, 1)
    if data.shape == (turns, moves, channels):
        _log.warning(
            "%s: holds (rotation, translation, channel), not (translation, rotation, channel).", where
        )
        return data
    raise InputError(
        f"{where}: has shape {data.shape}; expected ({moves} translations, {turns} rotations, {channels} channels)."
    )


def _wavelength(file: GuardedFile, entry: str, instrument: str) -> float | None:
    name = f"{by_class(file, instrument, 'NXmonochromator', 'monochromator')}/wavelength"
    if file.has(name):
        unit = _text_attribute(file, name, "units") or "angstrom"
        return file.scalar(name) * metres(unit, file.where(name))
    energy = energy_keV(file, f"{entry}/beam/incident_energy", f"{instrument}/beam/incident_energy")
    return None if energy is None else wavelength_of_keV(energy)


def _monitor(file: GuardedFile, name: str, turns: int, moves: int) -> np.ndarray | None:
    """(view, 1, u): of each ray, or of each rotation."""
    if not file.has(name):
        return None
    values = file.array(name).astype(np.float64)
    if values.shape == (moves, turns):
        return values.T[:, None]
    if values.shape == (turns,):
        return np.broadcast_to(values[:, None, None], (turns, 1, moves)).copy()
    _log.warning(
        "%s: has shape %s, which is not that of the rays; left aside.", file.where(name), values.shape
    )
    return None
