"""The face that the readers of fluorescence maps share: a path, the energy calibration where the file has none, and `read()`."""

import abc
import os
import re

import equinox as eqx
import h5py
import numpy as np

from ..errors import InputError
from ..fluorescence_maps import FluorescenceMaps
from .access import Access
from .dataset import MAX_TEXT
from .hazards import Refused, check_external, naming
from .hdf5 import GuardedFile
from .pattern_reader import number_or_none
from .text_files import read_text

MOST_NAMES = 10_000
_KEYS = ("CAL_OFFSET_[E_OFFSET]", "CAL_SLOPE_[E_LINEAR]", "CAL_QUAD_[E_QUADRATIC]")


class Calibration(eqx.Module):
    """Energy of a channel, over what the file says: E(k) = offset + slope k + quadratic k^2.

    path: a `maps_fit_parameters_override.txt` of XRF-Maps, of which the numbers that are None are taken.
    """

    path: str | None = None
    offset_keV: float | None = eqx.field(converter=number_or_none, default=None)
    slope_keV: float | None = eqx.field(converter=number_or_none, default=None)
    quadratic_keV: float | None = eqx.field(converter=number_or_none, default=None)

    def coefficients(self, said: np.ndarray | None = None) -> np.ndarray | None:
        """(offset, slope, quadratic); `said`: those of the data file. None where nobody gives a slope."""
        found = np.array([0.0, np.nan, 0.0]) if said is None else np.array(said, np.float64)
        if self.path is not None:
            found = override_calibration(os.path.abspath(os.path.expanduser(self.path)))
        for k, given in enumerate((self.offset_keV, self.slope_keV, self.quadratic_keV)):
            if given is not None:
                found[k] = given
        if np.isnan(found[1]):
            return None
        if not (np.isfinite(found).all() and 1e-4 < found[1] < 1):
            hint = "; it looks like eV" if 1 <= found[1] < 1000 else ""
            raise InputError(f"the calibration has {found[1]:g} keV a channel; expected 1e-4 to 1{hint}.")
        return found

    def energies(self, channels: int, said: np.ndarray | None = None) -> np.ndarray | None:
        """(channel,) keV."""
        found, k = self.coefficients(said), np.arange(channels)
        return None if found is None else found[0] + found[1] * k + found[2] * k**2


def override_calibration(path: str) -> np.ndarray:
    """(offset, slope, quadratic) of a parameter file of XRF-Maps."""
    text, found = read_text(path, "maps_fit_parameters_override.txt"), []
    for key in _KEYS:
        match = re.search(rf"^\s*{re.escape(key)}:\s*(\S+)", text, re.MULTILINE)
        try:
            found.append(float(match[1]) if match else float("nan"))
        except ValueError:
            raise InputError(
                f"{path}: `{key}` is `{match[1][:40] if match else ''}`; expected a number."
            ) from None
    if np.isnan(found[:2]).any():
        raise InputError(
            f"{path}: has no `{_KEYS[0]}` and `{_KEYS[1]}`; expected the parameters of XRF-Maps."
        )
    return np.nan_to_num(np.array(found))


def names_in(file: GuardedFile, name: str) -> list[str]:
    """A short list of texts."""
    with naming(file.where(name)):
        node = file._find(name)[1]
        if (
            not isinstance(node, h5py.Dataset)
            or h5py.check_string_dtype(node.dtype) is None
            or node.shape is None
        ):
            raise Refused("is no list of names")
        check_external(node)
        if (
            node.size is None
            or node.is_virtual
            or node.size > MOST_NAMES
            or node.size * node.dtype.itemsize > MAX_TEXT
        ):
            raise Refused(f"declares {node.size} names of {node.dtype.itemsize} bytes; expected a short list")
        values = np.asarray(node[()], object).reshape(-1)
        texts = (v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values)
        return [text.strip().strip("\0") for text in texts]


def counts_of(file: GuardedFile, name: str) -> np.ndarray:
    """A three-dimensional array of counts, none negative."""
    values = file.array(name)
    if values.ndim != 3 or 0 in values.shape:
        raise InputError(f"{file.where(name)}: has shape {values.shape}; expected three axes.")
    wrong = ~np.isfinite(values) | (values < 0)
    if wrong.any():
        raise InputError(
            f"{file.where(name)}: {int(wrong.sum())} of {values.size} counts are negative or not finite."
        )
    return values


def maps_of(file: GuardedFile, values: str, names: str) -> dict[str, np.ndarray]:
    """Element -> (y, x), of an array (element, y, x) and the list of its names."""
    stack, words = file.array(values), names_in(file, names)
    if stack.ndim != 3 or len(stack) != len(words):
        raise InputError(
            f"{file.where(values)}: has shape {stack.shape}; expected ({len(words)} elements, y, x), as `{names}` lists."
        )
    if len(set(words)) < len(words):
        raise InputError(f"{file.where(names)}: lists an element twice.")
    return dict(zip(words, stack.astype(np.float64), strict=True))


class AbstractFluorescenceReader(eqx.Module):
    """One file format. The constructor opens nothing."""

    path: eqx.AbstractVar[str]
    calibration: eqx.AbstractVar[Calibration]
    access: eqx.AbstractVar[Access]

    @abc.abstractmethod
    def found(self, file: GuardedFile) -> FluorescenceMaps:
        """What an open file holds."""

    def read(self) -> FluorescenceMaps:
        """The maps with all settings applied. Raises `InputError`, naming file and dataset."""
        path = os.path.abspath(os.path.expanduser(self.path))
        with self.access.open(path) as file:
            try:
                return self.found(file)
            except InputError:
                raise
            except ValueError as error:
                raise InputError(str(error)) from None
