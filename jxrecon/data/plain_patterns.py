"""The package's own layout of patterns: the fields of `Patterns` by their names in one HDF5 file, and a plot of them.

counts (view, v, u, channel), negative where nothing was measured, in chunks of one view, compressed with what HDF5 has itself
(whole numbers shuffled and deflated); two_theta_deg, angle_deg, monitor, wavelength_m; optionally variance and step_m; the
root's attribute metadata is JSON. entry/data is NXdata with the same datasets, which silx and H5Web draw.
"""

import json
import math
import os

import equinox as eqx
import h5py
import numpy as np

from ..errors import InputError
from ..patterns import Patterns
from ..sealed import set_attributes, write_dataset
from ..storage import plain, reserved_hdf5
from .access import Access
from .hdf5 import GuardedFile
from .pattern_checks import RawPatterns
from .pattern_reader import AbstractPatternReader, number_or_none

NAMES = ("counts", "two_theta_deg", "angle_deg", "monitor", "wavelength_m", "variance", "step_m")
CHUNK_BYTES = 2**20
MOST_METADATA = 2**15  # bytes of an HDF5 attribute in the header


def is_plain_patterns(file: GuardedFile) -> bool:
    return {"counts", "two_theta_deg"} <= set(file.children())


def stored(values: np.ndarray) -> np.ndarray:
    """Whole numbers as int32, which deflate shrinks; anything else as it is."""
    whole = np.all(values == np.round(values)) and np.max(np.abs(values), initial=0) < 2**31 - 1
    return values.astype(np.int32) if whole else values


def _chunks(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Part of one view; whole patterns as long as one fits."""
    chunk = [1, *shape[1:]]
    for axis in (1, 2, 3):
        pieces = math.ceil(math.prod(chunk) * itemsize / CHUNK_BYTES)
        chunk[axis] = math.ceil(chunk[axis] / min(max(pieces, 1), chunk[axis]))
    return tuple(chunk)


def _write(file: h5py.File, name: str, values: np.ndarray, units: str, label: str) -> None:
    how = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if values.dtype.kind == "i" else {}
    dataset = file.create_dataset(
        name, data=values, chunks=_chunks(values.shape, values.itemsize), fletcher32=True, **how
    )
    set_attributes(dataset, units=units, long_name=label, interpretation="spectrum")


def write_patterns(path: str | os.PathLike, patterns: Patterns, *, title: str = "") -> None:
    """Writes the layout; the file is whole or absent. OSError when the disk is full."""
    counts = stored(patterns.counts)
    size = 2**21 + int(1.1 * counts.nbytes) + (0 if patterns.variance is None else patterns.variance.nbytes)
    metadata = json.dumps(plain(patterns.metadata))
    if len(metadata) > MOST_METADATA:
        metadata = json.dumps({"left_out": f"{len(metadata)} bytes of metadata"})
    with reserved_hdf5(path, size + patterns.monitor.nbytes) as file:
        set_attributes(file, NX_class="NXroot", default="entry", metadata=metadata, source=patterns.source)
        _write(file, "counts", counts, "counts", "counts")
        if patterns.variance is not None:
            _write(file, "variance", patterns.variance, "counts^2", "variance of the counts")
        for name, units in (
            ("two_theta_deg", "deg"),
            ("angle_deg", "deg"),
            ("monitor", ""),
            ("wavelength_m", "m"),
        ):
            write_dataset(file, name, getattr(patterns, name), units=units, long_name=name)
        if patterns.step_m is not None:
            write_dataset(file, "step_m", np.asarray(patterns.step_m), units="m")
        entry = file.create_group("entry")
        set_attributes(entry, NX_class="NXentry", default="data")
        data = entry.create_group("data")
        axes = ["angle_deg", ".", ".", "two_theta_deg"]
        set_attributes(data, NX_class="NXdata", signal="counts", axes=axes)
        write_dataset(data, "title", title or os.path.basename(patterns.source) or "powder patterns")
        for name in ("counts", "angle_deg", "two_theta_deg"):
            data[name] = file[name]


class PlainPatterns(AbstractPatternReader):
    """Reads what `write_patterns` wrote."""

    path: str
    wavelength_m: float | None = eqx.field(converter=number_or_none, default=None)
    energy_keV: float | None = eqx.field(converter=number_or_none, default=None)
    access: Access = Access()

    def raw(self) -> RawPatterns:
        with self.access.open(self.source) as file:
            counts = file.array("counts")
            axis = file.array("two_theta_deg").reshape(-1).astype(np.float64)
            if counts.ndim != 4 or counts.shape[-1] != len(axis):
                raise InputError(
                    f"{file.where('counts')}: has shape {counts.shape}; expected (view, v, u, {len(axis)})."
                )
            variance = file.array("variance").astype(np.float64) if file.has("variance") else None
            angles = file.array("angle_deg").reshape(-1).astype(np.float64)
            monitor = file.array("monitor").astype(np.float64)
            for name, found, wanted in (
                ("variance", counts.shape if variance is None else variance.shape, counts.shape),
                ("angle_deg", angles.shape, counts.shape[:1]),
                ("monitor", monitor.shape, counts.shape[:3]),
            ):
                if found != wanted:
                    raise InputError(f"{file.where(name)}: has shape {found}; expected {wanted}.")
            step = file.array("step_m").reshape(-1) if file.has("step_m") else np.zeros(0)
            return RawPatterns(
                counts=counts,
                axis=axis,
                variance=variance,
                wavelength_m=file.scalar("wavelength_m") if file.has("wavelength_m") else None,
                angle_deg=angles,
                monitor=monitor,
                step_m=(float(step[0]), float(step[1])) if len(step) == 2 else None,
                negative_is_masked=True,
                source=file.path,
                metadata=_metadata(file) | {"format": "plain_patterns"},
            )


def _metadata(file: GuardedFile) -> dict:
    said = file.attribute("/", "metadata")
    try:
        found = json.loads(said) if isinstance(said, str) else {}
    except (ValueError, RecursionError):
        raise InputError(f"{file.path}@metadata: is no JSON.") from None
    return found if isinstance(found, dict) else {}
