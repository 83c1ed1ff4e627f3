"""Porosity of a particle from its electron density: of the pores that are resolved, and of all of them.

    resolved     share of the particle's voxels below a threshold; uncertain by what a threshold 0.05 e/A^3 off would give
    whole        mean over the particle of  phi = 1 - n_e / n_s,  pores too small to be seen included

n_s is the density of the solid. Taken for 1.0 e/A^3 everywhere, what charging takes out of it (lithium, oxygen) and what
expansion dilutes reads as pores; 1.227 is that of the pristine crystal, in which a mass density of 3.6 g/cm^3 is already 17 %
of pores. With the composition Li_y M O_(2-x) and the volume of the cell, n_s = n_ref [Z(y, x)/Z_0] [V_0/V]
(`forward.solid_density`), and an error of the composition moves phi by

    d phi = (1 - phi) (3 dy - 8 dx) / Z(y, x)

Pietsch et al., Sustainable Energy Fuels 2, 598 (2018), doi 10.1039/C7SE00498B (segmentation and its uncertainty). e/A^3.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Real

from ..errors import InputError
from ..forward.solid_density import LITHIUM, OXYGEN, PRISTINE, electrons_ratio, solid_density

THRESHOLD, STEP = 0.5, 0.05
ROUND = 1.0  # n_ref by the usual convention
CRYSTAL = 1.227  # of the pristine crystal


@dataclasses.dataclass(frozen=True)
class ResolvedPorosity:
    """At the threshold, and at the thresholds lower and higher by a step."""

    value: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Chemistry:
    """Lithium y and lost oxygen x of Li_y M O_(2-x), and the volume of the cell over that of the pristine one (a number, or a
    map on the voxels of the density)."""

    lithium: float
    lost_oxygen: float = 0.0
    volume_ratio: float | Float[np.ndarray, "z y x"] = 1.0

    def solid(self, reference: float = ROUND) -> float | Float[np.ndarray, "z y x"]:
        """n_s for this n_ref; float64."""
        electrons = float(np.asarray(electrons_ratio(self.lithium, self.lost_oxygen)))
        if not electrons > 0 or np.any(np.asarray(self.volume_ratio) <= 0):
            raise InputError(
                f"`lithium` {self.lithium:g} and `lost_oxygen` {self.lost_oxygen:g} leave {electrons:.3g} of the electrons; "
                "expected a formula and a positive cell volume."
            )
        return solid_density(reference, electrons, self.volume_ratio)  # pyright: ignore[reportReturnType]

    def error(self, porosity: float, lithium: float = 0.1, lost_oxygen: float = 0.05) -> float:
        """Largest change of phi when both are off by so much at most."""
        electrons = float(np.asarray(electrons_ratio(self.lithium, self.lost_oxygen))) * PRISTINE.electrons()
        return (1 - porosity) * (LITHIUM * abs(lithium) + OXYGEN * abs(lost_oxygen)) / electrons


def _inside(density: Real[np.ndarray, "z y x"], mask: Bool[np.ndarray, "z y x"]) -> np.ndarray:
    if not mask.any():
        raise InputError("the mask holds no voxel; expected the particle.")
    return mask & np.isfinite(density)


def resolved_porosity(
    density: Real[np.ndarray, "z y x"],
    mask: Bool[np.ndarray, "z y x"],
    threshold: float = THRESHOLD,
    step: float = STEP,
) -> ResolvedPorosity:
    """Share of the mask below `threshold`, and below thresholds a `step` lower and higher. InputError for an empty mask."""
    values = density[_inside(density, mask)]
    low, middle, high = (float(np.mean(values < t)) for t in (threshold - step, threshold, threshold + step))
    return ResolvedPorosity(middle, low, high)


def whole_porosity(
    density: Real[np.ndarray, "z y x"],
    mask: Bool[np.ndarray, "z y x"],
    solid: float | Float[np.ndarray, "z y x"] = ROUND,
) -> float:
    """Mean of 1 - n_e / n_s over the mask, n_s a number or a map. Solid that is denser than n_s counts as negative, so that noise
    does not add up to pores."""
    inside = _inside(density, mask)
    level = np.broadcast_to(np.asarray(solid, np.float64), density.shape)[inside]
    if not np.all(level > 0):
        raise InputError("the density of the solid is not above 0 e/A^3 everywhere in the particle.")
    return float(1 - np.mean(density[inside] / level))
