"""Rotation angles of a series: from a table, an `.npy` file, a dataset, or a list of the config.

A text table has one column of angles, or several of which one names the files: columns apart by commas, semicolons, tabs or
blanks; a line of titles and comments (#) may stand before. The unit is the one of the setting, or with "auto" the one that the
source names itself (the attribute `units` of a dataset, `rad` or `deg` in a column's title), else degrees. Numbers are never
converted because of their size: a whole series within 2 pi degrees, or over many turns of radians, is only warned of.
"""

import csv
import dataclasses
import logging
import math
import re
from collections.abc import Sequence
from typing import Literal

import numpy as np

from ..errors import InputError
from .hazards import Limits, naming, regular_file
from .hdf5 import open_hdf5
from .images import MAX_TEXT_BYTES, load_npy, split_name
from .units import degrees

_log = logging.getLogger(__name__)
AngleUnit = Literal["deg", "rad", "auto"]
WHOLE_SERIES = 4  # more views than this are taken for a whole series
MOST_TURNS = 2.0  # of radians; more looks like degrees
ANGLE_TITLE = re.compile(r"angle|theta|rot|omega|phi|tilt|\bdeg|\brad|°", re.IGNORECASE)
UNIT_TITLE = {
    "rad": re.compile(r"(?<![a-z])rad(ians?)?(?![a-z])", re.IGNORECASE),
    "deg": re.compile(r"(?<![a-z])deg(rees?)?(?![a-z])|°", re.IGNORECASE),
}


@dataclasses.dataclass(frozen=True)
class Angles:
    """angle_deg (view,); names of the files that they belong to, where the table has them; where they come from."""

    angle_deg: np.ndarray
    where: str
    unit: Literal["deg", "rad"] = "deg"
    names: tuple[str, ...] | None = None


def text_or_tuple(value):
    """A setting of angles as it is kept: a list of numbers as a tuple."""
    return value if value is None or isinstance(value, str) else tuple(float(v) for v in value)


def suspicion(angle_deg: np.ndarray, unit: str) -> str | None:
    """Why angles that were taken for `unit` look like the other one, with their range; None where they do not."""
    if len(angle_deg) == 0:
        return None
    scale = 1.0 if unit == "deg" else math.pi / 180
    low, high = float(angle_deg.min()) * scale, float(angle_deg.max()) * scale
    seen = f"{len(angle_deg)} angles from {low:.6g} to {high:.6g} are taken for"
    if unit == "deg" and len(angle_deg) > WHOLE_SERIES and 0 < high - low <= 2 * math.pi * 1.001:
        return f"{seen} degrees, but a whole series within 2 pi looks like radians"
    if unit == "rad" and high - low > MOST_TURNS * 2 * math.pi:
        turns = (high - low) / (2 * math.pi)
        return f"{seen} radians, which are {turns:.3g} turns and look like degrees"
    return None


def check_angles(values: np.ndarray, where: str, unit: Literal["deg", "rad"]) -> np.ndarray:
    """Degrees as float64. `InputError` where a number is not finite; a warning that names `where` for a suspicious range."""
    if values.dtype.kind not in "fiu":
        raise InputError(f"{where}: holds {values.dtype}; expected angles.")
    values = values.astype(np.float64)
    if values.ndim != 1 or len(values) == 0:
        raise InputError(f"{where}: has shape {values.shape}; expected one angle for each view.")
    bad = ~np.isfinite(values)
    if bad.any():
        raise InputError(
            f"{where}: {bad.sum()} of {len(values)} angles are not finite (number {np.argmax(bad)})."
        )
    found = np.rad2deg(values) if unit == "rad" else values
    if doubt := suspicion(found, unit):
        other = "rad" if unit == "deg" else "deg"
        _log.warning("%s: %s; if they are, set the angle's unit to `%s`.", where, doubt, other)
    return found


def read_angles(
    source: str | Sequence[float],
    unit: AngleUnit = "auto",
    column: int | str | None = None,
    limits: Limits | None = None,
) -> Angles:
    """Angles from `FILE.txt`, `FILE.csv`, `FILE.npy`, `FILE.h5:/dataset`, or a list of numbers.

    `column`: number (from 0) or title of a table's column of angles, where it is not clear. Raises `InputError`, naming the file.
    """
    names, said = None, None
    if not isinstance(source, str):
        where, values = "`data.angles`", np.asarray(source, np.float64)
    else:
        path, dataset = split_name(source)
        where = source
        if dataset is not None:
            with open_hdf5(path, limits) as file:
                where = file.where(dataset)
                values, said = file.array(dataset), file.attribute(dataset, "units")
                said = degrees(said, where)[0] if isinstance(said, str) and said.strip() else None
            values = values.reshape(-1)
        else:
            values, names, said = _from_file(path, column)
    known: Literal["deg", "rad"] = said or "deg" if unit == "auto" else unit
    if said is not None and said != known:
        _log.warning("%s: says `%s` of its angles; read as `%s`, as the setting wants.", where, said, known)
    return Angles(check_angles(values, where, known), where, known, names)


