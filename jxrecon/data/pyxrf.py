"""Fluorescence maps of NSLS-II, as PyXRF writes them.

xrfmap/detsum (and det1, det2, ...): counts (y, x, channel), xrf_fit (element, y, x) with xrf_fit_name; xrfmap/positions/pos
(axis, y, x) with name (x_pos, y_pos). The energy calibration is not in the file.
https://github.com/NSLS-II/PyXRF
"""

import re

import numpy as np

from ..errors import InputError
from ..fluorescence_maps import FluorescenceMaps
from .access import Access
from .fluorescence_reader import AbstractFluorescenceReader, Calibration, counts_of, maps_of, names_in
from .hdf5 import GuardedFile

ROOT = "xrfmap"


class Pyxrf(AbstractFluorescenceReader):
    """Reads PyXRF files: the spectra of each detector (else of their sum), and the fitted maps of the sum."""

    path: str
    calibration: Calibration = Calibration()
    access: Access = Access()

    def found(self, file: GuardedFile) -> FluorescenceMaps:
        groups = file.children(ROOT)
        single = sorted((g for g in groups if re.fullmatch(r"det[0-9]+", g)), key=lambda g: int(g[3:]))
        holders = [g for g in single if file.has(f"{ROOT}/{g}/counts")]
        holders = holders or [g for g in groups if g == "detsum" and file.has(f"{ROOT}/{g}/counts")]
        fitted = next((g for g in ("detsum", *single) if file.has(f"{ROOT}/{g}/xrf_fit")), None)
        if not holders and fitted is None:
            raise InputError(
                f"{file.path}: holds no `{ROOT}/detsum/counts` and no `{ROOT}/detsum/xrf_fit`; expected a file of PyXRF."
            )
        parts = [counts_of(file, f"{ROOT}/{g}/counts") for g in holders]
        if len({part.shape for part in parts}) > 1:
            raise InputError(
                f"{file.path}: the detectors have the shapes {[p.shape for p in parts]}; expected one."
            )
        spectra = np.stack(parts).astype(np.float32) if parts else None
        group = f"{ROOT}/{fitted}"
        elements = maps_of(file, f"{group}/xrf_fit", f"{group}/xrf_fit_name") if fitted else {}
        shape = next(iter(elements.values())).shape if spectra is None else spectra.shape[1:3]
        y_axis, x_axis = _positions(file, shape)
        return FluorescenceMaps(
            spectra=spectra,
            energy_keV=None if spectra is None else self.calibration.energies(spectra.shape[-1]),
            elements=elements,
            units="counts" if elements else "",
            y_axis=y_axis,
            x_axis=x_axis,
            detectors=tuple(holders),
            source=file.path,
            metadata={"format": "pyxrf", "fit_of": fitted},
        )


def _positions(file: GuardedFile, shape: tuple[int, ...]) -> tuple[np.ndarray | None, np.ndarray | None]:
    """(y, x) positions of rows and columns: means, for a stage jitters."""
    where = f"{ROOT}/positions/pos"
    if not file.has(where):
        return None, None
    values = file.array(where).astype(np.float64)
    if values.ndim != 3 or values.shape[1:] != shape:
        raise InputError(
            f"{file.where(where)}: has shape {values.shape}; expected (axis, {shape[0]}, {shape[1]})."
        )
    names = (
        names_in(file, f"{ROOT}/positions/name") if file.has(f"{ROOT}/positions/name") else ["x_pos", "y_pos"]
    )
    found = {name[:1].lower(): plane for name, plane in zip(names, values)}
    y = found["y"].mean(1) if "y" in found else None
    x = found["x"].mean(0) if "x" in found else None
    return y, x
