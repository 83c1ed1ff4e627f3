"""Fits of powder patterns, all at once, with jxrecon; prints JSON. Free centres or centres that follow from a and c."""

import jax
import numpy as np
from powder_patterns import CELL, HKL, WAVELENGTH_ANGSTROM, cells
from timed_fit import arguments, report

from jxrecon.classical.peak_fit import peak_fit
from jxrecon.classical.peak_model import FreePeaks, LatticePeaks, Profile
from jxrecon.forward.cell import Cell

SEARCH_DEG = 0.4


def main() -> None:
    a = arguments()
    profile = Profile(fwhm_deg=0.2, eta_range=tuple(a.eta))
    cell, wavelength_m = Cell("trigonal", CELL), 1e-10 * WAVELENGTH_ANGSTROM
    lattice = LatticePeaks(
        hkl=HKL, cell=cell, wavelength_m=wavelength_m, search_deg=SEARCH_DEG, profile=profile
    )  # pyright: ignore
    free = FreePeaks(lattice.reference_deg, search_deg=SEARCH_DEG, profile=profile)

    def fit(x, y):
        found = peak_fit(y, x, lattice if a.mode == "lattice" else free, noise=a.noise)
        v = found.values
        peaks = np.stack([v.area, v.centre_deg, v.fwhm_deg, v.eta], axis=-1).reshape(len(y), 12)
        slope = 2 * v.background[:, 1] / (x[-1] - x[0])
        line = np.stack([v.background[:, 0] - v.background[:, 1], slope], axis=1)
        return np.concatenate([peaks, line], axis=1), v.cell if a.mode == "lattice" else cells(v.centre_deg)

    report(a, fit, program="jxrecon", version=jax.__version__)


if __name__ == "__main__":
    main()
