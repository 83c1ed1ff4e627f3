"""The plain layout: the same few names in HDF5 or in NPZ (without pickle).

intensity (scan, v, u) counts, zero frequency at the centre; positions_px (scan, 2) probe centres (y, x) in object pixels;
optionally probe (mode, v, u) complex with sum |probe|^2 = mean counts of a frame, mask (v, u) with True = good; scalars
wavelength_m, distance_m, detector_pixel_m (pixel_size_m follows from them); optionally regime ("far_field", "near_field"),
focus_to_sample_m, margin, oversampling; several views in one file, see `plain_views`. object_true and probe_true of simulated
sets are never given to a reconstruction.
"""

import zipfile

import numpy as np

from ..errors import InputError
from .access import Access
from .frames import DatasetFrames, MemoryFrames
from .hazards import GIB, Limits, naming, regular_file
from .hdf5 import COMPLEX, GuardedFile
from .instrument import FileGeometry, Instrument
from .plain_views import NAMES as OF_VIEWS
from .plain_views import views_of
from .preprocess import Preprocess
from .reader import AbstractReader
from .scan import Scan, check_mask, check_positions, check_probe

SCALARS = ("wavelength_m", "distance_m", "detector_pixel_m", "focus_to_sample_m")
COUNTS = ("margin", "oversampling")
NAMES = ("intensity", "positions_px", "probe", "mask", "regime", *SCALARS, *COUNTS, *OF_VIEWS)


def is_npz(path: str) -> bool:
    """Whether the file begins as a zip archive does."""
    with open(path, "rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def read_npz(path: str, limits: Limits) -> dict[str, np.ndarray]:
    """The layout's arrays of an archive; what else it holds is not touched. Declared sizes are checked before inflating."""
    size, found = regular_file(path), {}
    with naming(path), zipfile.ZipFile(path) as archive:
        members = {
            i.filename.removesuffix(".npy"): i for i in archive.infolist() if i.filename.endswith(".npy")
        }
        missing = [name for name in ("intensity", "positions_px") if name not in members]
        if missing:
            raise InputError(
                f"{path}: `{missing[0]}` is missing; it holds {', '.join(sorted(members)[:12]) or 'nothing'}."
            )
        for name in NAMES:
            if name in members:
                with naming(f"{path}:/{name}"):
                    found[name] = _member(archive, members[name], size, limits)
    return found


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, size: int, limits: Limits) -> np.ndarray:
    declared = member.file_size
    if declared > limits.max_array_gib * GIB or declared > 2**25 + limits.max_expansion * size:
        raise InputError(
            f"{archive.filename}:/{member.filename}: declares {declared / GIB:.3g} GiB in an archive of {size / 2**20:.3g} MiB; "
            f"at most {limits.max_array_gib:g} GiB (`max_array_gib`) and {limits.max_expansion:g} times are read."
        )
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        header = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = header(file)
        length = int(np.prod(shape, dtype=object)) * dtype.itemsize
        if dtype.hasobject or length + file.tell() != declared:
            raise ValueError(f"shape {shape} of {dtype} does not fit {declared} bytes")
        array = np.frombuffer(file.read(), dtype)
    return array.reshape(shape[::-1]).T if fortran else array.reshape(shape)


def _from_hdf5(file: GuardedFile) -> dict:
    kinds = {"probe": COMPLEX}
    needed = {"positions_px"} | ({"angle_deg"} if file.has("view") else set())
    found = {
        name: file.array(name, kinds.get(name, "fiub"))
        for name in NAMES
        if name not in ("intensity", "regime") and (name in needed or file.has(name))
    }
    if file.has("regime"):
        found["regime"] = np.asarray(file.text("regime"))
    return found


def _scalar(found: dict, name: str, where: str) -> float | None:
    if name not in found:
        return None
    values = np.asarray(found[name]).reshape(-1)
    if values.size == 0 or values.dtype.kind not in "fiu" or not np.isfinite(values[0]):
        raise InputError(f"{where}:/{name}: holds {values[:1]}; expected a finite number.")
    return float(values[0])


def _text(array: np.ndarray) -> str:
    """NumPy keeps text as str or, when it comes from HDF5, as bytes."""
    first = np.asarray(array).reshape(-1)[:1]
    return str(np.char.decode(first, "utf-8", "replace")[0] if first.dtype.kind == "S" else first[0])


def _geometry(found: dict, where: str) -> FileGeometry:
    numbers = {name: _scalar(found, name, where) for name in SCALARS}
    whole = {name: _scalar(found, name, where) for name in COUNTS}
    pitch = numbers.pop("detector_pixel_m")
    if pitch is not None:
        both = np.broadcast_to(np.asarray(found["detector_pixel_m"], np.float64).reshape(-1)[:2], 2)
        pitch = (float(both[0]), float(both[1]))
    regime = _text(found["regime"]) if "regime" in found else None
    if regime not in (None, "far_field", "near_field"):
        raise InputError(f"{where}:/regime: is {regime!r}; expected 'far_field' or 'near_field'.")
    counts = {name: None if value is None else int(value) for name, value in whole.items()}
    return FileGeometry(**numbers, **counts, detector_pixel_m=pitch, regime=regime)


class Plain(AbstractReader):
    """Reads the plain layout."""

    path: str
    instrument: Instrument = Instrument()
    preprocess: Preprocess = Preprocess()
    access: Access = Access()

    def scan(self) -> Scan:
        where = self.source
        regular_file(where)
        if is_npz(where):
            found = read_npz(where, self.access.limits())
            intensity = _real(found["intensity"], f"{where}:/intensity")
            leading = intensity.shape[:-2]
            flat = intensity.reshape(-1, *intensity.shape[2:]) if intensity.ndim == 4 else intensity
            frames = MemoryFrames(flat, f"{where}:/intensity")
        else:
            file = self.access.open(where)
            dataset = file.dataset("intensity")
            frames, leading = DatasetFrames(dataset), dataset.shape[:-2]
            found = _from_hdf5(file)
        shape = frames.shape[1:]
        positions, views = views_of(found, leading, frames, where)
        positions = check_positions(positions, f"{where}:/positions_px", "px")
        probe, mask = found.get("probe"), found.get("mask")
        return Scan(
            format="plain",
            frames=frames,
            positions=positions,
            position_unit="px",
            names=("intensity", "positions_px"),
            geometry=_geometry(found, where),
            mask=None if mask is None else check_mask(mask != 0, shape, f"{where}:/mask"),
            probe=None if probe is None else check_probe(probe, shape, f"{where}:/probe"),
            views=views,
        )


def _real(array: np.ndarray, where: str) -> np.ndarray:
    if array.dtype.kind not in "fiub":
        raise InputError(f"{where}: holds {array.dtype}; expected real numbers.")
    return array
