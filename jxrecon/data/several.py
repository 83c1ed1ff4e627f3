"""Several scans in one reconstruction, that share the object, the probe, or both: a view for each scan, or the views of each."""

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

Origin = Literal["common", "own", "kept"]


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


def _numbered(parts: list[np.ndarray], shared: bool) -> np.ndarray:
    """Numbers of objects (or probes) of all views: those of the parts, one after the other unless the parts share them."""
    starts = np.cumsum([0, *(0 if shared else part.max() + 1 for part in parts[:-1])])
    return np.concatenate([part + start for part, start in zip(parts, starts, strict=True)]).astype(np.int32)


def _placed(parts: list[Measurement], origin: Origin) -> np.ndarray:
    """Positions of all parts, from the middle of them all ("common"), of each part ("own"), or as they are ("kept")."""
    if origin == "own":
        return np.concatenate([p.positions_px - _middle(p.positions_px) for p in parts])
    everything = np.concatenate([part.positions_px for part in parts])
    return everything - (_middle(everything) if origin == "common" else 0)


def _middle(positions: np.ndarray) -> np.ndarray:
    return (positions.max(0) + positions.min(0)) / 2


def join(parts: list[Measurement], share: str, source: str, origin: Origin | None = None) -> Measurement:
    """One measurement with the views of all parts, which `share` the "object", the "probe", "both" or "nothing".

    With a shared object, positions keep their common origin, unless `origin` says where they are to count from.
    """
    objects, probes = share in ("object", "both"), share in ("probe", "both")
    starts = np.cumsum([0, *(len(part.angle_deg) for part in parts[:-1])])
    return Measurement(
        frames=ConcatenatedFrames([part.frames for part in parts]),
        positions_px=_placed(parts, origin or ("common" if objects else "own")),
        # A pixel that only one scan lacks is marked in that scan's frames.
        mask=np.any([part.mask for part in parts], axis=0),
        view=np.concatenate([p.view + s for p, s in zip(parts, starts, strict=True)]).astype(np.int32),
        specimen=_numbered([part.specimen for part in parts], objects),
        optics=_numbered([part.optics for part in parts], probes),
        angle_deg=np.concatenate([part.angle_deg for part in parts]),
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
