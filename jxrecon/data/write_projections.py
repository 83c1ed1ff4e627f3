"""Writes a series of projections as NXtomo or as Data Exchange (see `nxtomo`, `data_exchange`), block by block.

Raw counts go with their flat and dark frames. Line integrals and phases of a reconstruction go into the same layouts, which have
no name for them, with their units and with a word on what they are. The file is whole or absent.
"""

import os

import h5py
import numpy as np

from ..sealed import set_attributes, write_dataset
from ..storage import reserved_hdf5
from .frames import BLOCK_BYTES
from .nxtomo import DARK, DEFINITION, FLAT, PROJECTION
from .projection_frames import AbstractProjections
from .projection_series import UNITS, ProjectionSeries
from .stored import Compression, compression_of

CHUNK_BYTES = 2**20


def _compression(dtype: np.dtype, wanted: Compression | None) -> Compression:
    """Counts shrink; noise in floating point does not, and costs minutes."""
    return wanted or ("gzip" if dtype.kind in "iub" else "none")


def _parts(series: ProjectionSeries) -> list[tuple[int, AbstractProjections]]:
    """(kind, images) in the order of the stack: dark, flat, projections."""
    parts = [(DARK, series.darks), (FLAT, series.flats), (PROJECTION, series.frames)]
    return [(kind, images) for kind, images in parts if images is not None]


def _bytes(parts: list[tuple[int, AbstractProjections]]) -> int:
    """Space to reserve: chunks are whole, and compression may fail."""
    return 2**21 + sum(int(np.prod([float(n) for n in i.shape]) * i.dtype.itemsize * 1.05) for _, i in parts)


def _write(
    group: h5py.Group, name: str, parts: list[AbstractProjections], compression: Compression | None
) -> h5py.Dataset:
    """The images of all parts, one after the other, as one dataset whose chunks are some rows of one image."""
    _, v, u = parts[0].shape
    dtype = np.result_type(*(images.dtype for images in parts))
    how = compression_of(_compression(dtype, compression))
    rows = max(min(v, CHUNK_BYTES // (u * dtype.itemsize)), 1)
    count = sum(images.shape[0] for images in parts)
    dataset = group.create_dataset(name, (count, v, u), dtype, chunks=(1, rows, u), fletcher32=True, **how)
    step, done = max(BLOCK_BYTES // max(v * u * 8, 1), 1), 0
    for images in parts:
        for start in range(0, images.shape[0], step):
            block = images.read(np.arange(start, min(start + step, images.shape[0])))
            dataset[done : done + len(block)] = block
            done += len(block)
    return dataset


def _put(group: h5py.Group, name: str, value, units: str | None = None) -> None:
    """A number, numbers or a text, which has a fixed length: see `sealed`."""
    if isinstance(value, str):
        write_dataset(group, name, value)
        return
    dataset = group.create_dataset(name, data=value)
    if units is not None:
        set_attributes(dataset, units=units)


def _group(parent: h5py.Group, name: str, nx_class: str) -> h5py.Group:
    group = parent.create_group(name)
    set_attributes(group, NX_class=nx_class)
    return group


def write_nxtomo(
    path: str | os.PathLike,
    series: ProjectionSeries,
    *,
    title: str = "",
    compression: Compression | None = None,
) -> None:
    """Writes NXtomo. OSError when the disk is full (nothing is left behind then)."""
    parts = _parts(series)
    keys = np.concatenate([np.full(images.shape[0], kind, np.int32) for kind, images in parts])
    angles = np.zeros(len(keys))
    angles[keys == PROJECTION] = series.angle_deg
    with reserved_hdf5(path, _bytes(parts)) as file:
        set_attributes(file, NX_class="NXroot", default="entry")
        entry = _group(file, "entry", "NXentry")
        set_attributes(entry, default="data")
        _put(entry, "definition", DEFINITION)
        _put(entry, "title", title or os.path.basename(series.source) or "projections")
        instrument = _group(entry, "instrument", "NXinstrument")
        _detector(_group(instrument, "detector", "NXdetector"), series, parts, keys, compression)
        sample = _group(entry, "sample", "NXsample")
        _put(sample, "name", title or os.path.basename(series.source) or "unknown")
        _put(sample, "rotation_angle", angles, "degree")
        if series.energy_keV is not None:
            _put(_group(instrument, "beam", "NXbeam"), "incident_energy", series.energy_keV, "keV")
        data = _group(entry, "data", "NXdata")
        axes = ["rotation_angle", ".", "."]
        set_attributes(data, signal="data", axes=axes, rotation_angle_indices=0)
        for name, place in (
            ("data", "instrument/detector"),
            ("image_key", "instrument/detector"),
            ("rotation_angle", "sample"),
        ):
            set_attributes(entry[f"{place}/{name}"], target=f"/entry/{place}/{name}")
            data[name] = entry[f"{place}/{name}"]
        _put(_group(entry, "jxrecon", "NXcollection"), "quantity", series.quantity)


def _detector(
    group: h5py.Group,
    series: ProjectionSeries,
    parts: list[tuple[int, AbstractProjections]],
    keys: np.ndarray,
    compression: Compression | None,
) -> None:
    data = _write(group, "data", [images for _, images in parts], compression)
    units = UNITS[series.quantity]
    set_attributes(data, interpretation="image", units=units, long_name=f"{series.quantity} ({units})")
    _put(group, "image_key", keys)
    if series.pixel_size_m is not None:
        _put(group, "y_pixel_size", series.pixel_size_m[0], "m")
        _put(group, "x_pixel_size", series.pixel_size_m[1], "m")
    if series.distance_m is not None:
        _put(group, "distance", series.distance_m, "m")
    if series.rotation_axis_px is not None:
        _put(group, "x_rotation_axis_pixel_position", float(series.rotation_axis_px), "pixel")


def write_data_exchange(
    path: str | os.PathLike,
    series: ProjectionSeries,
    *,
    title: str = "",
    compression: Compression | None = None,
) -> None:
    """Writes Data Exchange; arguments and errors as `write_nxtomo`."""
    with reserved_hdf5(path, _bytes(_parts(series))) as file:
        _put(file, "implements", "exchange:measurement")
        exchange, detector = (
            file.create_group("exchange"),
            file.create_group("measurement/instrument/detector"),
        )
        _put(exchange, "title", title or os.path.basename(series.source) or "projections")
        for name, images in (
            ("data", series.frames),
            ("data_white", series.flats),
            ("data_dark", series.darks),
        ):
            if images is not None:
                data = _write(exchange, name, [images], compression)
                axes = f"theta{name.removeprefix('data')}:y:x"
                set_attributes(data, axes=axes, units=UNITS[series.quantity], quantity=series.quantity)
        _put(exchange, "theta", np.asarray(series.angle_deg, np.float64), "degrees")
        if series.pixel_size_m is not None:
            _put(detector, "y_pixel_size", series.pixel_size_m[0], "m")
            _put(detector, "x_pixel_size", series.pixel_size_m[1], "m")
        if series.distance_m is not None:
            _put(detector, "distance", series.distance_m, "m")
        if series.rotation_axis_px is not None:
            _put(detector, "rotation_axis_px", float(series.rotation_axis_px))
        if series.energy_keV is not None:
            _put(file, "measurement/instrument/monochromator/energy", series.energy_keV, "keV")
