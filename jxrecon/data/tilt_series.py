"""A tilt series of ptychography from one file for each angle: one view for each, that share the probe.

Positions keep a common origin: position (0, 0) is the same place of the instrument in every view. It is the files' own origin
where these count from the rotation axis (the plain layout with `angle_deg`), else the middle of all positions together.
A series in one file with an axis of angles needs none of this: see `plain_views`.
"""

import dataclasses
import logging
import os
from typing import Literal

import equinox as eqx
import numpy as np

from ..errors import InputError
from ..geometry import Geometry
from ..measurement import Measurement
from .access import Access
from .angles import Angles, AngleUnit, read_angles, suspicion, text_or_tuple
from .assemble import assemble, origin_of
from .auto import Auto
from .instrument import Instrument
from .open_scans import OpenScans, ReopenedFrames
from .preprocess import Preprocess
from .reader import AbstractReader
from .scan import Scan, Views, one_view
from .series_files import angles_of_files, find_files
from .several import check_alike, join

_log = logging.getLogger(__name__)


class TiltSeries(AbstractReader):
    """Reads a series of files of any format that `Auto` knows.

    path: a file or a pattern (`scan_*.h5`, in the order of the numbers in the names); paths: a list of files or patterns.
    angles: `FILE.txt`, `.csv`, `.npy` or `FILE.h5:/dataset`, matched by file name where the table has names, else by order; or
    a list; or `:/dataset`, which every file holds; None: as the files say (plain layout). angle_unit "auto": as the table says,
    else degrees. angle_column: number or title of the column of a table with several.
    share: "probe" (one for all views) or "nothing". skip_unreadable: leave out views whose file is missing or cannot be read,
    with a warning, instead of an error. max_open: files that are open at a time; others are opened again when their frames are
    asked for, which takes some milliseconds.
    """

    path: str = ""
    paths: tuple[str, ...] = eqx.field(converter=tuple, default=())
    angles: str | tuple[float, ...] | None = eqx.field(converter=text_or_tuple, default=None)
    angle_unit: AngleUnit = "auto"
    angle_column: int | str | None = None
    share: Literal["probe", "nothing"] = "probe"
    skip_unreadable: bool = False
    max_open: int = 64
    instrument: Instrument = Instrument()
    preprocess: Preprocess = Preprocess()
    access: Access = Access()

    def __check_init__(self):
        if self.path and self.paths:
            raise InputError("`data`: give `path` or `paths`, not both.")
        if self.max_open < 1:
            raise InputError(f"`data.max_open` is {self.max_open}; expected 1 or more.")

    @property
    def source(self) -> str:
        names = self.paths or ((self.path,) if self.path else ())
        return os.pathsep.join(os.path.abspath(os.path.expanduser(name)) for name in names)

    def files(self) -> list[str]:
        """The files in the order of the views, absolute."""
        return find_files(self.paths or ((self.path,) if self.path else ()))

    def scan(self) -> Scan:
        raise InputError("a series of files is no single scan; use `read`.")

    def read(self) -> tuple[Geometry, Measurement]:
        files = self.files()
        chosen = angles_of_files(files, self._table(), self.skip_unreadable)
        scans, parts = OpenScans(self.max_open), []
        for name, angle_deg in chosen:
            try:
                parts.append(self._part(name, angle_deg, scans, len(files)))
            except InputError as error:
                if not self.skip_unreadable:
                    raise
                _log.warning("left out of the series: %s", error)
        if not parts:
            raise InputError(f"{self.source}: none of {len(files)} files can be used.")
        return self._joined(parts, len(files))

    def _own(self) -> bool:
        """Whether each file holds its angle, where `angles` says."""
        return isinstance(self.angles, str) and self.angles.startswith(":/")

    def _table(self) -> Angles | None:
        """The angles that do not lie in the files of the frames."""
        if self.angles is None or self._own():
            return None
        return read_angles(self.angles, self.angle_unit, self.angle_column, self.access.limits())

    def _part(
        self, name: str, angle_deg: np.ndarray | None, scans: OpenScans, files: int
    ) -> tuple[Geometry, Measurement, bool]:
        """One file with its angles, and whether its positions count from the rotation axis."""
        if angle_deg is None and self._own():
            found = read_angles(f"{name}{self.angles}", self.angle_unit, None, self.access.limits())
            angle_deg = found.angle_deg
        # The caches of all open files together are at most eight times that of one.
        cache = self.access.cache_mib * min(1, 8 / min(files, self.max_open))
        access = dataclasses.replace(self.access, cache_mib=cache)
        reader = Auto(name, self.instrument, self.preprocess, access).reader()
        with scans.scan(reader) as scan:
            views = _views(scan, angle_deg, name)
            lazy = dataclasses.replace(scan, views=views, frames=ReopenedFrames(reader, scans))
            few = dataclasses.replace(self.preprocess, survey_gib=self.preprocess.survey_gib / files)
            geometry, measurement = assemble(lazy, few, self.instrument, name, centred=False)
            return geometry, measurement, scan.views is not None

    def _joined(
        self, parts: list[tuple[Geometry, Measurement, bool]], files: int
    ) -> tuple[Geometry, Measurement]:
        geometries, measurements = [p[0] for p in parts], [p[1] for p in parts]
        check_alike(geometries, [m.source for m in measurements])
        joined = join(measurements, self.share, self.source, origin="kept")
        origin = origin_of(joined.positions_px, all(p[2] for p in parts), geometries[0], self.source)
        unit: Literal["deg", "rad"] = "rad" if self.angle_unit == "rad" else "deg"
        doubt = suspicion(joined.angle_deg, unit) if self.angles is None or self._own() else None
        if doubt:
            _log.warning("%s: %s; say so with `data.angle_unit`.", self.source, doubt)
        metadata = joined.metadata | {
            "views": len(joined.angle_deg),
            "files_left_out": files - len(parts),
            "position_origin_px": [float(x) for x in origin],
        }
        return geometries[0], dataclasses.replace(
            joined, positions_px=joined.positions_px - origin, metadata=metadata
        )


def _views(scan: Scan, angle_deg: np.ndarray | None, name: str) -> Views:
    """The file's views with these angles, or with its own."""
    stored = scan.views or one_view(scan.frames.shape[0])
    if angle_deg is None:
        if scan.views is None:
            raise InputError(f"{name}: holds no angle; give `data.angles` (a table, a list, or `:/DATASET`).")
        return stored
    if len(angle_deg) != len(stored.angle_deg):
        raise InputError(
            f"{name}: holds {len(stored.angle_deg)} views, but {len(angle_deg)} angles are given."
        )
    return dataclasses.replace(stored, angle_deg=angle_deg)
