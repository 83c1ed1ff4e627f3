"""Images of area detectors, one or many to a file: TIFF, EDF, CBF, mar345, Eiger HDF5 and what else fabio reads (with pyFAI).

A pixel was not measured where it is negative (gaps of Pilatus detectors are -1), not finite, or the largest number of an
unsigned type (gaps and dead pixels of Eiger detectors).
"""

import os
from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Shaped

from ..errors import InputError
from .hazards import GIB, naming, regular_file
from .poni import demand_pyfai

ENDINGS = (".tif", ".tiff", ".edf", ".cbf", ".img", ".mar3450", ".mar2300", ".mccd", ".h5", ".npy")
MOST_EXPANDED = 200  # bytes of an image for each of its file: runs of equal pixels pack well


def images_of(path: str, most_gib: float | int) -> Iterator[Shaped[np.ndarray, "row column"]]:
    """The frames of a file, one after the other."""
    stored = regular_file(path)
    demand_pyfai()
    import fabio  # comes with pyFAI  # pyright: ignore[reportMissingImports]

    with naming(path), fabio.open(path) as opened:
        shape = tuple(int(n) for n in (opened.shape or ()))
        size = int(np.prod([float(n) for n in shape])) * np.dtype(opened.dtype or np.float64).itemsize
        if size > most_gib * GIB or size > max(MOST_EXPANDED * stored, 2**25):
            raise InputError(
                f"{path}: declares an image of {size / GIB:.3g} GiB in {stored / 2**20:.3g} MiB; not read (`max_array_gib`)."
            )
        for number in range(opened.nframes):
            image = np.asarray(opened.get_frame(number).data)
            if image.ndim != 2 or image.dtype.kind not in "fiu" or min(image.shape) < 16:
                raise InputError(
                    f"{path}: holds {image.dtype} of shape {image.shape}; expected an image of numbers, 16 pixels or more across."
                )
            yield image


def first_image(path: str, most_gib: float | int) -> Shaped[np.ndarray, "row column"]:
    return next(images_of(path, most_gib))


def measured_pixels(image: Shaped[np.ndarray, "row column"]) -> Bool[np.ndarray, "row column"]:
    """True where a pixel counts."""
    if image.dtype.kind == "f":
        return np.isfinite(image) & (image >= 0)
    if image.dtype.kind == "u":
        return image < np.iinfo(image.dtype).max
    return image >= 0


def read_mask(path: str, shape: tuple[int, ...], most_gib: float | int) -> Bool[np.ndarray, "row column"]:
    """True where a pixel counts: where the mask is zero, as pyFAI and Dioptas write it; laid as the images of the file are."""
    path = os.path.abspath(os.path.expanduser(path))
    mask = first_image(path, most_gib)
    if mask.shape != shape:
        raise InputError(f"{path}: the mask has the shape {mask.shape}; expected that of the image, {shape}.")
    return mask == 0
