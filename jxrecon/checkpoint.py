"""Checkpoints: the whole state of a run in one HDF5 file, by named leaves, on any number of devices.

A leaf's name is its dotted path (`parameters.probe.modes`), so that a renamed, missing or extra leaf is an error that names it
and never a number in the wrong place. Two generations are kept, `checkpoint.h5` and `checkpoint.h5.1`; when the newest cannot
be read, the older one is taken with a warning.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterator
from typing import Any

import h5py
import jax
import jax.numpy as jnp
import numpy as np

from .errors import InputError
from .numerics.tree import dotted
from .sealed import open_sealed, seal, set_attributes, stored_bytes, text, write_dataset
from .storage import plain, reserved_hdf5

KIND, VERSION = "jxrecon checkpoint", 1
_PYTHON = {bool: "python bool", int: "python int", float: "python float", complex: "python complex"}
_log = logging.getLogger(__name__)


def config_hash(config: Any) -> str:
    """SHA-256 of a configuration (text, or dicts and lists whose order of keys does not count)."""
    text = config if isinstance(config, str) else json.dumps(plain(config), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _is_key(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _kind(leaf: Any) -> str:
    """`float32`, `key<fry>`, `python float`: what has to be the same on disk and in the program."""
    return _PYTHON.get(type(leaf)) or str(getattr(leaf, "dtype", type(leaf).__name__))


def savable_leaves(tree: Any) -> dict[str, Any]:
    """Dotted path -> leaf, for arrays, typed random keys and Python's numbers; None is no leaf."""
    leaves = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        name = dotted(path) or "value"
        if type(leaf) not in _PYTHON and not hasattr(leaf, "dtype"):
            raise ValueError(
                f"leaf `{name}` is a {type(leaf).__name__}; only arrays and numbers can be saved."
            )
        if name in leaves or "/" in name:
            raise ValueError(f"leaf `{name}`: a name must be unique and hold no slash.")
        leaves[name] = leaf
    return leaves


def _storable(leaf: Any) -> np.ndarray:
    array = np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf)
    # HDF5 knows no bfloat16 and the like: their bits, the name of the type beside them
    return array.view(f"u{array.itemsize}") if array.dtype.kind == "V" else array


def write_leaf(group: h5py.Group, name: str, leaf: Any) -> h5py.Dataset:
    """One leaf as a checksummed dataset; `kind` and `shape` say what it was."""
    dataset = write_dataset(group, name, _storable(leaf), kind=_kind(leaf), shape=json.dumps(np.shape(leaf)))
    if _is_key(leaf):
        set_attributes(dataset, implementation=str(jax.random.key_impl(leaf)))
    return dataset


def _saved_as(dataset: h5py.Dataset) -> tuple[str, tuple[int, ...]]:
    return text(dataset.attrs["kind"]), tuple(json.loads(text(dataset.attrs["shape"])))


def read_leaf(dataset: h5py.Dataset, index: Any = ...) -> np.ndarray:
    """The array as it was written, or the part `index` of it."""
    kind, shape = _saved_as(dataset)
    array = np.asarray(dataset[index] if shape else dataset[0])
    return array if kind.startswith("python") else array.view(np.dtype(kind))


def _like(dataset: h5py.Dataset, like: Any) -> Any:
    """The leaf in the form of `like`: Python number, NumPy array, JAX array (sharded as `like` is) or random key."""
    if type(like) in _PYTHON:
        return type(like)(read_leaf(dataset).item())
    if _is_key(like):
        return jax.random.wrap_key_data(jnp.array(dataset[()]), impl=text(dataset.attrs["implementation"]))
    if isinstance(like, np.ndarray | np.generic):
        return read_leaf(dataset)[()] if isinstance(like, np.generic) else read_leaf(dataset)
    if getattr(like, "committed", like.sharding is not None):
        return jax.make_array_from_callback(
            like.shape, like.sharding, lambda index: read_leaf(dataset, index)
        )
    if like.weak_type and not like.shape:  # else the first step after a restart would compile again
        return jnp.asarray(read_leaf(dataset).item())
    return jnp.array(read_leaf(dataset))


def _matched(path: str, group: Any, like: dict[str, Any]) -> Iterator[h5py.Dataset]:
    missing, extra = sorted(set(like) - set(group)), sorted(set(group) - set(like))
    if missing or extra:
        raise InputError(
            f"{path}: the run expects other leaves: missing {missing or 'none'}, unknown {extra or 'none'}."
        )
    for name, leaf in like.items():
        found = _saved_as(group[name])
        expected = _kind(leaf), np.shape(leaf)
        if found != expected:
            raise InputError(
                f"{path}: leaf `{name}` is {found[0]} {found[1]}; expected {expected[0]} {expected[1]}."
            )
        yield group[name]


def save(path: str | os.PathLike, tree: Any, meta: dict, keep: int = 2) -> None:
    """Write all leaves of `tree` and `meta` (for JSON) as the newest of `keep` generations.

    Raises OSError when the disk is full, with the MiB needed and free; the older checkpoints are then as they were.
    """
    leaves, described = savable_leaves(tree), json.dumps(meta, default=lambda value: value.tolist())
    nbytes = sum(stored_bytes(leaf) for leaf in leaves.values()) + stored_bytes(described)
    with reserved_hdf5(path, nbytes, keep) as file:
        write_dataset(file, "meta", described)
        group = file.create_group("state")
        for name, leaf in leaves.items():
            write_leaf(group, name, leaf)
        seal(file, KIND, VERSION)


def _generations(path: str) -> list[str]:
    return [path] + [older for number in range(1, 10) if os.path.exists(older := f"{path}.{number}")]


def _newest(path: str | os.PathLike, read):
    """`read(file, name)` of the newest generation for which it succeeds."""
    failures = []
    for generation in _generations(os.fspath(path)):
        try:
            with open_sealed(generation, KIND, VERSION) as file:
                value = read(file, generation)
        except OSError as error:
            failures.append(error)
            continue
        for failure in failures:
            _log.warning("%s; continuing from the older checkpoint %s", failure, generation)
        return value
    raise InputError("no checkpoint can be read: " + "; ".join(map(str, failures)))


def _meta(file: Any) -> dict:
    return json.loads(text(file["meta"]))


def read_meta(path: str | os.PathLike) -> dict:
    """What `save` was given as `meta`, from the newest readable generation (`load` returns that of the state it loads)."""
    return _newest(path, lambda file, _: _meta(file))


def load(
    path: str | os.PathLike, like: Any, *, config_hash: str | None = None, force: bool = False
) -> tuple[Any, dict]:
    """(tree, meta) as they were saved, from the newest readable generation.

    like: a tree of the same leaves, arrays or `jax.ShapeDtypeStruct` (with a sharding: restored to those devices, whatever
    their number when it was saved). config_hash: compared with `meta["config_hash"]`, unless forced. Raises InputError that
    names what differs: leaf, shape, type, configuration, format version.
    """
    names, structure = savable_leaves(like), jax.tree.structure(like)

    def read(file: Any, name: str) -> tuple[Any, dict]:
        meta = _meta(file)
        if config_hash is not None and meta.get("config_hash") != config_hash and not force:
            raise InputError(
                f"{name}: was written by a run with another configuration; use `force` to load it anyway."
            )
        leaves = [
            _like(d, leaf)
            for d, leaf in zip(_matched(name, file["state"], names), names.values(), strict=True)
        ]
        return jax.tree.unflatten(structure, leaves), meta

    return _newest(path, read)
