"""Scans of many files of which few are open: a series of hundreds of angles is read through a handful of file handles."""

import collections
import contextlib
import dataclasses
import threading
from collections.abc import Iterator

import numpy as np

from ..errors import InputError
from .hdf5 import GuardedFile, recorded
from .reader import AbstractReader
from .scan import Scan


@dataclasses.dataclass(frozen=True)
class _Opened:
    reader: AbstractReader  # alive, so that its id names no other
    scan: Scan
    files: list[GuardedFile]


def _opened(reader: AbstractReader) -> _Opened:
    with recorded() as files:
        try:
            return _Opened(reader, reader.scan(), files)
        except BaseException:
            _close(files)
            raise


def _close(files: list[GuardedFile]) -> None:
    for file in files:
        file.close()


class OpenScans:
    """The scans that were used last, at most `most` of them with their files open. Thread-safe."""

    def __init__(self, most: int):
        self._most, self._lock = most, threading.RLock()
        self._open: collections.OrderedDict[int, _Opened] = collections.OrderedDict()

    @contextlib.contextmanager
    def scan(self, reader: AbstractReader) -> Iterator[Scan]:
        """The scan of a reader, open for the length of the block. HDF5 reads one at a time in any case."""
        with self._lock:
            if id(reader) not in self._open:
                while len(self._open) >= self._most:
                    _close(self._open.popitem(last=False)[1].files)
                self._open[id(reader)] = _opened(reader)
            self._open.move_to_end(id(reader))
            yield self._open[id(reader)].scan

    def close(self) -> None:
        with self._lock:
            while self._open:
                _close(self._open.popitem()[1].files)


class ReopenedFrames:
    """Raw frames of a file that is open only while it is among the last used (`AbstractRawFrames`)."""

    def __init__(self, reader: AbstractReader, scans: OpenScans):
        self._reader, self._scans = reader, scans
        with scans.scan(reader) as scan:
            self._shape, self._dtype = scan.frames.shape, scan.frames.dtype

    @property
    def shape(self) -> tuple[int, int, int]:
        return self._shape

    @property
    def dtype(self) -> np.dtype:
        return self._dtype

    def read_raw(self, index: np.ndarray) -> np.ndarray:
        with self._scans.scan(self._reader) as scan:
            if scan.frames.shape != self._shape:
                raise InputError(
                    f"{self._reader.source}: now holds frames {scan.frames.shape}, and {self._shape} when it was first read."
                )
            return scan.frames.read_raw(index)
