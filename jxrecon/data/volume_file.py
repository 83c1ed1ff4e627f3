"""A volume of densities from a file of any program: NeXus and other HDF5, stacks of TIFF, NumPy.

HDF5: the dataset that is named, else what the NeXus attributes `default` and `signal` lead to (a `result.h5` of this package,
maps of `write_maps`), else the only dataset with three axes. TIFF: a stack of pages, or a folder with one file for each slice,
in the order of their names. The edge of the voxels comes from the axes of NeXus, or from ImageJ's tags; what is given as
`voxel_nm` wins.
"""

import dataclasses
import os
from pathlib import Path
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float

from ..errors import InputError
from .access import Access
from .hazards import GIB, Limits, naming, regular_file
from .hdf5 import GuardedFile
from .images import load_npy
from .units import metres

SMALLEST = 8  # voxels along an axis
UNEQUAL = 0.01  # difference of a voxel's edges that is rounding
LISTED = 8


@dataclasses.dataclass(frozen=True)
class DensityVolume:
    """electron_density in e/A^3, NaN where there is no number; voxel_m: edge; truth: maps of a simulation on the same voxels, by
    the names of `twin.maps`, empty for a measurement."""

    electron_density: Float[np.ndarray, "z y x"]
    voxel_m: float
    source: str
    truth: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)


def _default(file: GuardedFile) -> str | None:
    """The dataset that a NeXus viewer would show."""
    name = ""
    for _ in range(8):
        following = file.attribute(name or "/", "default")
        if not isinstance(following, str) or not file.has(f"{name}/{following}"):
            break
        name = f"{name}/{following}"
    signal = file.attribute(name or "/", "signal")
    return f"{name}/{signal}" if isinstance(signal, str) and file.has(f"{name}/{signal}") else None


def _only_volume(file: GuardedFile) -> str:
    """The one dataset with three axes that is long along each."""
    found = []
    for name in file.tree():
        shape = _shape(file, name)
        if len(shape) == 3 and min(shape) >= SMALLEST:
            found.append(name)
    if len(found) != 1:
        listed = ", ".join(f"/{n}" for n in found[:LISTED]) or "none"
        raise InputError(
            f"{file.path}: holds {len(found)} volumes ({listed}); name one with `data.dataset=/...`."
        )
    return found[0]


def _shape(file: GuardedFile, name: str) -> tuple[int, ...]:
    """Of a dataset of real numbers; () of anything else."""
    try:
        return file.dataset(name).shape
    except InputError:
        return ()


def _axis_steps(file: GuardedFile, name: str) -> list[float]:
    """Metres between the points of the axes z, y, x beside a dataset; only those that have a unit."""
    group, steps = name.rpartition("/")[0], []
    for axis in "zyx":
        place = f"{group}/{axis}"
        if not file.has(place) or not isinstance(file.attribute(place, "units"), str):
            continue
        values = np.asarray(file.array(place), np.float64).reshape(-1)
        unit = str(file.attribute(place, "units"))
        if len(values) > 1 and unit:
            steps.append(abs(values[-1] - values[0]) / (len(values) - 1) * metres(unit, file.where(place)))
    return steps


def _from_hdf5(path: str, dataset: str | None, access: Access) -> tuple[np.ndarray, list[float]]:
    with access.open(path) as file:
        name = dataset or _default(file) or _only_volume(file)
        return file.array(name), _axis_steps(file, name)


def _page_limit(path: str, shape: tuple[int, ...], itemsize: int, limits: Limits) -> None:
    size = itemsize * float(np.prod([float(n) for n in shape]))
    if size > limits.max_array_gib * GIB:
        raise InputError(
            f"{path}: declares {size / GIB:.3g} GiB; at most {limits.max_array_gib:g} GiB are read "
            "(`data.access.max_array_gib`)."
        )


def _from_tiff(path: str, limits: Limits) -> tuple[np.ndarray, list[float]]:
    import tifffile

    with naming(path), tifffile.TiffFile(path) as file:
        series = file.series[0]
        _page_limit(path, series.shape, series.dtype.itemsize if series.dtype else 8, limits)
        return np.squeeze(series.asarray()), _tiff_steps(file)


