"""Data Exchange, the HDF5 layout of the Advanced Photon Source's tomography.

exchange: data (view, v, u), data_white and data_dark (n, v, u), theta (view,) in degrees; measurement/instrument: what is known
of energy, pixels and distance. The attribute `axes` of data, where there is one, has the angle first.
F. De Carlo et al., J. Synchrotron Rad. 21, 1224 (2014), doi 10.1107/S160057751401604X.
"""

import equinox as eqx
import numpy as np

from ..errors import InputError
from .access import Access
from .angles import AngleUnit, text_or_tuple
from .hdf5 import GuardedFile
from .instrument import Instrument
from .nxcxi import first, length
from .nxtomo import energy_keV
from .projection_reader import AbstractProjectionReader, images, some
from .projection_series import ProjectionSeries, Quantity, quantity_of

INSTRUMENT = "measurement/instrument"
DETECTOR = f"{INSTRUMENT}/detector"


def is_data_exchange(file: GuardedFile) -> bool:
    """Whether a file has this layout."""
    return file.has("exchange/data") and (
        file.has("exchange/theta") or file.has("exchange/data_white") or file.has("implements")
    )


class DataExchange(AbstractProjectionReader):
    """Reads Data Exchange; `angles` are needed where the file has no theta."""

    path: str
    angles: str | tuple[float, ...] | None = eqx.field(converter=text_or_tuple, default=None)
    angle_unit: AngleUnit = "auto"
    angle_column: int | str | None = None
    quantity: Quantity | None = None
    skip_unreadable: bool = False
    instrument: Instrument = Instrument()
    access: Access = Access()

    def series(self) -> ProjectionSeries:
        file = self.access.open(self.source)
        data = images(file.dataset("exchange/data"))
        order = data.attribute("axes")
        if isinstance(order, str) and ":" in order and not order.startswith(("theta", "angle", "rotation")):
            raise InputError(f"{data.where}@axes: is `{order}`; expected the angles first (theta:y:x).")
        said = data.attribute("quantity")
        every = np.ones(data.shape[0], bool)
        axis = first(file, f"{DETECTOR}/rotation_axis_px")
        return ProjectionSeries(
            frames=some(data, every),  # pyright: ignore[reportArgumentType]
            angle_deg=self.choose_angles(file, "exchange/theta", every, "deg"),
            quantity="counts" if said is None else quantity_of(str(said), f"{data.where}@quantity"),
            pixel_size_m=_pixels(file),
            distance_m=length(file, f"{DETECTOR}/distance"),
            energy_keV=energy_keV(file, f"{INSTRUMENT}/monochromator/energy"),
            flats=_references(file, "exchange/data_white"),
            darks=_references(file, "exchange/data_dark"),
            rotation_axis_px=None if axis is None else file.scalar(axis),
            source=file.path,
            metadata={"format": "data_exchange", "frames_in_file": data.shape[0]},
        )


def _references(file: GuardedFile, name: str):
    if not file.has(name):
        return None
    data = images(file.dataset(name))
    return some(data, np.ones(data.shape[0], bool))


def _pixels(file: GuardedFile) -> tuple[float, float] | None:
    """(v, u) in the specimen: what the optics resolve, else the detector's pixels."""
    seen = length(file, f"{INSTRUMENT}/detection_system/objective/resolution")
    if seen is not None and seen > 0:
        return seen, seen
    v, u = (length(file, f"{DETECTOR}/{a}_pixel_size", f"{DETECTOR}/pixel_size_{a}") for a in "yx")
    return (v, u) if v is not None and u is not None and v > 0 and u > 0 else None
