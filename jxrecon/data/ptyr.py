"""PtyPy's results, `.ptyr`: object, probe and refined positions as a first guess for frames from another file.

content/obj/<ID>/data (layer, y, x), _psize, _origin (2,) m; content/probe/<ID>/data (mode, v, u); content/positions/<ID>
(scan, 2) m, (y, x). A point r of the specimen is pixel (r - _origin) / _psize; a window of n pixels has its pixel n // 2 there.
Several scans may share one storage.
"""

import dataclasses

import numpy as np

from ..errors import InputError
from .access import Access
from .hdf5 import COMPLEX, GuardedFile
from .instrument import Instrument
from .preprocess import Preprocess
from .reader import AbstractReader
from .scan import Scan, check_positions, check_probe


def storage(file: GuardedFile, kind: str, wanted: str | None) -> str | None:
    """Path of the storage `content/<kind>/<ID>`: the wanted one, else the only one; None where there is none."""
    names = file.children(f"content/{kind}")
    if wanted is not None:
        names = [n for n in names if wanted in n]
    if len(names) > 1:
        raise InputError(
            f"{file.where(f'content/{kind}')}: holds {', '.join(names[:8])}; choose one with `data.storage`."
        )
    return f"content/{kind}/{names[0]}" if names else None


class Ptyr(AbstractReader):
    """Reads a `.ptyr`; `frames` is the reader of the data that it was made from, `storage` chooses among several IDs."""

    path: str
    frames: AbstractReader
    storage: str | None = None
    instrument: Instrument = Instrument()
    preprocess: Preprocess = Preprocess()
    access: Access = Access()

    def scan(self) -> Scan:
        file = self.access.open(self.source)
        base = self.frames.scan()
        shape = base.frames.shape[1:]
        found: dict = {"format": "ptyr", "metadata": {**base.metadata, "frames_from": self.frames.source}}
        probe = storage(file, "probe", self.storage)
        if probe is not None:
            name = f"{probe}/data"
            found["probe"] = check_probe(file.array(name, COMPLEX), shape, file.where(name))
        moves = storage(file, "positions", self.storage)
        if moves is not None:
            found["positions"] = check_positions(file.array(moves), file.where(moves))
            found["position_unit"], found["names"] = "m", (base.names[0], f"{file.path}:/{moves}")
        specimen = storage(file, "obj", self.storage)
        if specimen is not None and found.get("position_unit", base.position_unit) == "m":
            data = file.array(f"{specimen}/data", COMPLEX)
            pixel, origin = (_pair(file, f"{specimen}/{key}") for key in ("_psize", "_origin"))
            found["object"] = data.reshape(-1, *data.shape[-2:])[0].astype(np.complex64)
            found["object_centre"] = (-origin[0] / pixel[0], -origin[1] / pixel[1])
        if not ({"probe", "object"} & found.keys()):
            raise InputError(f"{file.where('content')}: holds neither object nor probe.")
        return dataclasses.replace(base, **found)


def _pair(file: GuardedFile, name: str) -> tuple[float, float]:
    values = np.broadcast_to(file.array(name).reshape(-1)[-2:], 2).astype(np.float64)
    if not np.isfinite(values).all() or (name.endswith("_psize") and not (values > 0).all()):
        raise InputError(f"{file.where(name)}: is {values}; expected two finite numbers of metres.")
    return float(values[0]), float(values[1])
