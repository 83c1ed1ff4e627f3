"""Single images and tables that a setting names: dark, flat, mask; positions in a file of their own."""

import os

import numpy as np

from ..errors import InputError
from .hazards import Limits, naming, regular_file
from .hdf5 import open_hdf5

MAX_TEXT_BYTES = 256 * 2**20


def split_name(name: str) -> tuple[str, str | None]:
    """`FILE:/dataset` as (FILE, dataset); (FILE, None) without a dataset."""
    path, colon, dataset = name.rpartition(":/")
    return (os.path.expanduser(path), dataset) if colon else (os.path.expanduser(name), None)


def load_npy(path: str) -> np.ndarray:
    """An `.npy` file, without pickle; mapped, so that a header cannot ask for more than the file holds."""
    regular_file(path)
    with naming(path):
        return np.load(path, mmap_mode="r", allow_pickle=False)


def load_array(name: str, what: str, limits: Limits | None = None) -> np.ndarray:
    """Numbers from `FILE.npy`, `FILE.h5:/dataset` or a text table (columns apart by space, comma or semicolon)."""
    path, dataset = split_name(name)
    if dataset is not None:
        with open_hdf5(path, limits) as file:
            return file.array(dataset)
    size = regular_file(path)
    with open(path, "rb") as file:
        head = file.read(8)
    if head.startswith(b"\x93NUMPY"):
        array = load_npy(path)
    elif head.startswith(b"\x89HDF"):
        raise InputError(f"{what} is {name}; for an HDF5 file name the dataset too: FILE:/DATASET.")
    elif size > MAX_TEXT_BYTES:
        raise InputError(f"{path}: is {size / 2**20:.0f} MiB long, too much for a text table.")
    else:
        with naming(path):
            array = _table(path)
    if array.dtype.kind not in "fiub":
        raise InputError(f"{path}: holds {array.dtype}; expected numbers.")
    return np.asarray(array)


def _table(path: str) -> np.ndarray:
    """Rows of numbers; lines that begin with # (or with a word, for one line of titles) are passed over."""
    rows = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            words = line.split("#")[0].replace(",", " ").replace(";", " ").split()
            try:
                row = [float(word) for word in words]
            except ValueError:
                if rows:
                    raise ValueError(f"line {number} is not a row of numbers") from None
                continue
            if row and rows and len(row) != len(rows[0]):
                raise ValueError(f"line {number} has {len(row)} columns, the first {len(rows[0])}")
            rows += [row] if row else []
    if not rows:
        raise ValueError("it holds no row of numbers")
    return np.asarray(rows)


def load_image(name: str, shape: tuple[int, int], what: str) -> np.ndarray:
    """A frame's worth of numbers, float32; a stack is averaged."""
    image = load_array(name, what)
    image = image.mean(axis=0) if image.ndim == 3 else image
    if image.shape != tuple(shape):
        raise InputError(f"{name}: has shape {image.shape}; expected that of a raw frame, {tuple(shape)}.")
    if not np.isfinite(image).all():
        raise InputError(f"{name}: holds numbers that are not finite.")
    return np.asarray(image, np.float32)
