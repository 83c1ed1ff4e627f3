"""The pictures and curves of a result as NeXus groups, which silx, nexusformat, NeXpy and H5Web open as plots.

NXroot -> NXentry -> NXdata, each naming its `default`, `signal` and `axes`; every number has `units` and a `long_name`
(https://manual.nexusformat.org/datarules.html). Axes of pictures are in micrometres from the centre; a pixel's coordinate is that
of its middle. Phases are in radians, negative for matter.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np

from .sealed import set_attributes, text, write_dataset

Quantity = tuple[np.ndarray, str]
"""Values and their units."""
UNITS = {"_m": "m", "_px": "pixel", "_rad": "rad", "_deg": "deg", "_keV": "keV", "_mb": "MB"}


def nx_group(parent: h5py.Group, name: str, nx_class: str, **attributes: Any) -> h5py.Group:
    """A group of this NeXus class."""
    group = parent.create_group(name)
    set_attributes(group, NX_class=nx_class, **attributes)
    return group


def note(parent: h5py.Group, name: str, kind: str, data: str) -> None:
    """An NXnote: text with its MIME type."""
    group = nx_group(parent, name, "NXnote")
    write_dataset(group, "type", kind)
    write_dataset(group, "data", data)


def centred(size: int, pitch: float) -> np.ndarray:
    """Coordinates of `size` pixels, zero at the pixel size // 2, where the package has an array's centre."""
    return (np.arange(size) - size // 2) * pitch


def field(
    group: h5py.Group, name: str, value: Any, units: str = "", label: bool = True, **attributes: Any
) -> None:
    """A dataset with its units and the label that a plot shows."""
    if units:
        attributes["units"] = units
    if label:
        attributes["long_name"] = f"{name} ({units})" if units else name
    write_dataset(group, name, value, **attributes)


def nxdata(
    parent: h5py.Group,
    name: str,
    title: str,
    signals: Mapping[str, Quantity],
    axes: Mapping[str, Quantity],
    **attributes: Any,
) -> h5py.Group:
    """One plot: the first of `signals` is drawn, the others are offered beside it; `axes` in the order of the dimensions.

    Leading axes of length 1 are dropped, so that a single specimen is a picture. `attributes` go to every signal.
    """
    shape = np.shape(next(iter(signals.values()))[0])
    single = (
        next((i for i, n in enumerate(shape) if n > 1 or i >= len(shape) - 2), 0) if len(shape) > 2 else 0
    )
    kept, others = dict(list(axes.items())[single:]), list(signals)[1:]
    more = {"auxiliary_signals": others} if others else {}
    group = nx_group(parent, name, "NXdata", signal=next(iter(signals)), axes=list(kept), **more)
    write_dataset(group, "title", title)
    for key, (value, units) in signals.items():
        # silx 3.1 shows the label of an auxiliary signal as bytes: these go without and are called by their names
        field(group, key, np.reshape(value, shape[single:]), units, label=key not in others, **attributes)
    for key, (value, units) in kept.items():
        field(group, key, value, units)
    return group


def curves(
    parent: h5py.Group, name: str, title: str, values: Mapping[str, np.ndarray], axes: Sequence[str]
) -> None:
    """Curves over the first of `axes` that `values` holds, else over their number; nothing where there is none."""
    axis = next((key for key in axes if key in values), None)
    order = sorted(values, key=lambda key: key not in ("total", "correlation"))  # what matters most is drawn
    others = {key: values[key] for key in order if key != axis}
    if not others:
        return
    over = values[axis] if axis else np.arange(len(next(iter(others.values()))))
    drawn = {key: (value, "") for key, value in others.items() if np.shape(value) == np.shape(over)}
    if len(drawn) < len(others):
        raise ValueError(
            f"`{name}`: {sorted(others.keys() - drawn.keys())} differ in length from {axis or 'the first'}."
        )
    nxdata(parent, name, title, drawn, {axis or "number": (over, "")})


def write_object(entry: h5py.Group, transmission: np.ndarray, pixel_um: tuple[float, float]) -> None:
    """Phase and amplitude of the object (specimen, y, x), a plot each."""
    count, *size = transmission.shape
    y, x = (centred(n, pitch) for n, pitch in zip(size, pixel_um, strict=True))
    axes = {"specimen": (np.arange(count), ""), "y": (y, "um"), "x": (x, "um")}
    for quantity, value, units in (
        ("phase", np.angle(transmission), "rad"),
        ("amplitude", np.abs(transmission), ""),
    ):
        signal = {quantity: (value, units)}
        nxdata(entry, f"object_{quantity}", f"object, {quantity}", signal, axes, interpretation="image")


def write_volume(
    entry: h5py.Group, density: np.ndarray, absorption: np.ndarray | None, pixel_um: float
) -> None:
    """Electron density (y x z), and absorption when it was free, as stacks of slices (z y x)."""
    signals = {"electron_density": (density.transpose(2, 0, 1), "1/angstrom^3")}
    if absorption is not None:
        signals["absorbing_density"] = (absorption.transpose(2, 0, 1), "1/angstrom^3")
    shape = signals["electron_density"][0].shape
    axes = {name: (centred(n, pixel_um), "um") for name, n in zip(("z", "y", "x"), shape, strict=True)}
    nxdata(entry, "volume", "electron density", signals, axes, interpretation="image")


def write_probe(entry: h5py.Group, modes: h5py.Dataset, pixel_um: tuple[float, float]) -> None:
    """Intensity and phase of the probe's modes (optics, mode, y, x); `modes`, the complex array, gets a second name here."""
    complex_modes = modes[()]
    optics, mode, *size = complex_modes.shape
    y, x = (centred(n, pitch) for n, pitch in zip(size, pixel_um, strict=True))
    axes = {"optics": (np.arange(optics), ""), "mode": (np.arange(mode), ""), "y": (y, "um"), "x": (x, "um")}
    signals = {
        "intensity": (np.abs(complex_modes) ** 2, "photons"),
        "phase": (np.angle(complex_modes), "rad"),
    }
    group = nxdata(entry, "probe", "probe modes", signals, axes, interpretation="image")
    group["modes"] = modes


def write_positions(
    entry: h5py.Group, nominal: np.ndarray, corrected: np.ndarray, pixel_um: tuple[float, float]
) -> None:
    """Scan positions (scan, (y, x)) in pixels, written in micrometres from the object's centre; the plot is the path."""
    um = {"nominal": nominal * pixel_um, "corrected": corrected * pixel_um}
    (y, x) = um["corrected"].T
    group = nxdata(entry, "positions", "scan positions, corrected", {"y": (y, "um")}, {"x": (x, "um")})
    for name, values in um.items():
        field(group, name, values, "um")


def write_tree(parent: h5py.Group, name: str, leaves: Mapping[str, Any], write) -> dict[str, h5py.Dataset]:
    """Leaves by dotted names as nested groups (a dot in a name is no good NeXus), each by `write(group, name, leaf)`."""
    groups, written = {"": nx_group(parent, name, "NXcollection")}, {}
    for dotted, leaf in leaves.items():
        *heads, last = dotted.split(".")
        for i, head in enumerate(heads):
            path = ".".join(heads[: i + 1])
            if path not in groups:
                groups[path] = nx_group(groups[".".join(heads[:i])], head, "NXcollection")
        written[dotted] = write(groups[".".join(heads)], last, leaf)
    return written


def read_tree(group: Any, read, prefix: str = "") -> dict[str, Any]:
    """Dotted name -> `read(dataset)`."""
    leaves = {}
    for name, item in group.items():
        inner = isinstance(item, h5py.Group)
        leaves.update(read_tree(item, read, f"{prefix}{name}.") if inner else {f"{prefix}{name}": read(item)})
    return leaves


def write_image(parent: h5py.Group, name: str, image: np.ndarray) -> None:
    """A picture, or a stack of them, over its pixels."""
    names = [*(f"axis_{i}" for i in range(image.ndim - 2)), "v", "u"]
    axes = {axis: (np.arange(n), "") for axis, n in zip(names, image.shape, strict=True)}
    nxdata(parent, name, name, {"image": (image, "")}, axes, interpretation="image")


def write_record(parent: h5py.Group, name: str, values: Mapping[str, Any]) -> None:
    """Named numbers, texts and tuples of numbers; None and numbers that are not finite become NaN."""
    group = nx_group(parent, name, "NXcollection")
    for key, value in values.items():
        units = next((unit for end, unit in UNITS.items() if key.endswith(end)), "")
        field(group, key, np.nan if value is None else value, units)


def read_record(group: Any) -> dict[str, Any]:
    """What `write_record` was given, NaN and infinity as None."""
    return {key: _value(dataset) for key, dataset in group.items()}


def _value(dataset: h5py.Dataset) -> Any:
    if dataset.dtype.kind == "S":
        return text(dataset)
    values = dataset[()].tolist()
    if len(values) > 1:
        return tuple(values)
    return None if isinstance(values[0], float) and not math.isfinite(values[0]) else values[0]


def read_curves(entry: Any, name: str) -> dict[str, np.ndarray]:
    """What `curves` was given; empty where there was nothing."""
    group = entry.get(name, {})
    return {key: values[()] for key, values in group.items() if key not in ("title", "number")}
