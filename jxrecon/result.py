"""A reconstruction as one file, `result.h5`: the unknowns, how good they are, how they came about.

The file is NeXus: it opens at the object's phase in silx, nexusformat and H5Web. Under `entry/parameters` lie the unknowns by
their dotted names, as in a checkpoint; the pictures beside them are made from these and are not read back. Everything is
sealed (`sealed.py`): a flipped bit is refused, a newer `format_version` too. Parameters that a file does not hold take their
defaults and those that this jxrecon does not know are left out with a warning, so that older and newer results meet half-way.
"""

import dataclasses
import datetime
import json
import logging
import os
import typing
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import h5py
import jax.numpy as jnp
import numpy as np

from . import nexus
from .checkpoint import read_leaf, savable_leaves, write_leaf
from .errors import InputError
from .geometry import Geometry
from .parameters import Parameters
from .sealed import open_sealed, seal, set_attributes, stored_bytes, text, write_dataset
from .storage import plain, reserved_hdf5

KIND, VERSION = "jxrecon result", 1
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Result:
    """What a reconstruction gives.

    metrics     name -> number, None where it is not finite
    history     name -> value at each logged step, one of them (`epoch` or `step`) saying when
    frc         `frequency`, `correlation`, thresholds: curves of the Fourier ring correlation; empty when not computed
    images      name -> (v, u) picture or stack, such as a measured and a predicted frame
    config      the resolved configuration, as yaml
    provenance  versions, seed, command, host, time: what JSON can hold
    source      the measured data, made absolute
    path        the file that this was read from, empty for a new one
    """

    parameters: Parameters
    geometry: Geometry
    metrics: dict[str, float | int | None] = dataclasses.field(default_factory=dict)
    history: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    frc: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    images: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    config: str = ""
    provenance: dict[str, Any] = dataclasses.field(default_factory=dict)
    source: str = ""
    path: str = ""


def write(result: Result, path: str | os.PathLike) -> None:
    """Write `result.h5`, wholly or not at all. Raises OSError when the disk is full, with the MiB needed and free."""
    leaves = savable_leaves(result.parameters)
    with reserved_hdf5(path, _size(result, leaves)) as file:
        now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        set_attributes(file, NX_class="NXroot", default="entry", creator="jxrecon", file_time=now)
        shown = "object_phase" if result.parameters.volume is None else "volume"
        entry = nexus.nx_group(file, "entry", "NXentry", default=shown)
        write_dataset(
            entry, "title", f"reconstruction of {os.path.basename(result.source) or 'simulated data'}"
        )
        _write_unknowns(entry, result, leaves)
        _write_account(entry, result)
        seal(file, KIND, VERSION)


def _size(result: Result, leaves: Mapping[str, Any]) -> int:
    arrays = [*result.history.values(), *result.frc.values(), *result.images.values()]
    # twice: once as they are, once as pictures
    unknowns = 2 * sum(stored_bytes(leaf) for leaf in leaves.values())
    texts = stored_bytes(result.config) + stored_bytes(json.dumps(plain(result.provenance)))
    return unknowns + texts + sum(map(stored_bytes, arrays)) + 4096 * len(result.metrics)


def _write_unknowns(entry: h5py.Group, result: Result, leaves: Mapping[str, Any]) -> None:
    parameters = result.parameters
    written = nexus.write_tree(entry, "parameters", leaves, write_leaf)
    y_um, x_um = (pitch * 1e6 for pitch in result.geometry.pixel_size_m)
    if parameters.object is not None:
        nexus.write_object(entry, np.asarray(parameters.object), (y_um, x_um))
    if (volume := parameters.volume) is not None:
        absorption = volume.absorbing_density()
        absorption = None if absorption is None else np.asarray(absorption)
        nexus.write_volume(entry, np.asarray(volume.electron_density()), absorption, x_um)
    nexus.write_probe(entry, written["probe.modes"], (y_um, x_um))
    nominal, corrected = np.asarray(parameters.positions.nominal), np.asarray(parameters.positions())
    nexus.write_positions(entry, nominal, corrected, (y_um, x_um))


