"""Writes a measurement in the plain layout (see `plain`), as HDF5 or as NPZ, by the name's ending.

The file is whole or absent: HDF5 goes through `storage.reserved_hdf5`, NPZ through a temporary file that is renamed.
"""

import contextlib
import os
import secrets
import zipfile
from typing import Any

import numpy as np

from ..errors import InputError
from ..geometry import Geometry
from ..measurement import Measurement
from ..storage import reserved_hdf5
from .frames import blocks
from .plain import NAMES as LAYOUT
from .stored import Compression, frame_bytes, look, write_frames

SUFFIXES = (".h5", ".hdf5", ".npz")


def plain_arrays(geometry: Geometry, measurement: Measurement) -> dict[str, Any]:
    """Everything of the plain layout but the frames."""
    v, u = geometry.detector_pixel_m
    found: dict[str, Any] = {
        "positions_px": measurement.positions_px,
        "wavelength_m": geometry.wavelength_m,
        "distance_m": geometry.distance_m,
        "detector_pixel_m": v if v == u else np.array([v, u]),
        "pixel_size_m": np.array(geometry.pixel_size_m),
        "regime": geometry.regime,
    }
    if v == u and geometry.pixel_size_m[0] == geometry.pixel_size_m[1]:
        found["pixel_size_m"] = geometry.pixel_size_m[0]
    if geometry.focus_to_sample_m is not None:
        found["focus_to_sample_m"] = geometry.focus_to_sample_m
    if geometry.regime == "near_field":
        found["margin"], found["oversampling"] = geometry.margin, geometry.oversampling
    if measurement.probe is not None and measurement.probe.shape[-2:] == geometry.frame_shape:
        found["probe"] = measurement.probe
    if not measurement.mask.all():
        found["mask"] = measurement.mask
    single = len(measurement.angle_deg) == 1 and measurement.angle_deg[0] == 0
    return found if single else found | series_arrays(measurement)


def series_arrays(measurement: Measurement) -> dict[str, Any]:
    """What the plain layout holds of views (see `plain_views`)."""
    found: dict[str, Any] = {
        "angle_deg": np.asarray(measurement.angle_deg, np.float64),
        "view": np.asarray(measurement.view, np.int32),
    }
    if (measurement.specimen != np.arange(len(measurement.specimen))).any():
        found["specimen"] = np.asarray(measurement.specimen, np.int32)
    if np.any(measurement.optics):
        found["optics"] = np.asarray(measurement.optics, np.int32)
    return found


def write_plain(
    path: str | os.PathLike,
    geometry: Geometry,
    measurement: Measurement,
    *,
    compression: Compression = "bitshuffle",
    **extra: Any,
) -> None:
    """Writes one data set; `extra` arrays (`object_true`, `probe_true`) are stored beside it.

    Raises `InputError` for an unknown ending, OSError when the disk is full (nothing is left behind then).
    """
    path = os.path.abspath(os.fspath(path))
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: ends in `{suffix}`; expected one of {', '.join(SUFFIXES)}.")
    arrays = {**plain_arrays(geometry, measurement), **extra}
    if suffix == ".npz":
        _write_npz(path, measurement, arrays)
        return
    dtype = look(measurement.frames).dtype
    size = frame_bytes(measurement.frames, dtype) + sum(np.asarray(a).nbytes + 4096 for a in arrays.values())
    with reserved_hdf5(path, size) as file:
        write_frames(file, "intensity", measurement.frames, dtype, compression)
        for name, value in arrays.items():
            file[name] = value


def write_tilt_series(
    path: str | os.PathLike,
    geometry: Geometry,
    measurement: Measurement,
    *,
    compression: Compression = "bitshuffle",
    **truth: Any,
) -> None:
    """Writes a series of views in the plain layout, frames by frames (see `plain_views`); arguments and errors as `write_plain`.

    `truth`: arrays of a simulation (`volume_true`, `probe_true`, ...), which no reader gives to a reconstruction.
    """
    taken = sorted(set(truth) & set(LAYOUT))
    if taken:
        raise ValueError(f"`{taken[0]}` is a name of the layout; call the truth `{taken[0]}_true`.")
    write_plain(path, geometry, measurement, compression=compression, **series_arrays(measurement), **truth)


def _write_npz(path: str, measurement: Measurement, arrays: dict[str, Any]) -> None:
    frames = measurement.frames
    dtype = look(frames).dtype
    n, v, u = frames.shape
    temporary = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.{secrets.token_hex(4)}")
    try:
        with zipfile.ZipFile(temporary, "x", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            with archive.open("intensity.npy", "w", force_zip64=True) as file:
                header = {"descr": dtype.str, "fortran_order": False, "shape": frames.shape}
                np.lib.format.write_array_header_1_0(file, header)
                for index in blocks(n, 4 * v * u):
                    file.write(np.ascontiguousarray(frames.read(index).astype(dtype)).data)
            for name, value in arrays.items():
                with archive.open(f"{name}.npy", "w") as file:
                    np.lib.format.write_array(file, np.asarray(value), allow_pickle=False)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
