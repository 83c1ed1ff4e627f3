"""The files of a series: in the order of the numbers in their names, each with its angle from a table."""

import glob
import logging
import os
import re
from collections.abc import Sequence

import numpy as np

from ..errors import InputError
from .angles import Angles

_log = logging.getLogger(__name__)
SHOWN = 3  # names in a message


def natural(name: str) -> list[tuple[int, int, str]]:
    """Sorts `scan_9` before `scan_10`."""
    return [
        (0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"([0-9]+)", name) if part
    ]


def find_files(names: Sequence[str]) -> list[str]:
    """Absolute paths; a pattern (`*`, `?`, `[...]`) stands for all files that it fits. A file may be missing, a pattern not."""
    if not names:
        raise InputError("`data.path` and `data.paths` are empty; expected the files of the series.")
    found = []
    for name in names:
        path = os.path.abspath(os.path.expanduser(name))
        if not glob.has_magic(path) or os.path.lexists(path):
            found.append(path)
            continue
        fitting = sorted(glob.glob(path, recursive=True), key=natural)
        if not fitting:
            raise InputError(f"{path}: no file fits this pattern.")
        found += fitting
    if twice := next((path for path in found if found.count(path) > 1), None):
        raise InputError(f"{twice}: is listed {found.count(twice)} times; expected each file once.")
    return found


def _belongs(name: str, path: str) -> bool:
    """Whether a table's `name`, with or without folders and ending, means this file."""
    whole = "/" + path.replace(os.sep, "/").lstrip("/")
    tail = "/" + name.replace("\\", "/").lstrip("./")
    return whole.endswith(tail) or os.path.splitext(whole)[0].endswith(tail)


def _shown(names: Sequence[str]) -> str:
    return ", ".join(os.path.basename(n) for n in names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def angles_of_files(
    files: Sequence[str], table: Angles | None, skip: bool
) -> list[tuple[str, np.ndarray | None]]:
    """Each file with its angles in degrees, None where the file has to say them itself.

    A file without an angle, or an angle without a file, is an `InputError`, or with `skip` left out with a warning.
    """
    if table is None:
        return [(path, None) for path in files]
    if table.names is None:
        return _by_order(files, table)
    found, lost, used = [], [], set()
    for path in files:
        rows = [k for k, name in enumerate(table.names) if _belongs(name, path)]
        if len(rows) > 1:
            both = " and ".join(f"`{table.names[k]}`" for k in rows[:2])
            raise InputError(f"{table.where}: both {both} mean {path}; expected one line for each file.")
        if rows:
            found.append((path, table.angle_deg[rows]))
            used.add(rows[0])
        else:
            lost.append(path)
    unused = [name for k, name in enumerate(table.names) if k not in used]
    for names, what in ((lost, "has no angle for"), (unused, "names files that are missing:")):
        if names:
            message = f"{table.where}: {what} {len(names)} of {max(len(files), len(table.names))} files ({_shown(names)})"
            if not skip:
                raise InputError(f"{message}; `data.skip_unreadable=true` leaves such views out.")
            _log.warning("%s; left out of the series.", message)
    return found


def _by_order(files: Sequence[str], table: Angles) -> list[tuple[str, np.ndarray | None]]:
    count = len(table.angle_deg)
    if len(files) == 1:  # of several views perhaps, which is seen when it is open
        return [(files[0], table.angle_deg)]
    if count != len(files):
        raise InputError(
            f"{table.where}: {count} angles, but {len(files)} files (from {_shown(files)}); expected one angle for each file."
        )
    return [(path, table.angle_deg[k : k + 1]) for k, path in enumerate(files)]
