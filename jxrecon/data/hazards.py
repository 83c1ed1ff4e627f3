"""What a dataset declares, judged before a byte of it is read.

An HDF5 file may point to any other file (raw external storage, virtual sources), may declare far more than it holds, and may
hold chunks that inflate a thousandfold. A deflate stream expands at most 1032 times, and measured frames, which are noise,
never come near it: what expands more than `max_expansion` is refused, and so is a chunk longer than its own contents.
"""

import contextlib
import dataclasses
import os
import stat
from collections.abc import Iterator

import h5py
import numpy as np

from ..errors import InputError

GIB = 2**30
SMALL = 32 * 2**20  # below this a wrong size hurts nobody, and a constant mask may compress as it likes
MAX_CHUNK = GIB
MAX_LISTED_CHUNKS = 200_000


@dataclasses.dataclass(frozen=True)
class Limits:
    """What is tolerated of a file.

    max_gib: declared size of a dataset that is read in blocks; max_array_gib: of one that is read at once. max_expansion:
    declared bytes per stored byte. locking: HDF5 file locks (False on network file systems that have none). allow: further
    directories in which linked files may lie, beside that of the file itself. cache_bytes: HDF5's cache of each dataset's chunks.
    """

    max_gib: float = 1024.0
    max_array_gib: float = 2.0
    max_expansion: float = 500.0
    locking: bool | None = None
    allow: tuple[str, ...] = ()
    cache_bytes: int = 2**24


class Refused(Exception):
    """Why a dataset is not read; the caller adds file and dataset."""


def declared_bytes(dataset: h5py.Dataset) -> int:
    """Size of the array that the file promises (Python integers: hostile shapes overflow 64 bits)."""
    size = dataset.dtype.itemsize
    for n in dataset.shape or ():
        size *= int(n)
    return size


def check_type(dataset: h5py.Dataset, kinds: str) -> None:
    """Numbers only: `kinds` are numpy's letters (`f`, `i`, `u`, `b`, and `c` where complex values are documented)."""
    dtype = dataset.dtype
    if dataset.shape is None:
        raise Refused("is empty (no dataspace)")
    if dtype.kind == "O" or dtype.subdtype is not None or dtype.kind not in kinds or dtype.itemsize > 16:
        wanted = "real or complex numbers" if "c" in kinds else "real numbers"
        kind = "objects of variable length" if dtype.kind == "O" else f"type {dtype}"
        raise Refused(f"holds {kind}; expected {wanted}")


def check_storage(dataset: h5py.Dataset, limits: Limits, stored: int, at_once: bool) -> None:
    """Declared size against the limit and against `stored`, the bytes that the files can hold of it."""
    size = declared_bytes(dataset)
    limit, option = (limits.max_array_gib, "max_array_gib") if at_once else (limits.max_gib, "max_gib")
    if size > limit * GIB:
        raise Refused(f"declares {size / GIB:.4g} GiB; at most {limit:g} GiB are read (`{option}`)")
    if size > SMALL and size > limits.max_expansion * stored:
        raise Refused(
            f"declares {size / GIB:.3g} GiB but holds {stored / 2**20:.3g} MiB: it was not written to its end, or is a "
            f"decompression bomb; at most {limits.max_expansion:g} times are read (`max_expansion`)"
        )
    if dataset.chunks is not None:
        _check_chunks(dataset)


def _check_chunks(dataset: h5py.Dataset) -> None:
    nominal = dataset.dtype.itemsize
    for n in dataset.chunks or ():
        nominal *= int(n)
    if nominal > MAX_CHUNK:
        raise Refused(f"has chunks of {nominal / GIB:.3g} GiB; at most {MAX_CHUNK // GIB} GiB fit")
    longest = max(_chunk_sizes(dataset), default=0)
    if longest > 1.25 * nominal + 4096:
        raise Refused(f"has a chunk of {longest} stored bytes for {nominal} of contents: damaged")


def _chunk_sizes(dataset: h5py.Dataset) -> Iterator[int]:
    sizes: list[int] = []

    def visit(chunk):
        sizes.append(chunk.size)
        return True if len(sizes) >= MAX_LISTED_CHUNKS else None  # a value ends the iteration

    dataset.id.chunk_iter(visit)
    yield from sizes


def stored_bytes(dataset: h5py.Dataset, file_bytes: int) -> int:
    """Bytes of this file that can belong to the dataset; a damaged file may claim more than its own length."""
    return min(int(dataset.id.get_storage_size()), file_bytes)


def check_external(dataset: h5py.Dataset) -> None:
    """Raw external storage could read any file of the machine."""
    external = dataset.external
    if external:
        names = ", ".join(sorted({str(np.asarray(entry, object)[0]) for entry in external})[:3])
        raise Refused(f"keeps its data in other raw files ({names}), which is refused")


def regular_file(path: str | os.PathLike) -> int:
    """Length of a file that can be read without waiting; anything else is an `InputError`."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise InputError(f"{path}: {(error.strerror or str(error)).lower()}.") from None
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{path}: is a directory; expected a file.")
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path}: is not a regular file.")
    if status.st_size == 0:
        raise InputError(f"{path}: is empty.")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path}: permission denied.")
    return status.st_size


@contextlib.contextmanager
def naming(where: str) -> Iterator[None]:
    """Turns whatever h5py raises into one line that says where."""
    try:
        yield
    except (InputError, GeneratorExit):
        raise
    except Refused as refusal:
        raise InputError(f"{where}: {refusal}.") from None
    except MemoryError:
        raise InputError(f"{where}: does not fit in memory.") from None
    except Exception as error:  # h5py raises almost every built-in exception on damaged files
        lines = str(error).strip("'\" ").splitlines() or [""]
        raise InputError(f"{where}: cannot be read ({type(error).__name__}: {lines[0][:160]}).") from None
