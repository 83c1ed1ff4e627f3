"""HDF5 files of strangers, opened with suspicion.

Every link is followed here and not by the HDF5 library, so that a file can lead only to regular files beside it; every dataset
is judged by `hazards` before it is read; and every failure is one line that begins with `FILE:/dataset`.
"""

import contextlib
import contextvars
import difflib
import os
from collections.abc import Iterator
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np

from ..errors import InputError
from .dataset import MAX_TEXT, GuardedDataset, attribute_of
from .hazards import (
    Limits,
    Refused,
    check_external,
    check_storage,
    check_type,
    naming,
    regular_file,
    stored_bytes,
)

REAL, COMPLEX = "fiub", "fiubc"
MAX_LINKS = 16
MAX_LISTED = 2000

# Importing hdf5plugin registers the filters that detectors use (bitshuffle, LZ4, Zstandard, Blosc).
FILTERS = hdf5plugin.FILTERS
_record: contextvars.ContextVar[list["GuardedFile"] | None] = contextvars.ContextVar("record", default=None)


class GuardedFile:
    """A file that was opened by `open_hdf5`; a context manager. Linked files are opened with it and closed with it."""

    def __init__(self, path: str, limits: Limits, home: tuple[str, ...] = (), opened: dict | None = None):
        self.path, self.limits = str(path), limits
        self.bytes = regular_file(path)
        self._home = home or tuple(os.path.realpath(p) for p in (os.path.dirname(path) or ".", *limits.allow))
        self._opened: dict[str, GuardedFile] = {} if opened is None else opened
        self._opened[os.path.realpath(path)] = self
        with open(path, "rb") as file:
            head = file.read(8)
        if not h5py.is_hdf5(path):
            raise InputError(f"{path}: is not an HDF5 file (it begins with {head!r}).")
        options = {} if limits.locking is None else {"locking": limits.locking}
        with naming(self.path):
            try:
                self._h5 = h5py.File(path, "r", rdcc_nbytes=limits.cache_bytes, **options)
            except BlockingIOError:
                raise Refused(
                    "is locked by a program that writes it (`data.access.locking=false` reads it anyway)"
                ) from None
        if (record := _record.get()) is not None:
            record.append(self)

    def __enter__(self) -> "GuardedFile":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        for file in self._opened.values():
            with contextlib.suppress(Exception):  # closing a damaged file may fail, and nobody can help it
                file._h5.close()

    def where(self, name: str) -> str:
        return f"{self.path}:/{name.strip('/')}"

    def _linked(self, filename: str, where: str) -> "GuardedFile":
        """Another file that a link or a virtual dataset of this one names."""
        beside = os.path.dirname(self.path)
        candidates = [os.path.join(beside, filename), os.path.join(beside, os.path.basename(filename))]
        path = next((p for p in candidates if os.path.lexists(p)), None)
        if path is None:
            raise InputError(f"{where}: the linked file `{filename}` is missing.")
        real = os.path.realpath(path)
        if not any(Path(real).is_relative_to(home) for home in self._home):
            raise InputError(
                f"{where}: links to `{filename}`, which lies outside the file's own directory; allow its directory "
                "with `data.access.allow`."
            )
        if real not in self._opened:
            try:
                GuardedFile(path, self.limits, self._home, self._opened)
            except InputError as error:
                raise InputError(f"{where}: links to {error}") from None
        return self._opened[real]

    def _find(self, name: str, depth: int = 0):
        """(file, object) of a path, with soft and external links followed by hand; KeyError when it is absent."""
        if depth > MAX_LINKS:
            raise Refused("its links go round in a circle")
        node, parts = self._h5["/"], [p for p in name.split("/") if p]
        for k, part in enumerate(parts):
            if not isinstance(node, h5py.Group):
                raise KeyError(name)
            link = node.get(part, getlink=True)
            rest = parts[k + 1 :]
            if isinstance(link, h5py.SoftLink):
                base = [] if link.path.startswith("/") else parts[:k]
                return self._find("/".join([*base, link.path, *rest]), depth + 1)
            if isinstance(link, h5py.ExternalLink):
                other = self._linked(link.filename, self.where("/".join(parts[: k + 1])))
                return other._find("/".join([link.path, *rest]), depth + 1)
            if link is None:
                raise KeyError(name)
            node = node[part]
        return self, node

    def _checked(self, name: str, kinds: str, at_once: bool, depth: int = 0) -> tuple[h5py.Dataset, int]:
        """The dataset and the bytes stored of it, after all checks."""
        file, node = self._find(name)
        if not isinstance(node, h5py.Dataset):
            raise Refused("is a group; expected a dataset")
        check_type(node, kinds)
        check_external(node)
        stored = stored_bytes(node, file.bytes)
        if node.is_virtual:
            if depth > 4:
                raise Refused("is a virtual dataset of virtual datasets without end")
            sources = {(s.file_name, s.dset_name) for s in node.virtual_sources()}
            for filename, source in sorted(sources):
                other = file if filename == "." else file._linked(filename, file.where(name))
                stored += self._source(other, source, kinds, depth + 1, file.where(name))
        check_storage(node, self.limits, stored, at_once)
        return node, stored

    @staticmethod
    def _source(file: "GuardedFile", name: str, kinds: str, depth: int, where: str) -> int:
        """Bytes stored of one source of a virtual dataset."""
        try:
            with naming(file.where(name)):
                return file._checked(name, kinds, False, depth)[1]
        except InputError as error:
            raise InputError(f"{where}: its virtual source {error}") from None

    def dataset(self, name: str, kinds: str = REAL, at_once: bool = False) -> GuardedDataset:
        """A dataset to be read in blocks. A missing one is an error that names the nearest ones."""
        where = self.where(name)
        with naming(where):
            try:
                self._find(name)
            except KeyError:
                raise InputError(f"{where}: missing{self._nearest(name)}.") from None
            return GuardedDataset(where, self._checked(name, kinds, at_once)[0])

    def array(self, name: str, kinds: str = REAL) -> np.ndarray:
        """A whole dataset."""
        return self.dataset(name, kinds, at_once=True).read()

    def scalar(self, name: str) -> float:
        """The only (or first) number of a dataset."""
        values = self.array(name).reshape(-1)
        if values.size == 0 or not np.isfinite(values[0]):
            found = "no value" if values.size == 0 else values[0]
            raise InputError(f"{self.where(name)}: holds {found}; expected a finite number.")
        return float(values[0])

    def text(self, name: str) -> str:
        """A string; the one place where objects of variable length are read."""
        with naming(self.where(name)):
            node = self._find(name)[1]
            if not isinstance(node, h5py.Dataset) or h5py.check_string_dtype(node.dtype) is None:
                raise Refused("is not a string")
            if node.size != 1 or node.dtype.itemsize > MAX_TEXT:
                raise Refused("is not a single short string")
            check_external(node)
            value = np.asarray(node[()], object).reshape(-1)[0]
            return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

    def attribute(self, name: str, key: str) -> str | float | None:
        with naming(self.where(name)):
            file, node = self._find(name)
        return attribute_of(file.where(name), node, key)

    def attribute_array(self, name: str, key: str) -> np.ndarray:
        """Numbers of an attribute."""
        with naming(f"{self.where(name)}@{key}"):
            node = self._find(name)[1]
            if key not in node.attrs or node.attrs.get_id(key).get_storage_size() > MAX_TEXT:
                raise Refused("missing or too long")
            return np.asarray(node.attrs[key], np.float64).reshape(-1)

    def has(self, name: str) -> bool:
        """Whether the path leads to something; a link to a missing file is an error, not an absence."""
        with naming(self.where(name)):
            try:
                self._find(name)
            except KeyError:
                return False
            return True

    def children(self, name: str = "/") -> list[str]:
        """Names in a group, in order, or none where there is no such group."""
        with naming(self.where(name)):
            try:
                node = self._find(name)[1]
            except KeyError:
                return []
            return list(node) if isinstance(node, h5py.Group) else []

    def tree(self, limit: int = MAX_LISTED) -> list[str]:
        """Paths of the datasets that are reached without links."""
        found: list[str] = []

        def visit(name, node):
            if isinstance(node, h5py.Dataset):
                found.append(name if isinstance(name, str) else name.decode("utf-8", "replace"))
            return True if len(found) >= limit else None

        with naming(self.path):
            self._h5.visititems(visit)
        return found

    def _nearest(self, name: str) -> str:
        names = self.tree()
        last = name.rstrip("/").rsplit("/", 1)[-1]
        same = [n for n in names if n.rsplit("/", 1)[-1] == last]
        near = difflib.get_close_matches(name.strip("/"), names, n=3, cutoff=0.5)
        found = list(dict.fromkeys(same[:2] + near))[:3] or names[:3]
        return (
            f"; the nearest are {', '.join(f'/{n}' for n in found)}"
            if found
            else "; the file holds no dataset"
        )


@contextlib.contextmanager
def recorded() -> Iterator[list[GuardedFile]]:
    """The files that are opened inside the block, for whoever has to close them after the reader's last use."""
    files: list[GuardedFile] = []
    token = _record.set(files)
    try:
        yield files
    finally:
        _record.reset(token)


def open_hdf5(path: str | os.PathLike, limits: Limits | None = None) -> GuardedFile:
    """Opens a file for reading. Raises `InputError` unless it is a regular, intact HDF5 file."""
    return GuardedFile(os.path.abspath(path), limits or Limits())
