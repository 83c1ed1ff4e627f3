"""The package's own layout of fluorescence sinograms: the fields of `FluorescenceSinograms` by their names in one HDF5 file.

    counts        (view, detector, u, z, channel) counts in windows, negative where not measured
    angle_deg     (view)            monitor       (view, u), 1 where there is none
    detector_deg  (detector)        response      (detector, channel, line)
    line_element  (line) number of its element, from 0        line_keV  (line)
    elements      names, or one text of them    companion  formula of what comes with each atom unseen, or an empty text
    step_m, beam_m, energy_keV, axis_u            numbers

monitor, axis_u and companion may be absent.
"""

import os

import equinox as eqx
import numpy as np

from ..errors import InputError
from ..fluorescence_sinograms import FluorescenceSinograms, wanted_shapes
from ..sealed import set_attributes, stored_bytes, write_dataset
from ..storage import reserved_hdf5
from .access import Access
from .fluorescence_reader import names_in
from .hdf5 import GuardedFile

ARRAYS = {"counts": 5, "angle_deg": 1, "detector_deg": 1, "response": 3, "line_element": 1, "line_keV": 1}
NUMBERS = ("step_m", "beam_m", "energy_keV")
UNITS = {"angle_deg": "degree", "detector_deg": "degree", "step_m": "m", "beam_m": "m", "energy_keV": "keV"}


def write_fluorescence_sinograms(path: str | os.PathLike, scan: FluorescenceSinograms) -> None:
    """Writes the layout, without the truth; the file is whole or absent. OSError when the disk is full."""
    values = {
        "counts": scan.counts,
        "angle_deg": scan.angle_deg,
        "monitor": scan.monitor,
        "detector_deg": scan.detector_deg,
        "response": scan.response,
        "line_element": np.array([k for k, _ in scan.lines]),
        "line_keV": np.array([e for _, e in scan.lines]),
        "elements": " ".join(scan.elements),
        "companion": scan.companion or "",
        "axis_u": np.float64(scan.axis_u),
        **{name: np.float64(getattr(scan, name)) for name in NUMBERS},
    }
    size = 2**20 + sum(stored_bytes(v) for v in values.values() if isinstance(v, np.ndarray))
    with reserved_hdf5(path, size) as file:
        set_attributes(file, format="jxrecon fluorescence sinograms")
        for name, value in values.items():
            write_dataset(file, name, value, **({"units": UNITS[name]} if name in UNITS else {}))


class FluorescenceSinogramFile(eqx.Module):
    """Reads the layout of the head."""

    path: str
    access: Access = Access()

    def read(self) -> FluorescenceSinograms:
        """The scan. Raises `InputError`, naming file and dataset."""
        path = os.path.abspath(os.path.expanduser(self.path))
        with self.access.open(path) as file:
            found = {name: _array(file, name, axes) for name, axes in ARRAYS.items()}
            numbers = {name: _number(file, name) for name in NUMBERS}
            views, _, width, _, _ = found["counts"].shape
            monitor = _array(file, "monitor", 2) if file.has("monitor") else np.ones((views, width))
            axis = _number(file, "axis_u") if file.has("axis_u") else (width - 1) / 2
            companion = names_in(file, "companion")[0] if file.has("companion") else ""
            elements = tuple(" ".join(names_in(file, "elements")).split())
        element, energy = found["line_element"], found["line_keV"]
        if len(element) != len(energy):
            raise InputError(f"{path}: `line_element` has {len(element)} lines, `line_keV` {len(energy)}.")
        for name, shape in wanted_shapes(found["counts"].shape, len(energy)).items():
            values = monitor if name == "monitor" else found[name]
            if values.shape != shape:
                raise InputError(
                    f"{path}: `{name}` has the shape {values.shape}; `counts` and lines want {shape}."
                )
        try:
            return FluorescenceSinograms(
                counts=found["counts"],
                angle_deg=found["angle_deg"],
                detector_deg=found["detector_deg"],
                response=found["response"],
                step_m=numbers["step_m"],
                beam_m=numbers["beam_m"],
                energy_keV=numbers["energy_keV"],
                monitor=monitor,
                axis_u=axis,
                elements=elements,
                companion=companion or None,
                lines=tuple((int(k), float(e)) for k, e in zip(element, energy)),
                source=path,
            )
        except ValueError as error:
            raise InputError(str(error)) from None


def _array(file: GuardedFile, name: str, axes: int) -> np.ndarray:
    values = np.asarray(file.array(name), np.float64)
    if values.ndim != axes or 0 in values.shape:
        raise InputError(f"{file.where(name)}: has the shape {values.shape}; expected {axes} axes.")
    if not np.isfinite(values).all():
        raise InputError(f"{file.where(name)}: holds values that are not finite.")
    return values


def _number(file: GuardedFile, name: str) -> float:
    values = file.array(name)
    if values.size != 1 or not np.isfinite(values).all():
        raise InputError(f"{file.where(name)}: holds {values.size} values; expected a finite number.")
    return float(values.reshape(-1)[0])
