"""The face that the readers of projections share: a path, angles, the user's numbers over the file's, and `read()`."""

import abc
import dataclasses
import os

import equinox as eqx
import numpy as np

from ..errors import InputError
from .access import Access
from .angles import AngleUnit, check_angles, read_angles
from .dataset import GuardedDataset
from .hdf5 import GuardedFile
from .instrument import Instrument
from .projection_frames import StoredProjections
from .projection_series import ProjectionSeries, Quantity
from .units import degrees, wavelength_of_keV


class AbstractProjectionReader(eqx.Module):
    """One file format. The constructor opens nothing; the projections stay in the file until they are asked for.

    angles, angle_unit, angle_column: as in `TiltSeries`, over the file's own. quantity: what the numbers are, where the file does
    not say. skip_unreadable: leave out projections that cannot be used (all are read once), instead of an error later.
    """

    path: eqx.AbstractVar[str]
    angles: eqx.AbstractVar[str | tuple[float, ...] | None]
    angle_unit: eqx.AbstractVar[AngleUnit]
    angle_column: eqx.AbstractVar[int | str | None]
    quantity: eqx.AbstractVar[Quantity | None]
    skip_unreadable: eqx.AbstractVar[bool]
    instrument: eqx.AbstractVar[Instrument]
    access: eqx.AbstractVar[Access]

    @abc.abstractmethod
    def series(self) -> ProjectionSeries:
        """What the file holds; its angles already replaced by the user's."""

    def read(self) -> ProjectionSeries:
        """The series with all settings applied. Raises `InputError`, naming file and dataset."""
        series, given = self.series(), self.instrument
        changes: dict = {}
        if self.quantity is not None:
            changes["quantity"] = self.quantity
        if given.detector_pixel_m is not None:
            changes["pixel_size_m"] = given.detector_pixel_m
        if given.distance_m is not None:
            changes["distance_m"] = given.distance_m
        energy_keV = given.energy_keV
        if given.wavelength_m is not None:
            energy_keV = wavelength_of_keV(1.0) / given.wavelength_m
        if energy_keV is not None:
            changes["energy_keV"] = energy_keV
        series = dataclasses.replace(series, **changes)
        return series.sound() if self.skip_unreadable else series

    @property
    def source(self) -> str:
        """The path, absolute."""
        return os.path.abspath(os.path.expanduser(self.path))

    def choose_angles(self, file: GuardedFile, name: str, chosen: np.ndarray, unit: str) -> np.ndarray:
        """Degrees of the `chosen` (bool) of all frames: the user's angles, or those of the dataset `name`, whose unit is `unit`
        where it names none. There may be one for each frame, or for each of the chosen."""
        if self.angles is not None:
            found = read_angles(self.angles, self.angle_unit, self.angle_column, self.access.limits())
            return _of_chosen(found.angle_deg, chosen, found.where, file.path)
        where, values = file.where(name), file.array(name).reshape(-1)
        said = file.attribute(name, "units")
        known = degrees(said if isinstance(said, str) and said.strip() else unit, where)[0]
        known = known if self.angle_unit == "auto" else self.angle_unit
        return check_angles(_of_chosen(values, chosen, where, file.path), where, known)


def _of_chosen(angles: np.ndarray, chosen: np.ndarray, where: str, path: str) -> np.ndarray:
    count, wanted = len(chosen), int(chosen.sum())
    if len(angles) not in (count, wanted):
        every = f", or of all {count} frames" if count != wanted else ""
        raise InputError(
            f"{where}: {len(angles)} angles; expected one for each of {wanted} projections{every} of {path}."
        )
    return angles[chosen] if len(angles) == count else angles


def images(dataset: GuardedDataset) -> GuardedDataset:
    """The dataset, if it holds images (frame, v, u)."""
    if len(dataset.shape) != 3 or 0 in dataset.shape:
        raise InputError(f"{dataset.where}: has shape {dataset.shape}; expected projections (view, v, u).")
    return dataset


def some(dataset: GuardedDataset, chosen: np.ndarray) -> StoredProjections | None:
    """The images of a boolean choice, or None where there are none."""
    return StoredProjections(dataset, np.flatnonzero(chosen)) if chosen.any() else None
