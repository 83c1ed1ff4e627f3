"""Recognises a file of powder patterns by what it holds, whatever its name ends in, and hands over to its format's reader."""

import re

import equinox as eqx

from ..errors import InputError
from .access import Access
from .hazards import regular_file
from .hdf5 import GuardedFile
from .nxxrdct import Nxxrdct, xrdct_entries
from .pattern_checks import RawPatterns
from .pattern_files import files_of
from .pattern_reader import AbstractPatternReader, number_or_none
from .pdcif import Pdcif
from .plain import is_npz
from .plain_patterns import PlainPatterns, is_plain_patterns
from .powder_text import ENDINGS, PowderText
from .pyfai import Pyfai, results_of
from .scanning_map import ScanningMap
from .text_files import kind_of
from .xrdml import Xrdml

READERS: dict[str, type[AbstractPatternReader]] = {
    "plain_patterns": PlainPatterns,
    "nxxrdct": Nxxrdct,
    "pyfai": Pyfai,
    "scanning_map": ScanningMap,
    "xrdml": Xrdml,
    "pdcif": Pdcif,
    "powder_text": PowderText,
}
HEAD = 2**16
_HDF5 = b"\x89HDF\r\n\x1a\n"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def recognise(file: GuardedFile) -> str | None:
    """Name of the format of an HDF5 file, or None."""
    if is_plain_patterns(file):
        return "plain_patterns"
    if xrdct_entries(file):
        return "nxxrdct"
    return "pyfai" if results_of(file) else None


def pattern_format(path: str, access: Access) -> str:
    """Name of the format of a file; `InputError` where it is none that is known."""
    regular_file(path)
    with open(path, "rb") as opened:
        head = opened.read(HEAD)
    if is_npz(path):
        return "scanning_map"
    if head.startswith(_HDF5):
        with access.open(path) as file:
            if found := recognise(file):
                return found
            names = ", ".join(f"/{name}" for name in file.tree()[:6]) or "nothing"
            raise InputError(
                f"{path}: the layout is not known (it holds {names}); known are {', '.join(READERS)}."
            )
    if kind := kind_of(head):
        raise InputError(
            f"{path}: is {kind} (it begins with {head[:8]!r}); expected one of {', '.join(READERS)}."
        )
    text = head.decode("utf-16" if head[:2] in _UTF16 else "utf-8", "replace").lstrip("\ufeff")
    if text.lstrip().startswith("<"):
        return "xrdml"
    return "pdcif" if re.search(r"^data_\S", text, re.MULTILINE | re.IGNORECASE) else "powder_text"


class PatternAuto(AbstractPatternReader):
    """Reads any format that is recognised; of a folder or a pattern (`*`), the first file decides for all."""

    path: str
    wavelength_m: float | None = eqx.field(converter=number_or_none, default=None)
    energy_keV: float | None = eqx.field(converter=number_or_none, default=None)
    access: Access = Access()

    def reader(self) -> AbstractPatternReader:
        """The reader of this file's format, with the same settings."""
        first = files_of(self.source, (*ENDINGS, ".xrdml", ".cif", ".pdcif"))[0]
        reader = READERS[pattern_format(first, self.access)]
        return reader(
            path=self.source, wavelength_m=self.wavelength_m, energy_keV=self.energy_keV, access=self.access
        )

    def raw(self) -> RawPatterns:
        return self.reader().raw()
