"""Maps of voxels as NeXus plots, which silx, nexusformat and H5Web open: one NXdata for each, with its axes in micrometres.

Axes are counted from the middle voxel (index size // 2, where the package has an array's centre), and lie at the voxels'
middles. Standard deviations stand beside a map as `errors`, as NeXus has them.
https://manual.nexusformat.org/classes/base_classes/NXdata.html
"""

import os
from collections.abc import Mapping, Sequence

import h5py
import numpy as np

from ..provenance import versions
from ..sealed import set_attributes, stored_bytes, write_dataset
from ..storage import reserved_hdf5

Quantity = tuple[np.ndarray, str]
"""(y, x) or (z, y, x) values and their units."""


def write_maps(
    path: str | os.PathLike,
    maps: Mapping[str, Quantity],
    voxel_um: Sequence[float] | None,
    *,
    errors: Mapping[str, np.ndarray] | None = None,
    title: str = "maps",
    note: str = "",
) -> None:
    """Writes maps by their names; the first is what a viewer shows. voxel_um: of each axis, as in the maps; None
    where nobody knows it, then axes count points.

    note: kept beside them (the configuration, say). The file is whole or absent; OSError when the disk is full.
    """
    errors = errors or {}
    if not maps:
        raise ValueError("`maps` is empty; expected at least one.")
    for name, (values, _) in maps.items():
        axes = values.ndim if voxel_um is None else len(voxel_um)
        if values.ndim not in (2, 3) or values.ndim != axes:
            raise ValueError(
                f"`{name}` has {values.ndim} axes and `voxel_um` {axes}; expected 2 or 3 of both."
            )
        if name in errors and errors[name].shape != values.shape:
            raise ValueError(
                f"the errors of `{name}` have the shape {errors[name].shape}; expected {values.shape}."
            )
    if strange := sorted(set(errors) - set(maps)):
        raise ValueError(f"`errors` names {strange[0]}, which is no map.")
    size = 2**20 + sum(stored_bytes(values) for values, _ in maps.values())
    size += sum(stored_bytes(values) for values in errors.values()) + 2**16 * len(maps) + stored_bytes(note)
    with reserved_hdf5(path, size) as file:
        set_attributes(file, NX_class="NXroot", default="entry")
        entry = file.create_group("entry")
        set_attributes(entry, NX_class="NXentry", default=next(iter(maps)))
        write_dataset(entry, "title", title)
        for name, (values, units) in maps.items():
            _write_map(entry, name, values, units, voxel_um, errors.get(name))
        _write_process(entry, note)


def _write_map(
    entry: h5py.Group,
    name: str,
    values: np.ndarray,
    units: str,
    voxel_um: Sequence[float] | None,
    errors: np.ndarray | None,
) -> None:
    axes = ["z", "y", "x"][-values.ndim :]
    group = entry.create_group(name)
    set_attributes(group, NX_class="NXdata", signal="data", axes=axes)
    label = f"{name} ({units})" if units else name
    write_dataset(group, "title", label)
    write_dataset(group, "data", values, units=units, long_name=label, interpretation="image")
    if errors is not None:
        write_dataset(group, "data_errors", errors, units=units)
    for k, (axis, size) in enumerate(zip(axes, values.shape)):
        place, unit, label = np.arange(size), "", "point"
        if voxel_um is not None:
            place, unit, label = (place - size // 2) * float(voxel_um[k]), "um", "um"
        write_dataset(group, axis, place, units=unit, long_name=f"{axis} ({label})")


def _write_process(entry: h5py.Group, note: str) -> None:
    process = entry.create_group("process")
    set_attributes(process, NX_class="NXprocess")
    write_dataset(process, "program", "jxrecon")
    write_dataset(process, "version", versions()["jxrecon"])
    if note:
        text = process.create_group("note")
        set_attributes(text, NX_class="NXnote")
        write_dataset(text, "type", "text/plain")
        write_dataset(text, "data", note)
