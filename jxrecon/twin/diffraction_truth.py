"""What is true of the voxels of a scan: the means of what is in them, and the fits of their noiseless patterns.

    a_angstrom, c_angstrom          means with the weights of (101) and (104), and of (003): what peaks that are sums tell
    fwhm_HKL_deg, centre_HKL_deg    of the one pseudo-Voigt that comes closest to the sum of the voxels' peaks
    area_HKL                        counts x degree in one view
    diffuse                         counts per channel in one view, under (003)
    electron_density, inside, crack_proximity, attenuation_per_m      means
    radius                          of the voxel's middle, 1 at the surface

Where there is no matter, what needs some is not a number. Patterns add and widths do not: the spread of the cells in a voxel is
part of its width.
"""

import dataclasses

import numpy as np
import scipy.sparse
from jaxtyping import Float

from ..forward.material import Material
from ..geometry import HC_KEV_M
from .diffraction_background import diffuse, spinel
from .lit_slices import LitSlice
from .peak_truth import fitted_peaks
from .voxel_patterns import Optics

LEAST = 0.05  # share of a voxel inside of the particle, for a truth
UNDER = 8.66  # degrees, of the diffuse scattering


@dataclasses.dataclass(frozen=True)
class Amounts:
    """counts: photons per channel and view of one unit of amount, per degree; the others relative to the unit amount."""

    counts: float
    diffuse: float
    second_phase: float


def voxel_truth(
    rows: list[LitSlice],
    matrices: list[scipy.sparse.csr_array],
    optics: Optics,
    amounts: Amounts,
    grid: tuple[int, int],
) -> tuple[dict[str, Float[np.ndarray, "v y x"]], Float[np.ndarray, "v y x channel"]]:
    """Maps by name, and noiseless counts of the voxels. matrices: (voxel, column) of every slice, voxels y x as `grid`."""
    found = [_of_slice(row, matrix, optics, amounts) for row, matrix in zip(rows, matrices, strict=True)]
    maps = {k: np.stack([f[0][k].reshape(grid) for f in found]) for k in found[0][0]}
    return maps, np.stack([f[1].reshape(*grid, f[1].shape[1]) for f in found])


def _of_slice(
    row: LitSlice, matrix: scipy.sparse.csr_array, optics: Optics, amounts: Amounts
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    seen = {name: np.asarray(matrix @ values) for name, values in row.means.items()}
    there = seen["inside"] > LEAST

    def ratio(top: str, bottom: str) -> np.ndarray:
        return np.where(there, seen[top] / np.maximum(seen[bottom], 1e-12), np.nan)

    channel_deg, counts = optics.channel_deg, np.float32(amounts.counts)
    peaks = {name: counts * sheet.seen(matrix) for name, sheet in row.sheets.items()}
    under = counts * np.outer(seen["density"], amounts.diffuse * diffuse(optics))
    maps: dict[str, np.ndarray] = {"a_angstrom": ratio("a", "of_a"), "c_angstrom": ratio("c", "of_c")}
    for name, patterns in peaks.items():
        fitted = fitted_peaks(np.where(there[:, None], patterns, 0), channel_deg)
        maps[f"fwhm_{name}_deg"], maps[f"centre_{name}_deg"] = fitted.fwhm_deg, fitted.centre_deg
        maps[f"area_{name}"] = counts * np.asarray(matrix @ (row.sheets[name].sums.sum(axis=1)))
    energy_keV = HC_KEV_M / optics.wavelength_m
    maps |= {
        "diffuse": under[:, np.argmin(np.abs(channel_deg - UNDER))],
        "electron_density": seen["density"],
        "inside": seen["inside"],
        "crack_proximity": ratio("proximity", "inside"),
        "attenuation_per_m": np.asarray(Material().attenuation_per_m(seen["density"], energy_keV)),
    }
    second = counts * amounts.second_phase * np.outer(seen["spinel"], spinel(optics))
    return maps, (sum(peaks.values()) + under + second).astype(np.float32)
