"""HDF5 files of our own kinds (result, checkpoint) that notice every flipped bit, and are opened without trust.

Numbers lie in chunks with a Fletcher-32 checksum, which HDF5 compares when it reads them. Everything without one (names,
attributes, texts) is covered by a CRC-32 in the root attribute `content_crc32`. Texts have a fixed length: those of variable
length lie in HDF5's global heap, which has no checksum, and one flipped bit of it makes HDF5 2.0 turn for ever. The root
attributes `format` and `format_version` say what the file is. Opening follows no link and no external storage, and lets nothing
be larger than the file.
"""

import contextlib
import math
import os
import stat
import zlib
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
from h5py import h5o  # pyright: ignore[reportAttributeAccessIssue]

from .errors import InputError

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_CRC = "content_crc32"


def chunk_shape(shape: tuple[int, ...], itemsize: int, target: int = 1 << 20) -> tuple[int, ...]:
    """Chunks of at most about `target` bytes: leading axes are cut first, evenly, so that little is padding."""
    chunk = list(shape)
    for axis, size in enumerate(shape):
        pieces = min(size, math.ceil(math.prod(chunk) * itemsize / target))
        chunk[axis] = math.ceil(size / max(pieces, 1))
    return tuple(chunk)


def stored_bytes(value: Any) -> int:
    """Bytes that `write_dataset` takes for an array (or for whatever has shape and dtype) or a string, at most."""
    if isinstance(value, str):
        return 4096 + 4 * len(value)
    shape, itemsize = np.shape(value) or (1,), getattr(value, "dtype", np.dtype(complex)).itemsize
    if math.prod(shape) == 0:
        return 4096
    chunk = chunk_shape(shape, itemsize)
    count = math.prod(math.ceil(n / c) for n, c in zip(shape, chunk, strict=True))
    return 4096 + count * (math.prod(chunk) * itemsize + 64)


def _fixed(value: Any) -> Any:
    """Text (or a list of texts) with a fixed length, UTF-8; anything else as it is."""
    if not isinstance(value, str) and not (isinstance(value, list) and value and isinstance(value[0], str)):
        return value
    data = np.char.encode(np.asarray(value), "utf-8")
    return data.astype(h5py.string_dtype("utf-8", max(data.itemsize, 1)))


def set_attributes(item: Any, **attributes: Any) -> None:
    """Numbers and texts as attributes of a group, a dataset or the file."""
    for name, value in attributes.items():
        item.attrs[name] = _fixed(value)


def write_dataset(group: h5py.Group, name: str, value: Any, **attributes: Any) -> h5py.Dataset:
    """An array in checksummed chunks (a scalar as one element), or a text; with attributes."""
    if isinstance(value, str):
        dataset = group.create_dataset(name, data=_fixed(value))
    else:
        array = np.atleast_1d(np.asarray(value))
        how = {"chunks": chunk_shape(array.shape, array.itemsize), "fletcher32": True} if array.size else {}
        dataset = group.create_dataset(name, data=array, **how)
    set_attributes(dataset, **attributes)
    return dataset


def text(value: Any) -> str:
    """The text of an attribute or of a dataset."""
    data = value[()] if isinstance(value, h5py.Dataset) else value
    return data.decode() if isinstance(data, bytes) else str(data)


def _children(group: h5py.Group, path: str) -> Iterator[tuple[str, h5py.Group | h5py.Dataset]]:
    for name in sorted(group):
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise OSError(f"`{path}/{name}` is a link; a file of jxrecon holds none")
        yield f"{path}/{name}", group[name]  # pyright: ignore[reportReturnType]


def _walk(file: h5py.File) -> Iterator[tuple[str, h5py.Group | h5py.Dataset]]:
    """Every object by every name, groups once (hard links may close a loop), in a fixed order."""
    seen, waiting = set(), [("", file["/"])]
    while waiting:
        path, item = waiting.pop()
        yield path, item  # pyright: ignore[reportReturnType]
        token = h5o.get_info(item.id).addr
        if isinstance(item, h5py.Group) and token not in seen:
            seen.add(token)
            waiting.extend(_children(item, path))


