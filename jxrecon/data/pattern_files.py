"""Many files of patterns, one data set: a folder, a pattern (`*`) or one file; every pattern becomes a row (v) of one view.

The patterns have to share their 2 theta axis: nothing is interpolated, which would correlate the noise of neighbouring channels.
"""

import dataclasses
import glob
import logging
import os
from collections.abc import Callable, Sequence

import numpy as np

from ..errors import InputError
from .pattern_checks import RawPatterns
from .series_files import natural

_log = logging.getLogger(__name__)
SAME_DEG = 1e-6  # of a channel's 2 theta (or of its q): files write few digits


def files_of(path: str, endings: Sequence[str]) -> list[str]:
    """The files that a path means, in the order of the numbers in their names. In a folder: those with one of the endings."""
    if os.path.isdir(path):
        names = [n for n in os.listdir(path) if n.lower().endswith(tuple(endings)) and not n.startswith(".")]
        if not names:
            raise InputError(f"{path}: the folder holds no file that ends in {', '.join(endings)}.")
        kinds = sorted({os.path.splitext(n)[1].lower() for n in names})
        if len(kinds) > 1:
            raise InputError(
                f"{path}: the folder holds {', '.join(kinds)} files; choose with a pattern, such as `*{kinds[0]}`."
            )
        return [os.path.join(path, name) for name in sorted(names, key=natural)]
    if glob.has_magic(path) and not os.path.lexists(path):
        found = sorted(glob.glob(path), key=natural)
        if not found:
            raise InputError(f"{path}: no file fits this pattern.")
        return found
    return [path]


def rows(path: str, endings: Sequence[str], read: Callable[[str], list[RawPatterns]]) -> RawPatterns:
    """All patterns of all files as rows of one view; `read` gives those of one file, each (1, 1, 1, channel)."""
    files = files_of(path, endings)
    parts = [part for file in files for part in read(file)]
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    for part in parts[1:]:
        _demand_same(first, part)
    metadata = first.metadata | {
        "files": [os.path.basename(file) for file in files],
        "rows": [part.metadata for part in parts],
    }
    variances = [part.variance for part in parts if part.variance is not None]
    return dataclasses.replace(
        first,
        counts=np.concatenate([part.counts for part in parts], axis=1),
        variance=np.concatenate(variances, axis=1) if variances else None,
        subtracted=all(part.subtracted for part in parts),
        source=path,
        metadata=metadata,
    )


def _demand_same(first: RawPatterns, other: RawPatterns) -> None:
    """Equal axes, units, wavelengths, and deviations in all or in none."""
    at = f"{other.source}: "
    if len(other.axis) != len(first.axis):
        raise InputError(
            f"{at}has {len(other.axis)} channels, but {first.source} has {len(first.axis)}; expected one 2 theta axis."
        )
    apart = np.abs(other.axis - first.axis)
    if other.unit != first.unit or apart.max() > SAME_DEG * max(1.0, float(np.abs(first.axis).max()) / 180):
        k = int(np.argmax(apart))
        raise InputError(
            f"{at}its axis differs from that of {first.source}: {other.axis[k]:.9g} and {first.axis[k]:.9g} in channel {k}; "
            "expected one 2 theta axis."
        )
    one, two = first.wavelength_m, other.wavelength_m
    if (one is None) != (two is None) or (one and two and abs(one / two - 1) > 1e-6):
        raise InputError(f"{at}has the wavelength {two} m, but {first.source} {one} m; expected one.")
    if (first.variance is None) != (other.variance is None):
        has, lacks = (first, other) if other.variance is None else (other, first)
        raise InputError(
            f"{lacks.source}: has no standard deviations, but {has.source} has; expected all or none."
        )
