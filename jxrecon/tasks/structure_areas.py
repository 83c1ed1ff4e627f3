"""Areas of reflections as the atoms of the phases say, for fits with one scale for each phase (Rietveld's with fixed atoms)."""

import numpy as np
from jaxtyping import Float

from ..classical.whole_pattern import WholePattern
from ..classical.whole_pattern_fit import Fitted
from ..data.crystal_cif import read_crystal
from ..errors import InputError
from ..forward.crystals import CRYSTALS, Crystal
from ..forward.intensities import polarisation_of_tube
from ..forward.material import HIGHEST_KEV, LOWEST_KEV
from ..forward.structure_factor import relative_intensities
from ..geometry import HC_KEV_M


def crystal_of(text: str) -> Crystal:
    """The atoms of a built-in phase or of a CIF."""
    if text.lower().endswith(".cif"):
        return read_crystal(text)
    if text not in CRYSTALS:
        raise InputError(
            f"`phases`: {text!r} has no atoms, which `areas=structure` needs; expected a CIF or one of {', '.join(CRYSTALS)}."
        )
    return CRYSTALS[text]


def calculated_areas(
    texts: tuple[str, ...], model: WholePattern, monochromator_deg: float | None
) -> Float[np.ndarray, "peak phase"]:
    """Intensities per volume of each phase, the largest of all 1. monochromator_deg None: polarisation is corrected already."""
    which, wavelength = np.array([k for k, _ in model.owner]), model.lines[0][0]
    energy = HC_KEV_M / wavelength
    known = energy if LOWEST_KEV <= energy <= HIGHEST_KEV else None
    areas = np.zeros((len(which), len(model.phases)))
    for k, (text, phase) in enumerate(zip(texts, model.phases)):
        areas[which == k, k] = relative_intensities(
            crystal_of(text), phase.cell, phase.hkl, wavelength, energy_keV=known
        )
    if monochromator_deg is not None:
        areas *= polarisation_of_tube(model.reference_deg(), monochromator_deg)[:, None]
    return areas / areas.max()


def volume_shares(fitted: Fitted) -> dict[str, float | int | None]:
    """Volume of each phase over that of all, with its error: intensities are per volume, so that their scales are volumes."""
    tie = fitted.model.tie
    assert tie is not None
    strongest, largest = np.argmax(tie, axis=0), tie.max(axis=0)
    scale, total = fitted.area[strongest] / largest, float(np.sum(fitted.area[strongest] / largest))
    error = fitted.area_error[strongest] / largest / max(total, 1e-300)
    names = [f"volume_share_{phase.name.replace(' ', '_')}" for phase in fitted.model.phases]
    found: dict[str, float | int | None] = dict(zip(names, (scale / max(total, 1e-300)).tolist()))
    return found | {f"{name}_error": float(e) for name, e in zip(names, error)}
