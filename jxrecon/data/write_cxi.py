"""Writes a measurement, and the result if there is one, as CXI 1.6 or as NeXus NXcxi_ptycho (see `cxi`, `nxcxi`).

One tree serves both: NXcxi_ptycho is CXI with NeXus classes, units and links added; what the two use differently is the
source's energy (CXI: photons, in joules; NeXus: the machine's). Results: image_1 the probe, image_2 the object.
"""

import os

import h5py
import numpy as np

from ..geometry import Geometry
from ..measurement import Measurement
from ..storage import reserved_hdf5
from .stored import Compression, frame_bytes, look, write_frames
from .units import HC_J_M

AXES = "translation:$slow:$fast"


def _translation(geometry: Geometry, measurement: Measurement) -> np.ndarray:
    """(scan, 3) x, y, z of the sample in metres, for a detector whose rows run along -y and whose columns run along -x."""
    metres = measurement.positions_px * np.asarray(geometry.pixel_size_m)
    return np.column_stack([metres[:, 1], metres[:, 0], np.zeros(len(metres))])


def _put(group: h5py.Group, name: str, value, units: str | None = None) -> h5py.Dataset:
    dataset = group.create_dataset(name, data=value)
    if units is not None:
        dataset.attrs["units"] = units
    return dataset


def _detector(group: h5py.Group, geometry: Geometry, measurement: Measurement) -> None:
    v, u = geometry.detector_pixel_m
    _put(group, "distance", geometry.distance_m, "m")
    _put(group, "x_pixel_size", u, "m")
    _put(group, "y_pixel_size", v, "m")
    _put(group, "basis_vectors", np.array([[0, -u], [-v, 0], [0, 0]]), "m")
    # CXI's mask bits: 0 is good, 1 is an invalid pixel.
    _put(group, "mask", np.where(measurement.mask, 0, 1).astype(np.uint32))


def _results(entry: h5py.Group, probe: np.ndarray | None, specimen: np.ndarray | None) -> None:
    for number, array, title in ((1, probe, "probe"), (2, specimen, "object")):
        if array is not None:
            image = entry.create_group(f"image_{number}")
            _put(image, "data", np.asarray(array, np.complex64))
            _put(image, "title", title)
            _put(image, "is_fft_shifted", 0)


