"""Recognises a file by what it holds, whatever its name ends in, and hands over to the reader of its format."""

from ..errors import InputError
from .access import Access
from .cxi import CXI
from .data_exchange import is_data_exchange
from .eiger import frame_names
from .hazards import regular_file
from .hdf5 import GuardedFile
from .instrument import Instrument
from .nxcxi import Nxcxi, find_entry
from .nxtomo import entries
from .plain import Plain, is_npz
from .preprocess import Preprocess
from .ptychoshelves import Ptychoshelves
from .ptyd import Ptyd
from .reader import AbstractReader
from .scan import Scan

READERS: dict[str, type[AbstractReader]] = {
    "plain": Plain,
    "cxi": CXI,
    "nxcxi": Nxcxi,
    "ptyd": Ptyd,
    "ptychoshelves": Ptychoshelves,
}
# Formats that need more than a path.
ASK = {
    "ptyr": "is a PtyPy result without frames: use `data=ptyr`, with `data.frames.path` the data that it was made from",
    "nxtomo": "holds projections and no frames of ptychography; `jxrecon.data.nxtomo.Nxtomo` reads them",
    "data_exchange": "holds projections and no frames of ptychography; `jxrecon.data.data_exchange.DataExchange` reads them",
    "eiger": "is a detector's master file without positions: use `data=eiger`, with `data.positions=FILE`",
}


def recognise(file: GuardedFile) -> str | None:
    """Name of the format, or None."""
    names = set(file.children())
    inside = {name: set(file.children(name)) for name in ("chunks", "content", "measurement")}
    if {"intensity", "positions_px"} & names and not {"entry_1", "chunks"} & names:
        return "plain"
    if {"chunks", "meta"} <= names:
        return "ptyd"
    if "content" in names and inside["content"] & {"obj", "probe"}:
        return "ptyr"
    if find_entry(file) is not None:
        return "nxcxi"
    if "cxi_version" in names or file.has("entry_1/instrument_1/detector_1/data"):
        return "cxi"
    if "reconstruction" in names or "measurements" in names or "n0" in inside["measurement"]:
        return "ptychoshelves"
    if entries(file):
        return "nxtomo"
    if is_data_exchange(file):
        return "data_exchange"
    if frame_names(file):
        return "eiger"
    return None


def format_of(path: str, access: Access) -> str:
    """Name of the format of a file; `InputError` that lists what the file holds where it is none that is known."""
    regular_file(path)
    if is_npz(path):
        return "plain"
    with access.open(path) as file:
        found = recognise(file)
        if found is None:
            names = ", ".join(f"/{n}" for n in file.tree()[:6]) or "nothing"
            known = ", ".join([*READERS, *ASK])
            raise InputError(f"{path}: the layout is not known (it holds {names}); known are {known}.")
        return found


class Auto(AbstractReader):
    """Reads any format that is recognised and needs no more than its path."""

    path: str
    instrument: Instrument = Instrument()
    preprocess: Preprocess = Preprocess()
    access: Access = Access()

    def reader(self) -> AbstractReader:
        """The reader of this file's format, with the same settings."""
        found = format_of(self.source, self.access)
        if found in ASK:
            raise InputError(f"{self.source}: {ASK[found]}.")
        return READERS[found](
            path=self.source, instrument=self.instrument, preprocess=self.preprocess, access=self.access
        )

    def scan(self) -> Scan:
        return self.reader().scan()