def _guard(path: str, item: h5py.Dataset, file_bytes: float | int) -> None:
    if item.external or item.is_virtual:
        raise OSError(f"`{path}` lies in another file")
    if item.dtype.kind not in "biufcS":
        raise OSError(f"`{path}` has dtype {item.dtype}; expected numbers or text of a fixed length")
    if item.nbytes > file_bytes or (item.compression, item.scaleoffset) != (None, None):
        raise OSError(f"`{path}` declares {item.nbytes} bytes in a file of {file_bytes}")


def _bytes(value: Any) -> bytes:
    array = np.asarray(value)
    return f"{array.dtype.str}{array.shape}".encode() + array.tobytes()


def _attributes(path: str, item: Any) -> Iterator[tuple[str, Any]]:
    for name in sorted(item.attrs):
        if item.attrs.get_id(name).dtype.kind not in "biufcS":
            raise OSError(f"attribute `{path}@{name}` holds neither numbers nor text of a fixed length")
        if path or name != _CRC:
            yield name, item.attrs[name]


def _checksum(file: h5py.File, file_bytes: float | int) -> int:
    """CRC-32 of all that HDF5 does not check by itself; refuses what a file of ours cannot hold."""
    crc = 0
    for path, item in _walk(file):
        crc = zlib.crc32(path.encode("utf-8", "surrogateescape"), crc)
        for name, value in _attributes(path, item):
            crc = zlib.crc32(name.encode("utf-8", "surrogateescape") + _bytes(value), crc)
        if isinstance(item, h5py.Dataset):
            _guard(path, item, file_bytes)
            crc = zlib.crc32(f"{item.dtype}{item.shape}{item.fletcher32}".encode(), crc)
            if not item.fletcher32:
                crc = zlib.crc32(_bytes(item[()]), crc)
    return crc


def seal(file: h5py.File, kind: str, version: int) -> None:
    """Say what the file is, and close it with a checksum; nothing may be changed afterwards."""
    set_attributes(file, format=kind, format_version=np.int32(version))
    set_attributes(file, **{_CRC: np.uint32(_checksum(file, math.inf))})


def _demand_kind(path: str, file: Any, kind: str, version: int) -> None:
    attributes = dict(_attributes("", file))
    found, number = (
        text(attributes.get("format", "file of another program")),
        int(attributes.get("format_version", 0)),
    )
    if found != kind:
        raise InputError(f"{path}: is a {found}; expected a {kind}.")
    if number > version:
        raise InputError(
            f"{path}: `format_version` is {number}, this jxrecon reads up to {version}; install a newer jxrecon."
        )


def _demand_hdf5(path: str) -> int:
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):  # a pipe would wait for ever
        raise InputError(f"{path}: not a regular file.")
    with open(path, "rb") as file:
        if file.read(8) != _SIGNATURE:
            raise OSError("the file does not begin as HDF5 does")
    return status.st_size


def _damaged(path: str, error: Exception) -> OSError:
    reason = (
        str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    )  # its text is quoted twice
    return OSError(f"{path}: damaged: {(reason.splitlines() or [type(error).__name__])[0]}")


def _opened(path: str, kind: str, version: int) -> h5py.File:
    size = _demand_hdf5(path)
    file = h5py.File(
        path, "r"
    )  # no `locking`: HDF5 refuses a file that the same process has open with another setting
    try:
        _demand_kind(path, file, kind, version)
        if _checksum(file, size) != np.asarray(file.attrs[_CRC]):
            raise OSError("names, attributes or texts differ from their checksum")
    except BaseException:
        file.close()
        raise
    return file


@contextlib.contextmanager
def open_sealed(path: str | os.PathLike, kind: str, version: int) -> Iterator[h5py.File]:
    """Open a file of this kind for reading, once its seal has been compared.

    Raises InputError for another kind or a newer version, and OSError (one line) for damage, also for damage that is met while
    the block reads. FileNotFoundError where there is none.
    """
    path = os.fspath(path)
    try:
        file = _opened(path, kind, version)
    except (InputError, FileNotFoundError, PermissionError):
        raise
    except (OSError, LookupError, RuntimeError, ValueError) as error:
        raise _damaged(path, error) from error
    with file:
        try:
            yield file
        except OSError as error:  # a chunk that differs from its checksum
            raise _damaged(path, error) from error
