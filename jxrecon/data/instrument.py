"""The instrument's numbers: what a file says of them, and what the user adds or corrects.

A number given by the user wins over the file's. The wavelength is taken from the file where it is stored, not computed from a
rounded energy.
"""

import dataclasses
from typing import Literal

import equinox as eqx
import numpy as np

from ..errors import InputError
from ..geometry import Geometry
from .units import wavelength_of_keV

Regime = Literal["far_field", "near_field"]


def _float(value) -> float | None:
    return None if value is None else float(value)


def _pitch(value) -> tuple[float, float] | None:
    """(v, u) from one number or two."""
    if value is None:
        return None
    first, second = np.broadcast_to(np.asarray(value, np.float64), 2)
    return float(first), float(second)


class Instrument(eqx.Module):
    """Numbers that the file lacks or has wrong; None leaves the file's. Give `wavelength_m` or `energy_keV`.

    `distance_m`: sample to detector. `detector_pixel_m`: one number or (v, u), of the raw detector. `focus_to_sample_m`: near
    field in a cone beam; leave it out for a parallel beam. `margin`: pixels by which the near-field wave is followed beyond the
    detector; `oversampling`: samples of it per detector pixel and axis.
    """

    wavelength_m: float | None = eqx.field(converter=_float, default=None)
    energy_keV: float | None = eqx.field(converter=_float, default=None)
    distance_m: float | None = eqx.field(converter=_float, default=None)
    detector_pixel_m: float | tuple[float, float] | None = eqx.field(converter=_pitch, default=None)
    regime: Regime | None = None
    focus_to_sample_m: float | None = eqx.field(converter=_float, default=None)
    margin: int | None = None
    oversampling: int | None = None

    def __check_init__(self):
        if self.wavelength_m is not None and self.energy_keV is not None:
            raise InputError("`data.instrument`: give `wavelength_m` or `energy_keV`, not both.")
        if self.energy_keV is not None and not self.energy_keV > 0:
            raise InputError(
                f"`data.instrument.energy_keV` is {self.energy_keV}; expected a positive number."
            )


@dataclasses.dataclass(frozen=True)
class FileGeometry:
    """What a file says; None where it says nothing. Lengths in metres, pitch as (v, u) of the frames as they are stored."""

    wavelength_m: float | None = None
    distance_m: float | None = None
    detector_pixel_m: tuple[float, float] | None = None
    regime: Regime | None = None
    focus_to_sample_m: float | None = None
    margin: int | None = None
    oversampling: int | None = None

    def with_instrument(self, instrument: Instrument) -> "FileGeometry":
        """The user's numbers over the file's."""
        given = {f.name: getattr(instrument, f.name) for f in dataclasses.fields(self)}
        if instrument.energy_keV is not None:
            given["wavelength_m"] = wavelength_of_keV(instrument.energy_keV)
        return dataclasses.replace(self, **{k: v for k, v in given.items() if v is not None})

    def missing(self) -> list[str]:
        """Names of the numbers without which there is no `Geometry`."""
        return [n for n in ("wavelength_m", "distance_m", "detector_pixel_m") if getattr(self, n) is None]


def set_up(found: FileGeometry, frame_shape: tuple[int, int], pitch_scale: int, where: str) -> Geometry:
    """The `Geometry` of frames of this shape whose pixels are `pitch_scale` times the detector's."""
    missing = found.missing()
    if missing:
        names = ", ".join(f"`data.instrument.{name}`" for name in missing)
        raise InputError(f"{where}: the file does not hold {', '.join(missing)}; set {names}.")
    for name in ("wavelength_m", "distance_m", "detector_pixel_m"):
        values = np.asarray(getattr(found, name))
        if not (np.isfinite(values).all() and (values > 0).all()):
            raise InputError(
                f"{where}: `{name}` is {getattr(found, name)}; expected a positive length in metres "
                f"(correct it with `data.instrument.{name}`)."
            )
    if max(found.detector_pixel_m) > 0.1:  # pyright: ignore[reportArgumentType, reportOptionalMemberAccess]
        raise InputError(f"{where}: `detector_pixel_m` is {found.detector_pixel_m}; expected metres.")
    try:
        return Geometry(
            wavelength_m=float(found.wavelength_m),  # pyright: ignore[reportArgumentType]
            distance_m=float(found.distance_m),  # pyright: ignore[reportArgumentType]
            detector_pixel_m=tuple(float(d) * pitch_scale for d in found.detector_pixel_m),  # pyright: ignore
            frame_shape=frame_shape,
            regime=found.regime or "far_field",
            focus_to_sample_m=found.focus_to_sample_m,
            margin=found.margin or 0,
            oversampling=found.oversampling or 1,
        )
    except ValueError as error:
        raise InputError(f"{where}: {error}") from None
