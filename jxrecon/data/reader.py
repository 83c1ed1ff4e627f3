"""The face that all readers share: a path and three groups of settings, and `read()`."""

import abc
import os

import equinox as eqx

from ..geometry import Geometry
from ..measurement import Measurement
from .access import Access
from .assemble import assemble
from .instrument import Instrument
from .preprocess import Preprocess
from .scan import Scan


class AbstractReader(eqx.Module):
    """One file format. The constructor opens nothing; the frames stay in the file until they are asked for."""

    path: eqx.AbstractVar[str]
    instrument: eqx.AbstractVar[Instrument]
    preprocess: eqx.AbstractVar[Preprocess]
    access: eqx.AbstractVar[Access]

    @abc.abstractmethod
    def scan(self) -> Scan:
        """What the file holds, before any setting but `access` is applied. Raises `InputError`, naming file and dataset."""

    def read(self) -> tuple[Geometry, Measurement]:
        """Geometry and measurement with all settings applied. Raises `InputError` for what cannot be used."""
        return assemble(self.scan(), self.preprocess, self.instrument, self.source)

    @property
    def source(self) -> str:
        """The path, absolute."""
        return os.path.abspath(os.path.expanduser(self.path))
