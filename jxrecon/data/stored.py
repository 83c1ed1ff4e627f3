"""Frames on their way to a file: the smallest exact number type, one block at a time, compressed.

Counts without gaps are unsigned; frames with pixels that were not measured keep their -1, in int32; what is not whole is float32.
"""

import dataclasses
from typing import Literal

import h5py
import hdf5plugin
import numpy as np

from ..measurement import AbstractFrames
from .frames import BLOCK_BYTES, blocks

Compression = Literal["bitshuffle", "gzip", "none"]


@dataclasses.dataclass(frozen=True)
class Stored:
    """What a pass over the frames found."""

    dtype: np.dtype
    mean_counts: float


def look(frames: AbstractFrames) -> Stored:
    """Number type and mean counts (over measured pixels) of the frames."""
    n, v, u = frames.shape
    whole, lowest, highest, total = True, 0.0, 0.0, 0.0
    for index in blocks(n, 4 * v * u):
        counts = frames.read(index)
        whole = whole and bool((counts == np.floor(counts)).all())
        lowest, highest = min(lowest, float(counts.min())), max(highest, float(counts.max()))
        total += float(counts.sum(where=counts > 0, dtype=np.float64))
    if not whole or highest >= 2**31 - 1:
        kind = np.float32
    elif lowest < 0:
        kind = np.int32
    else:
        # The two largest unsigned numbers are detectors' marks for gaps.
        kind = np.uint16 if highest < 2**16 - 2 else np.uint32
    return Stored(np.dtype(kind), total / n)


def compression_of(name: Compression) -> dict:
    """Arguments of `create_dataset`. Bitshuffle-LZ4 is the smallest and fastest for counts but needs hdf5plugin to be read;
    gzip is read by everything."""
    if name == "bitshuffle":
        return dict(hdf5plugin.Bitshuffle(cname="lz4"))
    return {"compression": "gzip", "compression_opts": 1, "shuffle": True} if name == "gzip" else {}


def write_frames(
    group: h5py.Group, name: str, frames: AbstractFrames, dtype: np.dtype, compression: Compression
) -> h5py.Dataset:
    """Creates the dataset (scan, v, u) and fills it block by block."""
    n, v, u = frames.shape
    depth = min(max(2**20 // (v * u * dtype.itemsize), 1), n)
    dataset = group.create_dataset(
        name,
        (n, v, u),
        dtype,
        chunks=(depth, v, u),
        fletcher32=compression != "none",
        **compression_of(compression),
    )
    step = max(BLOCK_BYTES // (4 * v * u * depth), 1) * depth
    for start in range(0, n, step):
        index = np.arange(start, min(start + step, n))
        dataset[start : start + len(index)] = frames.read(index).astype(dtype)
    return dataset


def frame_bytes(frames: AbstractFrames, dtype: np.dtype) -> int:
    """Space to reserve: compression may fail, and chunks are whole."""
    n, v, u = frames.shape
    depth = min(max(2**20 // (v * u * dtype.itemsize), 1), n)
    return int((n + depth) * v * u * dtype.itemsize * 1.05) + 2**20