def _tiff_steps(file: Any) -> list[float]:
    """ImageJ's edges of a voxel in metres."""
    about = file.imagej_metadata or {}
    unit = str(about.get("unit", "")).replace("\\u00B5", "u")
    tags, steps = file.pages[0].tags, []
    if unit in ("", "pixel", "inch", "None"):
        return []
    for name in ("YResolution", "XResolution"):
        if name in tags and tags[name].value[0]:
            pixels, units = tags[name].value
            steps.append(units / pixels)
    if "spacing" in about:
        steps.append(float(about["spacing"]))
    return [step * metres(unit, file.filename) for step in steps]


def _from_folder(path: str, limits: Limits) -> tuple[np.ndarray, list[float]]:
    names = sorted(p for p in Path(path).iterdir() if p.suffix.lower() in (".tif", ".tiff"))
    if not names:
        raise InputError(f"{path}: holds no .tif file; expected one for each slice.")
    first, steps = _from_tiff(str(names[0]), limits)
    _page_limit(path, (len(names), *first.shape), first.dtype.itemsize, limits)
    slices = [first, *(_from_tiff(str(name), limits)[0] for name in names[1:])]
    odd = [str(n) for n, s in zip(names, slices, strict=True) if s.shape != first.shape]
    if odd:
        raise InputError(f"{odd[0]}: has another shape than {names[0].name}, which is {first.shape}.")
    return np.stack(slices), steps


def read_volume(
    path: str, dataset: str | None = None, access: Access | None = None
) -> tuple[np.ndarray, list[float]]:
    """(values with three axes as they are, edges in metres that the file tells). Raises InputError."""
    access = access or Access()
    if os.path.isdir(path):
        values, steps = _from_folder(path, access.limits())
    else:
        regular_file(path)
        with open(path, "rb") as file:
            head = file.read(8)
        if head.startswith(b"\x89HDF"):
            values, steps = _from_hdf5(path, dataset, access)
        elif head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            values, steps = _from_tiff(path, access.limits())
        elif head.startswith(b"\x93NUMPY"):
            values, steps = np.asarray(load_npy(path)), []
        else:
            raise InputError(f"{path}: begins with {head!r}; expected HDF5, TIFF, .npy or a folder of TIFF.")
    if values.ndim != 3 or min(values.shape) < SMALLEST or values.dtype.kind not in "fiub":
        raise InputError(
            f"{path}: holds {values.dtype} of the shape {values.shape}; expected real numbers with three axes of "
            f"{SMALLEST} voxels at least."
        )
    return values, steps


class VolumeFile(eqx.Module):
    """dataset: of an HDF5 file; voxel_nm: edge of a voxel, where the file does not tell; axes: which the file has, in its order;
    density_per_unit: e/A^3 for one unit of the file's numbers (of delta at 7 keV about 7.1e4)."""

    path: str
    dataset: str | None = None
    voxel_nm: float | int | None = None
    axes: str = "zyx"
    density_per_unit: float = eqx.field(converter=float, default=1.0)
    access: Access = Access()

    def __check_init__(self):
        if sorted(self.axes) != ["x", "y", "z"]:
            raise InputError(f"`axes` is {self.axes!r}; expected z, y and x in the file's order.")
        if self.voxel_nm is not None and not self.voxel_nm > 0:
            raise InputError(f"`voxel_nm` is {self.voxel_nm}; expected the edge of a voxel in nanometres.")

    def read(self) -> DensityVolume:
        """The volume. Raises `InputError`, naming file and dataset."""
        path = os.path.abspath(os.path.expanduser(self.path))
        values, steps = read_volume(path, self.dataset, self.access)
        values = np.asarray(values, np.float32).transpose([self.axes.index(a) for a in "zyx"])
        values = np.ascontiguousarray(values) * np.float32(self.density_per_unit)
        return DensityVolume(np.where(np.isfinite(values), values, np.nan), self._voxel_m(path, steps), path)

    def _voxel_m(self, path: str, steps: list[float]) -> float:
        if self.voxel_nm is not None:
            return float(self.voxel_nm) * 1e-9
        if not steps:
            raise InputError(f"{path}: does not tell the edge of its voxels; give `data.voxel_nm`.")
        if max(steps) > (1 + UNEQUAL) * min(steps):
            edges = ", ".join(f"{s * 1e9:.4g}" for s in steps)
            raise InputError(f"{path}: has voxels with the edges {edges} nm; expected cubes.")
        return float(np.mean(steps))
