"""Powder patterns in text: two or three columns (position, intensity, its standard deviation) below a header of any style.

.xy, .xye, .dat, .chi: comments begin with one of # ! ; ' " / * or %, or stand above the first row of numbers (Fit2D and
GSAS-II: title, axis, axis, number of points). TOPAS and Bruker begin with 'Id: ... Anode: Cu; pyFAI and Dioptas name the unit
above the columns (2th_deg, q_nm^-1, q_A^-1) and the wavelength. GSAS .fxye: a title, then `BANK 1 points records CONST start
step 0 0 FXYE`, the position in centidegrees. The deviation esd gives the variance esd^2; of raw counts it is the count itself.
"""

import re

import equinox as eqx
import numpy as np

from ..errors import InputError
from .access import Access
from .pattern_checks import RawPatterns
from .pattern_files import rows
from .pattern_reader import AbstractPatternReader, number_or_none
from .radial_axis import radial_unit, unit_in_text
from .text_files import read_text
from .wavelengths import in_header

ENDINGS = (".xy", ".xye", ".dat", ".chi", ".fxye", ".txt")
EXPECTED = "two or three columns of numbers (position, intensity, standard deviation)"
COMMENTS = "#!;'\"/*%"
LONGEST_HEADER, LONGEST_LINE = 2000, 300  # lines, characters: the rest says nothing of the pattern
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eEdD][-+]?[0-9]+)?$")
_NOT_MEASURED = {"nan", "-nan", "na", "n/a", "inf", "-inf"}


def _number(text: str) -> float | None:
    if _NUMBER.match(text):
        return float(text.replace("d", "e").replace("D", "e"))
    return float("nan") if text.lower() in _NOT_MEASURED else None


def _numbers(line: str) -> list[float] | None:
    """The numbers of a line, None where it holds anything else."""
    found = [_number(part) for part in re.split(r"[\s,]+", line.strip().replace(";", " ")) if part]
    return None if not found or None in found else found  # pyright: ignore[reportReturnType]


def _gsas_bank(line: str, where: str) -> int:
    """Number of points that a BANK line promises."""
    parts = line.split()
    kind, binning = parts[-1].upper(), parts[4].upper() if len(parts) > 4 else ""
    if kind != "FXYE" or not binning.startswith("CONS"):
        raise InputError(f"{where}: is `{line.strip()[:60]}`; expected a GSAS bank of type CONS and FXYE.")
    try:
        return int(parts[2])
    except ValueError:
        raise InputError(f"{where}: `{parts[2]}` is no number of points.") from None


def _split(text: str, path: str) -> tuple[list[str], list[tuple[int, list[float]]], int | None, bool]:
    """(header lines, (line number, numbers) of the table, promised number of rows or None, whether GSAS)."""
    header, table, promised, gsas = [], [], None, False
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped:
            continue
        if stripped.upper().startswith("BANK "):
            if gsas:
                raise InputError(f"{path}: line {number}: a second BANK; expected a file of one.")
            promised, gsas = _gsas_bank(stripped, f"{path}: line {number}"), True
            header.append(" ".join(stripped[:LONGEST_LINE].split()))
            continue
        values = None if stripped[0] in COMMENTS else _numbers(stripped)
        if values is None or (len(values) == 1 and not table):
            if values is not None:
                promised = int(values[0]) if values[0] == round(values[0]) > 0 else promised
            elif table and stripped[0] not in COMMENTS:
                raise InputError(f"{path}: line {number}: is `{stripped[:40]}`; expected {EXPECTED}.")
            header.append(" ".join(stripped[:LONGEST_LINE].split()))
            if not table and len(header) > LONGEST_HEADER:
                break
        else:
            table.append((number, values))
    return header, table, promised, gsas


def _rectangle(table: list[tuple[int, list[float]]], path: str, promised: int | None) -> np.ndarray:
    """(row, column) of a table whose rows are alike."""
    if not table:
        raise InputError(f"{path}: holds no row of numbers; expected {EXPECTED}.")
    columns = len(table[0][1])
    if columns not in (2, 3):
        comma = "; are these decimal commas?" if columns in (4, 6) else ""
        raise InputError(f"{path}: line {table[0][0]}: {columns} numbers; expected {EXPECTED}{comma}.")
    for number, values in table:
        if len(values) != columns:
            last = "; the file seems to be cut short" if number == table[-1][0] else ""
            raise InputError(f"{path}: line {number}: {len(values)} numbers, but {columns} above it{last}.")
    if promised is not None and promised > len(table):
        raise InputError(
            f"{path}: holds {len(table)} points, but its header says {promised}; the file seems to be cut short."
        )
    return np.array([values for _, values in table])


class PowderText(AbstractPatternReader):
    """Reads one file, or a folder or a pattern (`*`) of files on one axis, a row (v) each.

    unit: of the positions; auto takes what the header names, else degrees (centidegrees in GSAS files).
    """

    path: str
    wavelength_m: float | None = eqx.field(converter=number_or_none, default=None)
    energy_keV: float | None = eqx.field(converter=number_or_none, default=None)
    unit: str = "auto"
    access: Access = Access()

    def raw(self) -> RawPatterns:
        return rows(self.source, ENDINGS, lambda path: [self._read(path)])

    def _read(self, path: str) -> RawPatterns:
        header, table, promised, gsas = _split(read_text(path, EXPECTED), path)
        values = _rectangle(table, path, promised)
        head = "\n".join(header)
        said = self.unit
        if said == "auto":
            said = "centideg" if gsas else unit_in_text(head) or "deg"
        numbers = [number for number, _ in table]
        wavelength, words = in_header(head, path)
        variance = values[:, 2] ** 2 if values.shape[1] == 3 else None
        if variance is not None and (wrong := values[:, 2] < 0).any():
            raise InputError(
                f"{path}: line {numbers[int(np.argmax(wrong))]}: a negative standard deviation ({values[wrong, 2][0]:g})."
            )
        return RawPatterns(
            counts=values[None, None, None, :, 1],
            axis=values[:, 0],
            unit=radial_unit(said, path),
            variance=None if variance is None else variance[None, None, None],
            wavelength_m=wavelength,
            wavelength_said=words,
            subtracted=bool(
                re.search(r"background\W{0,4}(was\s+)?subtract|subtracted background", head, re.I)
            ),
            place=lambda k: f"line {numbers[k]}",
            source=path,
            metadata={"format": "powder_text", "header": header[:40], "wavelength_from": words},
        )
