"""NeXus tomography, the application definition NXtomo: raw projections with their flat and dark frames in one stack.

entry/instrument/detector: data (frame, v, u), image_key (frame,) with 0 projection, 1 flat field, 2 dark field, 3 invalid (beside
it image_key_control, with -1 for frames that only check the alignment), x_pixel_size, y_pixel_size, distance,
x_rotation_axis_pixel_position (column of the rotation axis); sample: rotation_angle (frame,), x_pixel_size, y_pixel_size (of the
projections in the specimen, where an optic magnifies); beam/incident_energy. Groups are found by their NX_class, else by name.
What this package writes of phases says so in entry/jxrecon/quantity.
https://manual.nexusformat.org/classes/applications/NXtomo.html
"""

import equinox as eqx
import numpy as np

from ..errors import InputError
from .access import Access
from .angles import AngleUnit, text_or_tuple
from .hdf5 import GuardedFile
from .instrument import Instrument
from .nxcxi import first, length
from .projection_reader import AbstractProjectionReader, images, some
from .projection_series import ProjectionSeries, Quantity, quantity_of
from .units import kilo_electron_volts

DEFINITION = "NXtomo"
PROJECTION, FLAT, DARK, INVALID, ALIGNMENT = 0, 1, 2, 3, -1


def entries(file: GuardedFile) -> list[str]:
    """Names of the entries that claim the definition."""
    return [name for name in file.children() if DEFINITION in (_text(file, name), _attribute(file, name))]


def _text(file: GuardedFile, entry: str) -> str | None:
    try:
        return file.text(f"{entry}/definition") if file.has(f"{entry}/definition") else None
    except InputError:
        return None


def _attribute(file: GuardedFile, entry: str) -> str | float | None:
    try:
        return file.attribute(entry, "definition")
    except InputError:
        return None


def by_class(file: GuardedFile, parent: str, nx_class: str, name: str) -> str:
    """Path of the child of this name, else of the first of this class."""
    if file.has(f"{parent}/{name}"):
        return f"{parent}/{name}"
    found = [
        child
        for child in file.children(parent)
        if file.attribute(f"{parent}/{child}", "NX_class") == nx_class
    ]
    return f"{parent}/{found[0] if found else name}"


def kinds(file: GuardedFile, detector: str, count: int) -> np.ndarray:
    """(frame,) what each frame is; all are projections where there is no image_key."""
    name = first(file, f"{detector}/image_key_control", f"{detector}/image_key")
    if name is None:
        return np.zeros(count, np.int64)
    keys = file.array(name).reshape(-1)
    if len(keys) != count:
        raise InputError(f"{file.where(name)}: {len(keys)} keys, but {count} frames; expected one for each.")
    strange = np.setdiff1d(keys, [PROJECTION, FLAT, DARK, INVALID, ALIGNMENT])
    if len(strange):
        raise InputError(
            f"{file.where(name)}: holds {strange[0]}; expected 0 (projection), 1 (flat), 2 (dark) or 3 (invalid)."
        )
    if not (keys == PROJECTION).any():
        raise InputError(f"{file.where(name)}: none of {count} frames is a projection (0).")
    return keys


def energy_keV(file: GuardedFile, *names: str) -> float | None:
    """Photon energy by its unit (none: keV); None where there is none."""
    name = first(file, *names)
    if name is None:
        return None
    unit = file.attribute(name, "units")
    known = unit if isinstance(unit, str) and unit.strip() else "keV"
    value = file.scalar(name) * kilo_electron_volts(known, file.where(name))
    return value if value > 0 else None


class Nxtomo(AbstractProjectionReader):
    """Reads NXtomo; `entry` None takes the first entry with this definition."""

    path: str
    entry: str | None = None
    angles: str | tuple[float, ...] | None = eqx.field(converter=text_or_tuple, default=None)
    angle_unit: AngleUnit = "auto"
    angle_column: int | str | None = None
    quantity: Quantity | None = None
    skip_unreadable: bool = False
    instrument: Instrument = Instrument()
    access: Access = Access()

    def series(self) -> ProjectionSeries:
        file = self.access.open(self.source)
        found = entries(file)
        entry = self.entry or next(iter(found), None)
        if entry is None:
            raise InputError(f"{file.path}: no entry has the definition {DEFINITION}.")
        instrument = by_class(file, entry, "NXinstrument", "instrument")
        detector = by_class(file, instrument, "NXdetector", "detector")
        sample = by_class(file, entry, "NXsample", "sample")
        data = images(file.dataset(f"{detector}/data"))
        keys = kinds(file, detector, data.shape[0])
        flats = some(data, keys == FLAT)
        projections = some(data, keys == PROJECTION)
        assert projections is not None  # `kinds` has seen one
        axis = first(file, f"{detector}/x_rotation_axis_pixel_position")
        said = f"{entry}/jxrecon/quantity"
        beams = (f"{instrument}/beam", f"{entry}/beam")
        return ProjectionSeries(
            frames=projections,
            angle_deg=self.choose_angles(file, f"{sample}/rotation_angle", keys == PROJECTION, "deg"),
            quantity=quantity_of(file.text(said), file.where(said)) if file.has(said) else "counts",
            pixel_size_m=_pixels(file, sample, detector),
            distance_m=length(file, f"{detector}/distance"),
            energy_keV=energy_keV(file, *(f"{beam}/incident_energy" for beam in beams)),
            flats=flats,
            darks=some(data, keys == DARK),
            rotation_axis_px=None if axis is None else file.scalar(axis),
            source=file.path,
            metadata={
                "format": "nxtomo",
                "entry": entry,
                "other_entries": [name for name in found if name != entry],
                "frames_in_file": data.shape[0],
                "invalid_frames": int(np.isin(keys, [INVALID, ALIGNMENT]).sum()),
            },
        )


def _pixels(file: GuardedFile, sample: str, detector: str) -> tuple[float, float] | None:
    """(v, u) of the projections: in the specimen where the file says that, else the detector's."""
    for group in (sample, detector):
        v, u = (length(file, f"{group}/{axis}_pixel_size") for axis in "yx")
        if v is not None and u is not None and v > 0 and u > 0:
            return v, u
    return None
