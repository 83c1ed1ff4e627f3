"""Several scans in one reconstruction, that share the object, the probe, or both: one view for each scan."""

import os
from typing import Literal

import equinox as eqx
import numpy as np

from ..errors import InputError
from ..geometry import Geometry
from ..measurement import AbstractFrames, Measurement
from .access import Access
from .assemble import assemble, common_metadata
from .auto import Auto
from .instrument import Instrument
from .preprocess import Preprocess
from .reader import AbstractReader
from .scan import Scan


class ConcatenatedFrames:
    """Frames of several measurements, one after the other (`AbstractFrames`)."""

    def __init__(self, parts: list[AbstractFrames]):
        self._parts = parts
        self._ends = np.cumsum([part.shape[0] for part in parts])

    @property
    def shape(self) -> tuple[int, int, int]:
        return int(self._ends[-1]), *self._parts[0].shape[1:]

    def read(self, index: np.ndarray) -> np.ndarray:
        index = np.asarray(index)
        out = np.empty((len(index), *self.shape[1:]), np.float32)
        part_of = np.searchsorted(self._ends, index, side="right")
        for k in np.unique(part_of):
            start = self._ends[k] - self._parts[k].shape[0]
            out[part_of == k] = self._parts[k].read(index[part_of == k] - start)
        return out


def check_alike(geometries: list[Geometry], names: list[str]) -> None:
    """Scans that share something have one geometry (wavelengths and distances to 1e-6)."""
    first = geometries[0]
    for geometry, name in zip(geometries[1:], names[1:], strict=True):
        if geometry.frame_shape != first.frame_shape or geometry.regime != first.regime:
            raise InputError(
                f"{name}: frames {geometry.frame_shape} in the {geometry.regime}, but {first.frame_shape} in the "
                f"{first.regime} in {names[0]}; scans that share something need equal frames."
            )
        if not np.allclose(geometry.pixel_size_m, first.pixel_size_m, rtol=1e-6, atol=0):
            raise InputError(
                f"{name}: object pixels of {geometry.pixel_size_m} m, but {first.pixel_size_m} in {names[0]}; give all the "
                "same geometry with `data.instrument`."
            )


def join(parts: list[Measurement], share: str, source: str) -> Measurement:
    """One measurement of as many views as parts; with a shared object, positions keep their common origin."""
    if share in ("object", "both"):
        everything = np.concatenate([part.positions_px for part in parts])
        middle = (everything.max(0) + everything.min(0)) / 2
        positions = everything - middle
    else:
        positions = np.concatenate(
            [p.positions_px - (p.positions_px.max(0) + p.positions_px.min(0)) / 2 for p in parts]
        )
    number = np.arange(len(parts), dtype=np.int32)
    common = np.zeros(len(parts), np.int32)
    return Measurement(
        frames=ConcatenatedFrames([part.frames for part in parts]),
        positions_px=positions,
        # A pixel that only one scan lacks is marked in that scan's frames.
        mask=np.any([part.mask for part in parts], axis=0),
        view=np.repeat(number, [part.scan_count for part in parts]),
        specimen=common if share in ("object", "both") else number,
        optics=common if share in ("probe", "both") else number,
        angle_deg=np.zeros(len(parts)),
        probe=parts[0].probe,
        source=source,
        metadata={
            **common_metadata([part.metadata for part in parts]),
            "scans": [part.source for part in parts],
        },
    )


class Several(AbstractReader):
    """Reads several scans, all with the same settings: files of any format that `Auto` knows (`paths`), or readers (`scans`).

    `share`: "object" (one specimen, a probe for each scan), "probe" (one probe, a specimen for each) or "both".
    """

    paths: tuple[str, ...] = eqx.field(converter=tuple, default=())
    scans: tuple[AbstractReader, ...] = eqx.field(converter=tuple, default=())
    share: Literal["object", "probe", "both"] = "object"
    instrument: Instrument = Instrument()
    preprocess: Preprocess = Preprocess()
    access: Access = Access()

    @property
    def path(self) -> str:
        return os.pathsep.join(reader.source for reader in self.readers())

    @property
    def source(self) -> str:
        return self.path

    def readers(self) -> list[AbstractReader]:
        """One reader for each scan."""
        found = [Auto(p, self.instrument, self.preprocess, self.access) for p in self.paths]
        return [*found, *self.scans]

    def scan(self) -> Scan:
        raise InputError("several scans are no single scan; use `read`.")

    def read(self) -> tuple[Geometry, Measurement]:
        readers = self.readers()
        if not readers:
            raise InputError("`data.paths` is empty; expected the files of the scans.")
        found = [assemble(r.scan(), r.preprocess, r.instrument, r.source, centred=False) for r in readers]
        geometries = [geometry for geometry, _ in found]
        check_alike(geometries, [r.source for r in readers])
        return geometries[0], join([m for _, m in found], self.share, self.source)
