"""Files that are whole or absent.

The space is reserved first (posix_fallocate on a temporary file in the target's folder), HDF5 fills it, then
truncate, fsync, rename over the target, fsync of the folder. A full disk is met before HDF5 is entered, and a write that fails
later is reported only after HDF5 has closed: h5py takes the process down when its last flush fails (h5py issue 914). Whatever
interrupts, the older file stays. A temporary file is locked (flock) while its writer lives, which is how `sweep` tells a
forgotten one, on any host.
"""

import contextlib
import errno
import fcntl
import glob
import io
import json
import math
import os
import secrets
import shutil
from collections.abc import Iterator
from typing import Any

import h5py

_SUFFIX = ".jxtmp"
_SLACK = 1 << 20  # bytes for HDF5's own records, beside the datasets


class _Reserved(io.FileIO):
    """A file whose space is reserved, and which tells HDF5 of no failure: `check` raises it afterwards."""

    end = 0  # logical size; the reservation reaches further while HDF5 works
    error: BaseException | None = None

    def reserve(self, nbytes: int) -> None:
        """Take the blocks; where the system knows no such thing, a full disk is met later, and told by `check`."""
        try:
            os.posix_fallocate(self.fileno(), 0, max(nbytes, 1))
        except AttributeError:  # macOS
            return
        except OSError as error:
            if error.errno in (errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL):
                return
            os.ftruncate(self.fileno(), 0)
            raise self._explained(error, nbytes) from None

    def truncate(self, size: int | None = None) -> int:
        self.end = self.tell() if size is None else size
        return self.end

    def seek(self, offset: int, whence: int = 0) -> int:
        return super().seek(self.end + offset if whence == 2 else offset, 0 if whence == 2 else whence)

    def write(self, data) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        view = memoryview(data).cast("B")
        try:
            done = 0
            while done < len(view):  # Linux writes at most 2 GiB at once
                done += super().write(view[done:])
            self.end = max(self.end, self.tell())
        except BaseException as error:  # a signal's exception too: HDF5 must not see it
            self.error = self.error or error
        return len(view)

    def check(self) -> None:
        if isinstance(self.error, OSError):
            raise self._explained(self.error, self.end) from None
        if self.error is not None:
            raise self.error

    def _explained(self, error: OSError, nbytes: int) -> OSError:
        free = shutil.disk_usage(os.path.dirname(self.name)).free
        need = f"{nbytes / 2**20:.1f} MiB needed, {free / 2**20:.1f} MiB free"
        return OSError(error.errno, f"{os.strerror(error.errno or errno.EIO)} ({need})", self.name)


def sweep(folder: str) -> list[str]:
    """Remove temporary files whose writer is dead; returns their names."""
    gone = []
    for name in glob.glob(os.path.join(glob.escape(folder), f".*{_SUFFIX}")):
        with contextlib.suppress(OSError), open(name, "r+b") as file:  # OSError: locked, or another swept it
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(name)
            gone.append(name)
    return gone


def _sync_folder(folder: str) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems know no such thing
            raise
    finally:
        os.close(handle)


def _keep_older(path: str, keep: int) -> None:
    """path.1 becomes path.2 and so on; `path` itself gets a second name, so that it exists at every moment."""
    for older in range(keep - 1, 1, -1):
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{path}.{older - 1}", f"{path}.{older}")
    if keep > 1 and os.path.exists(path):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{path}.1")
        try:
            os.link(path, f"{path}.1")
        except OSError:  # a file system without hard links
            os.replace(path, f"{path}.1")


@contextlib.contextmanager
def _replacing(path: str, nbytes: int, keep: int = 1) -> Iterator[_Reserved]:
    """A temporary file with `nbytes` reserved, which becomes `path` when the block ends without an error."""
    path = os.path.realpath(path)
    folder, name = os.path.split(path)
    sweep(folder)
    temporary = os.path.join(folder, f".{name}.{secrets.token_hex(4)}{_SUFFIX}")
    try:
        file = _Reserved(temporary, "x+")
    except OSError as error:
        raise OSError(error.errno, f"cannot write: {error.strerror}", path) from None
    with file:
        try:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)
            file.reserve(nbytes)
            yield file
            file.check()
            os.ftruncate(file.fileno(), file.end)
            os.fsync(file.fileno())
            _keep_older(path, keep)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
    _sync_folder(folder)


@contextlib.contextmanager
def reserved_hdf5(path: str | os.PathLike, nbytes: int, keep: int = 1) -> Iterator[h5py.File]:
    """A new HDF5 file that replaces `path` when the block ends without an error.

    `nbytes` is what the datasets will take (`stored_bytes`). `keep` counts the generations: the file that was there becomes
    `path.1`, that one `path.2`. Raises OSError with the MiB needed and free when the disk is full; `path` is then as it was.
    """
    # v110: headers with checksums, and readable by every HDF5 since 2016
    with (
        _replacing(os.fspath(path), nbytes + _SLACK, keep) as file,
        h5py.File(file, "w", libver=("v110", "v110")) as h5,
    ):
        yield h5


def write_text_atomically(path: str | os.PathLike, text: str) -> None:
    """Replace a text file (UTF-8), wholly or not at all."""
    data = text.encode()
    with _replacing(os.fspath(path), len(data)) as file:
        file.write(data)


def plain(value: Any) -> Any:
    """The same value for JSON: arrays as lists, tuples too, numbers that are not finite as None."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_json_atomically(path: str | os.PathLike, value: Any) -> None:
    """Replace a JSON file, wholly or not at all; what is not finite becomes null."""
    write_text_atomically(path, json.dumps(plain(value), indent=1, allow_nan=False) + "\n")
