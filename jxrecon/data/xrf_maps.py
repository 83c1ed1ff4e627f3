"""Fluorescence maps of the APS: what XRF-Maps (and the older MAPS) writes, and the raw spectra of the beamlines.

MAPS/Spectra/mca_arr (channel, y, x), Energy_Calibration (offset, slope, quadratic); MAPS/XRF_Analyzed/{Fitted, NNLS, ROI}:
Counts_Per_Sec (element, y, x) and Channel_Names; MAPS/Scan/{x_axis, y_axis}. Before version 10: MAPS/mca_arr, energy_calib,
XRF_fits, XRF_fits_quant, XRF_roi, channel_names, x_axis, y_axis. Raw: MAPS_RAW/data_a, data_b, ... (channel, y, x), one for
each detector, livetime and realtime (detector, y, x).
https://github.com/AdvancedPhotonSource/XRF-Maps
"""

import string
from typing import Literal

import numpy as np

from ..errors import InputError
from ..fluorescence_maps import FluorescenceMaps
from .access import Access
from .fluorescence_reader import AbstractFluorescenceReader, Calibration, counts_of, maps_of, names_in
from .hdf5 import GuardedFile
from .nxcxi import first

Analysis = Literal["Fitted", "NNLS", "ROI"]
OLD = {"Fitted": "XRF_fits", "NNLS": "XRF_nnls", "ROI": "XRF_roi"}
RAW = "MAPS_RAW"


class XrfMaps(AbstractFluorescenceReader):
    """Reads XRF-Maps files; analysis: whose maps of elements, None takes the first that there is."""

    path: str
    calibration: Calibration = Calibration()
    analysis: Analysis | None = None
    access: Access = Access()

    def found(self, file: GuardedFile) -> FluorescenceMaps:
        names, spectra = _spectra(file)
        elements, units, chosen = self._elements(file)
        if spectra is None and not elements:
            raise InputError(f"{file.path}: holds neither MAPS nor MAPS_RAW; expected a file of XRF-Maps.")
        shape = next(iter(elements.values())).shape if spectra is None else spectra.shape[1:3]
        said = first(file, "MAPS/Spectra/Energy_Calibration", "MAPS/energy_calib")
        coefficients = None if said is None else file.array(said).reshape(-1)[:3]
        if coefficients is not None and len(coefficients) < 3:
            raise InputError(f"{file.where(said or '')}: holds {len(coefficients)} numbers; expected 3.")
        return FluorescenceMaps(
            spectra=spectra,
            energy_keV=None
            if spectra is None
            else self.calibration.energies(spectra.shape[-1], coefficients),
            elements=elements,
            units=units,
            live_time_s=_times(file, f"{RAW}/livetime", names, shape),
            real_time_s=_times(file, f"{RAW}/realtime", names, shape),
            y_axis=_axis(file, shape[0], "MAPS/Scan/y_axis", "MAPS/y_axis"),
            x_axis=_axis(file, shape[1], "MAPS/Scan/x_axis", "MAPS/x_axis"),
            detectors=names,
            source=file.path,
            metadata={"format": "xrf_maps", "analysis": chosen},
        )

    def _elements(self, file: GuardedFile) -> tuple[dict[str, np.ndarray], str, str | None]:
        for kind in [self.analysis] if self.analysis else OLD:
            group = f"MAPS/XRF_Analyzed/{kind}"
            if file.has(f"{group}/Counts_Per_Sec"):
                return maps_of(file, f"{group}/Counts_Per_Sec", f"{group}/Channel_Names"), "counts/s", kind
            old = f"MAPS/{OLD[kind]}"
            if file.has(old):
                return maps_of(file, old, "MAPS/channel_names"), "counts/s", kind
        if self.analysis:
            there = ", ".join(file.children("MAPS/XRF_Analyzed")) or "none"
            raise InputError(f"{file.path}: has no analysis `{self.analysis}`; it has {there}.")
        return {}, "", None


def _spectra(file: GuardedFile) -> tuple[tuple[str, ...], np.ndarray | None]:
    """(names of the detectors, (detector, y, x, channel))."""
    raw = [f"{RAW}/data_{letter}" for letter in string.ascii_lowercase if file.has(f"{RAW}/data_{letter}")]
    summed = first(file, "MAPS/Spectra/mca_arr", "MAPS/mca_arr")
    names = raw or ([summed] if summed else [])
    if not names:
        return (), None
    parts = [np.moveaxis(counts_of(file, name), 0, -1) for name in names]
    for name, part in zip(names, parts, strict=True):
        if part.shape != parts[0].shape:
            raise InputError(
                f"{file.where(name)}: has {part.shape} (y, x, channel); {names[0]} has {parts[0].shape}."
            )
    return tuple(name.rpartition("/")[2] for name in names), np.stack(parts).astype(np.float32)


def _times(
    file: GuardedFile, name: str, detectors: tuple[str, ...], shape: tuple[int, ...]
) -> np.ndarray | None:
    if not file.has(name):
        return None
    values = file.array(name).astype(np.float64)
    if values.shape != (len(detectors), *shape):
        raise InputError(
            f"{file.where(name)}: has shape {values.shape}; expected {(len(detectors), *shape)}."
        )
    if not (np.isfinite(values) & (values > 0)).all():
        raise InputError(f"{file.where(name)}: holds times that are not positive ({values.min():g} s).")
    return values


def _axis(file: GuardedFile, size: int, *names: str) -> np.ndarray | None:
    """Positions; older files keep more of them than the map has points, which says nothing."""
    name = first(file, *names)
    values = None if name is None else file.array(name).reshape(-1).astype(np.float64)
    return values if values is not None and len(values) == size else None


def scaler_names(file: GuardedFile) -> list[str]:
    """Names of the counters that were read beside the detectors."""
    name = first(file, "MAPS/Scalers/Names", "MAPS/scaler_names")
    return [] if name is None else names_in(file, name)