def _from_file(
    path: str, column: int | str | None
) -> tuple[np.ndarray, tuple[str, ...] | None, Literal["deg", "rad"] | None]:
    size = regular_file(path)
    with open(path, "rb") as file:
        head = file.read(8)
    if head.startswith(b"\x93NUMPY"):
        return _squeezed(np.asarray(load_npy(path)), path), None, None
    if head.startswith(b"\x89HDF"):
        raise InputError(f"{path}: is an HDF5 file; name the dataset of the angles too: FILE:/DATASET.")
    if size > MAX_TEXT_BYTES:
        raise InputError(f"{path}: is {size / 2**20:.0f} MiB long, too much for a text table.")
    with naming(path), open(path, encoding="utf-8-sig") as file:
        titles, rows = _rows(file, path)
        return _columns(titles, rows, column, path)


def _squeezed(values: np.ndarray, path: str) -> np.ndarray:
    """(n, 1) and (1, n) are a list of n too."""
    if values.ndim > 1 and max(values.shape) != values.size:
        raise InputError(f"{path}: has shape {values.shape}; expected one angle for each view.")
    return values.reshape(-1)


def _cells(line: str) -> list[str]:
    mark = next((m for m in (";", "\t", ",") if m in line), None)
    cells = line.split() if mark is None else next(csv.reader([line], delimiter=mark), [])
    return [cell.strip().strip('"') for cell in cells]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _rows(lines, path: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """(titles, rows): the last line of words before the first row that holds a number, and the numbered rows."""
    titles: list[str] = []
    rows: list[tuple[int, list[str]]] = []
    for number, line in enumerate(lines, 1):
        text, _, comment = line.strip().partition("#")
        cells = _cells(text) if text.strip() else []
        if rows and cells and len(cells) != len(rows[0][1]):
            raise InputError(
                f"{path}: line {number} has {len(cells)} columns, line {rows[0][0]} has {len(rows[0][1])}."
            )
        if cells and (rows or any(_is_number(cell) for cell in cells)):
            rows.append((number, cells))
        elif not rows and (text.strip() or comment.strip()):
            titles = cells or _cells(comment.strip())
    if not rows:
        raise InputError(f"{path}: holds no row with a number; expected a table of angles.")
    return (titles if len(titles) == len(rows[0][1]) else [""] * len(rows[0][1])), rows


def _columns(
    titles: list[str], rows: list[tuple[int, list[str]]], column: int | str | None, path: str
) -> tuple[np.ndarray, tuple[str, ...] | None, Literal["deg", "rad"] | None]:
    """(values, names, unit) of a table: the column of the angles, and the one of the files' names."""
    width = len(titles)
    numeric = [k for k in range(width) if 2 * sum(_is_number(c[k]) for _, c in rows) > len(rows)]
    chosen = _chosen(titles, numeric, column, path)
    values = []
    for number, cells in rows:
        if not _is_number(cells[chosen]):
            raise InputError(f"{path}: line {number} has `{cells[chosen]}` for an angle; expected a number.")
        values.append(float(cells[chosen]))
    words = [k for k in range(width) if k not in numeric and k != chosen]
    names = tuple(cells[words[0]] for _, cells in rows) if words else None
    if names is not None and (twice := next((n for n in names if names.count(n) > 1), None)):
        raise InputError(f"{path}: names `{twice}` {names.count(twice)} times; expected each file once.")
    radians, turned = (UNIT_TITLE[unit].search(titles[chosen]) for unit in ("rad", "deg"))
    return np.array(values), names, "rad" if radians else "deg" if turned else None


def _chosen(titles: list[str], numeric: list[int], column: int | str | None, path: str) -> int:
    if isinstance(column, str):
        if column not in titles:
            raise InputError(f"{path}: no column is called `{column}`; the titles are {titles}.")
        return titles.index(column)
    if column is not None:
        if not 0 <= column < len(titles):
            raise InputError(f"{path}: has {len(titles)} columns; `angle_column` is {column}.")
        return column
    called = [k for k in numeric if ANGLE_TITLE.search(titles[k])]
    found = numeric if len(numeric) == 1 else called
    if len(found) != 1:
        raise InputError(
            f"{path}: {len(numeric)} of its {len(titles)} columns hold numbers, and it is not clear which are the angles; "
            "say so with `data.angle_column` (a number from 0, or a title)."
        )
    return found[0]