def _own(entry: h5py.Group, geometry: Geometry, specimen: np.ndarray | None) -> None:
    """What neither format has a name for."""
    own = entry.create_group("jxrecon")
    _put(own, "regime", geometry.regime)
    if geometry.focus_to_sample_m is not None:
        _put(own, "focus_to_sample_m", geometry.focus_to_sample_m, "m")
    if geometry.regime == "near_field":
        _put(own, "margin", geometry.margin)
        _put(own, "oversampling", geometry.oversampling)
    if specimen is not None:
        _put(own, "object_centre_px", np.array([n // 2 for n in specimen.shape[-2:]], np.float64))


def _tree(
    file: h5py.File, geometry: Geometry, measurement: Measurement, dtype: np.dtype, compression: Compression
) -> h5py.Group:
    entry = file.create_group("entry_1")
    detector = entry.create_group("instrument_1/detector_1")
    write_frames(detector, "data", measurement.frames, dtype, compression)
    _detector(detector, geometry, measurement)
    _put(entry, "sample_1/geometry_1/translation", _translation(geometry, measurement), "m")
    move = h5py.SoftLink("/entry_1/sample_1/geometry_1/translation")
    detector["translation"] = move
    data = entry.create_group("data_1")
    data["data"], data["translation"] = h5py.SoftLink("/entry_1/instrument_1/detector_1/data"), move
    return entry


def _guess(measurement: Measurement, probe, specimen) -> tuple[np.ndarray | None, np.ndarray | None]:
    probe = measurement.probe if probe is None else probe
    specimen = measurement.object if specimen is None else specimen
    return probe, specimen


def _bytes(measurement: Measurement, dtype: np.dtype, *arrays: np.ndarray | None) -> int:
    small = sum(a.size * 8 for a in arrays if a is not None) + measurement.positions_px.size * 32
    return frame_bytes(measurement.frames, dtype) + small + 2**20


def write_cxi(
    path: str | os.PathLike,
    geometry: Geometry,
    measurement: Measurement,
    *,
    probe: np.ndarray | None = None,
    object: np.ndarray | None = None,
    compression: Compression = "gzip",
) -> None:
    """Writes CXI 1.6; `probe` (mode, v, u) and `object` (y, x) of a result replace the measurement's first guesses.

    OSError when the disk is full (nothing is left behind then).
    """
    probe, object = _guess(measurement, probe, object)
    dtype = look(measurement.frames).dtype
    with reserved_hdf5(path, _bytes(measurement, dtype, probe, object, measurement.mask)) as file:
        file["cxi_version"], file["number_of_entries"] = 160, 1
        entry = _tree(file, geometry, measurement, dtype, compression)
        source = entry.create_group("instrument_1/source_1")
        _put(source, "energy", HC_J_M / geometry.wavelength_m, "J")
        _put(source, "wavelength", geometry.wavelength_m, "m")
        _results(entry, probe, object)
        _own(entry, geometry, object)


CLASSES = {
    "": "NXentry",
    "instrument_1": "NXinstrument",
    "instrument_1/source_1": "NXsource",
    "instrument_1/beam_1": "NXbeam",
    "instrument_1/detector_1": "NXdetector",
    "instrument_1/detector_1/transformations": "NXtransformations",
    "data_1": "NXcollection",
    "sample_1": "NXsample",
    "sample_1/transformations": "NXtransformations",
    "sample_1/geometry_1": "NXcollection",
    "frames": "NXdata",
    "jxrecon": "NXcollection",
    "image_1": "NXcollection",
    "image_2": "NXcollection",
}


def write_nxcxi(
    path: str | os.PathLike,
    geometry: Geometry,
    measurement: Measurement,
    *,
    probe: np.ndarray | None = None,
    object: np.ndarray | None = None,
    compression: Compression = "gzip",
) -> None:
    """Writes NXcxi_ptycho; arguments and errors as `write_cxi`."""
    probe, object = _guess(measurement, probe, object)
    dtype = look(measurement.frames).dtype
    with reserved_hdf5(path, _bytes(measurement, dtype, probe, object, measurement.mask)) as file:
        file.attrs["NX_class"], file.attrs["default"] = "NXroot", "entry_1"
        entry = _tree(file, geometry, measurement, dtype, compression)
        entry.attrs["default"] = "frames"
        _put(entry, "definition", "NXcxi_ptycho")
        _put(entry, "title", os.path.basename(measurement.source) or "ptychography")
        _beam(entry.require_group("instrument_1"), geometry)
        _nexus_links(entry, geometry, measurement)
        _results(entry, probe, object)
        _own(entry, geometry, object)
        for name, kind in CLASSES.items():
            if not name or name in entry:
                (entry[name] if name else entry).attrs["NX_class"] = kind


def _beam(instrument: h5py.Group, geometry: Geometry) -> None:
    beam, source = instrument.create_group("beam_1"), instrument.create_group("source_1")
    _put(beam, "energy", geometry.energy_keV, "keV")
    _put(beam, "incident_beam_energy", geometry.energy_keV, "keV")
    _put(beam, "incident_wavelength", geometry.wavelength_m, "m")
    # Required by the definition, and not known here.
    _put(beam, "incident_energy_spread", np.nan, "keV")
    _put(source, "energy", np.nan, "GeV")
    _put(source, "name", "unknown")
    _put(source, "type", "unknown")
    _put(source, "probe", "x-ray")


def _nexus_links(entry: h5py.Group, geometry: Geometry, measurement: Measurement) -> None:
    detector = entry.require_group("instrument_1/detector_1")
    detector.attrs["axes"], detector.attrs["signal"] = [AXES, "y", "x"], "data"
    detector["data_1"] = h5py.SoftLink("/entry_1/instrument_1/detector_1/data")
    move = entry["sample_1/geometry_1/translation"]
    move.attrs["axes"], move.attrs["interpretation"] = AXES, "image"
    for axis, n, pitch in zip("yx", geometry.frame_shape, geometry.detector_pixel_m, strict=True):
        _put(detector, f"beam_center_{axis}", (n // 2) * pitch, "m")
    transformations = entry.create_group("sample_1/transformations")
    transformations.attrs["vector"] = [1.0, 0.0, 0.0]
    metres = _translation(geometry, measurement)
    for column, axis in enumerate("xy"):
        moved = _put(transformations, axis, metres[:, column], "m")
        moved.attrs["vector"] = [1.0 - column, float(column), 0.0]
        moved.attrs["transformation_type"] = "translation"
    _put(detector.create_group("transformations"), "vector", [0.0, 0.0, 1.0])
    frames = entry.create_group("frames")
    frames.attrs["signal"], frames.attrs["axes"] = "data", ["x", ".", "."]
    frames["data"] = h5py.SoftLink("/entry_1/instrument_1/detector_1/data")
    for axis in "xy":
        frames[axis] = h5py.SoftLink(f"/entry_1/sample_1/transformations/{axis}")
        frames.attrs[f"{axis}_indices"] = 0
