"""The face that the readers of powder patterns share: a path, the wavelength where the file does not say it, and `read()`."""

import abc
import os

import equinox as eqx

from ..patterns import Patterns
from .access import Access
from .pattern_checks import RawPatterns, finish


def number_or_none(value):
    """A setting as a float: a yaml may give a whole number."""
    return None if value is None else float(value)


class AbstractPatternReader(eqx.Module):
    """One file format. The constructor opens nothing.

    wavelength_m, energy_keV: of the photons, over what the file says; one is enough.
    """

    path: eqx.AbstractVar[str]
    wavelength_m: eqx.AbstractVar[float | None]
    energy_keV: eqx.AbstractVar[float | None]
    access: eqx.AbstractVar[Access]

    @abc.abstractmethod
    def raw(self) -> RawPatterns:
        """What the file holds. Raises `InputError`, naming file and line or dataset."""

    def read(self) -> Patterns:
        """The patterns, checked, with all settings applied. Raises `InputError` for what cannot be used."""
        return finish(self.raw(), self.wavelength_m, self.energy_keV)

    @property
    def source(self) -> str:
        """The path, absolute."""
        return os.path.abspath(os.path.expanduser(self.path))