def _write_account(entry: h5py.Group, result: Result) -> None:
    """Quality and provenance."""
    geometry = {f.name: getattr(result.geometry, f.name) for f in dataclasses.fields(result.geometry)}
    nexus.write_record(
        entry, "geometry", {name: value for name, value in geometry.items() if value is not None}
    )
    nexus.write_record(entry, "metrics", result.metrics)
    nexus.curves(entry, "convergence", "value of every term", result.history, ("epoch", "step"))
    nexus.curves(entry, "frc", "Fourier ring correlation", result.frc, ("frequency",))
    for name, image in result.images.items():
        nexus.write_image(entry, f"image_{name}", image)
    process = nexus.nx_group(entry, "process", "NXprocess")
    write_dataset(process, "program", "jxrecon")
    write_dataset(process, "version", str(result.provenance.get("versions", {}).get("jxrecon", "unknown")))
    write_dataset(process, "source", os.path.abspath(result.source) if result.source else "")
    nexus.note(process, "configuration", "application/yaml", result.config)
    nexus.note(process, "provenance", "application/json", json.dumps(plain(result.provenance)))


def load(path: str | os.PathLike) -> Result:
    """Read a result, or the one in a run folder.

    Raises InputError, one line, when it is missing, damaged, no result, or of a newer format than this jxrecon knows.
    """
    path = os.path.join(path, "result.h5") if os.path.isdir(path) else os.fspath(path)
    try:
        with open_sealed(path, KIND, VERSION) as file:
            return _read(file["entry"], os.path.abspath(path))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected the `result.h5` of a finished run.") from None
    except OSError as error:
        raise InputError(str(error)) from error


def _read(entry: Any, path: str) -> Result:
    process = entry["process"]
    return Result(
        parameters=assemble(Parameters, nexus.read_tree(entry["parameters"], read_leaf), path),
        geometry=Geometry(**_known(Geometry, nexus.read_record(entry["geometry"]), f"{path}: geometry.")),
        metrics=nexus.read_record(entry["metrics"]),
        history=nexus.read_curves(entry, "convergence"),
        frc=nexus.read_curves(entry, "frc"),
        images={name[6:]: entry[name]["image"][()] for name in entry if name.startswith("image_")},
        config=text(process["configuration/data"]),
        provenance=json.loads(text(process["provenance/data"])),
        source=text(process["source"]),
        path=path,
    )


def _known(module: type, values: dict[str, Any], where: str) -> dict[str, Any]:
    """Without names that are no field of `module`; each is told."""
    fields = {f.name for f in dataclasses.fields(module)}
    for name in sorted(set(values) - fields):
        _log.warning("%s%s: unknown to this jxrecon, left out.", where, name)
    return {name: value for name, value in values.items() if name in fields}


def _modules(hint: Any) -> list[type]:
    parts = typing.get_args(hint) or (hint,)
    return [part for part in parts if isinstance(part, type) and issubclass(part, eqx.Module)]


def assemble(module: type, leaves: Mapping[str, np.ndarray], path: str, prefix: str = "") -> Any:
    """A Module from arrays by dotted names, its sub-modules likewise."""
    hints, values, nested = typing.get_type_hints(module), {}, {}
    for name, leaf in leaves.items():
        head, _, rest = name.partition(".")
        if rest:
            nested.setdefault(head, {})[rest] = leaf
        else:
            values[head] = jnp.asarray(leaf)
    for head, inner in nested.items():
        kinds = _modules(hints.get(head))
        values[head] = assemble(kinds[0], inner, path, f"{prefix}{head}.") if kinds else inner
    values = _known(module, values, f"{path}: parameters.{prefix}")
    needed = [
        f.name for f in dataclasses.fields(module) if f.default is f.default_factory is dataclasses.MISSING
    ]
    values |= {n: None for n in needed if n not in values and type(None) in typing.get_args(hints[n])}
    if missing := [f"{prefix}{name}" for name in needed if name not in values]:
        raise InputError(f"{path}: lacks the parameters {missing}; it comes from another version of jxrecon.")
    return module(**values)
