"""Pore sizes of a particle: share of pore in each voxel, distribution of diameters by volume, cut at the resolution.

    share = 1 - n / n_solid  within the particle, 0 outside           (between 0 and 1)
    porosity = pore volume / particle volume

Each voxel of pore counts with the diameter of the largest ball that covers it (`local_thickness`), so that the distribution is
one of volume, whatever of the pores hang together. Below the resolution of the volume a diameter is that of the blur: such
pores are left out of distribution and quantiles, and their part of the pore volume is reported. Two conventions of a diameter
are in use, 2 r - 1 and 2 r voxels; at 20 nm voxels they are 20 nm apart, and numbers of one kind compare with the same kind
only.

Diameters in the unit of the voxel's edge, metres by default. Tsai et al., iScience 11, 356 (2019), doi
10.1016/j.isci.2018.12.028 (the histograms).
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Real, Shaped

from ..errors import InputError
from .local_thickness import diameter, local_squared_radius

LARGE_M = 100e-9
BIN_M = 10e-9
ROUNDING = 1e-6  # a diameter of five voxels of 20 nm is not wider than 100 nm
CONVENTIONS = {"2r-1": True, "2r": False}


@dataclasses.dataclass(frozen=True)
class PoreSizes:
    """edges (bin + 1,); share (bin,) of the pore volume above the cut; mean, median, p95, largest: of the same; porosity: of all
    pores; unresolved: share of their volume below the cut; large: volume in pores wider than `LARGE_M` for that of the particle.
    Of no pore above the cut, mean and quantiles are nan."""

    edges: Float[np.ndarray, " edge"]
    share: Float[np.ndarray, " bin"]
    mean: float
    median: float
    p95: float
    largest: float
    porosity: float
    unresolved: float
    large: float

    @property
    def centres(self) -> np.ndarray:
        return (self.edges[1:] + self.edges[:-1]) / 2

    def metrics(self) -> dict[str, float]:
        """Numbers by name; lengths in nanometres."""
        return {
            "porosity": self.porosity,
            "pore_mean_nm": 1e9 * self.mean,
            "pore_median_nm": 1e9 * self.median,
            "pore_p95_nm": 1e9 * self.p95,
            "pore_largest_nm": 1e9 * self.largest,
            "pore_unresolved_share": self.unresolved,
            "pore_large_share": self.large,
        }


def pore_share(
    density: Real[np.ndarray, "z y x"], particle: Bool[np.ndarray, "z y x"], solid: float
) -> Float[np.ndarray, "z y x"]:
    """Of each voxel, from its density and that of the solid, e/A^3. InputError for densities that are no numbers."""
    if not solid > 0:
        raise InputError(f"the density of the solid is {solid}; expected more than 0 e/A^3.")
    if not particle.any():
        raise InputError("the mask holds no voxel; expected the particle.")
    strange = np.count_nonzero(~np.isfinite(density[particle]))
    if strange:
        raise InputError(f"{strange} voxels of the particle have a density that is no number.")
    share = np.where(particle, 1 - density / np.float32(solid), 0)
    return np.clip(share, 0, 1).astype(np.float32)


def pore_sizes(
    diameter_m: Float[np.ndarray, "z y x"],
    particle: Bool[np.ndarray, "z y x"],
    resolution_m: float | int = 0,
    edges_m: Float[np.ndarray, " edge"] | None = None,
) -> PoreSizes:
    """Distribution of the diameters of a map that is 0 outside pores; pores from `resolution_m` on are counted.

    edges_m: by default from the resolution on in steps of 10 nm. A particle without pores has porosity 0 and no sizes.
    """
    count = np.count_nonzero(particle)
    if count == 0:
        raise InputError("the mask holds no voxel; expected the particle.")
    sizes = np.asarray(diameter_m[particle & (diameter_m > 0)], np.float64)
    seen = sizes[sizes >= resolution_m * (1 - ROUNDING)]
    largest = float(seen.max()) if seen.size else np.nan
    if edges_m is None:
        top = max(largest if seen.size else 0.0, resolution_m + BIN_M)
        edges_m = resolution_m + BIN_M * np.arange(int(np.ceil((top - resolution_m) / BIN_M)) + 2)
    median, p95 = np.quantile(seen, [0.5, 0.95]) if seen.size else (np.nan, np.nan)
    return PoreSizes(
        edges=edges_m,
        share=np.histogram(seen, edges_m * (1 - ROUNDING))[0] / max(seen.size, 1),
        mean=float(seen.mean()) if seen.size else np.nan,
        median=float(median),
        p95=float(p95),
        largest=largest,
        porosity=float(sizes.size / count),
        unresolved=1 - seen.size / sizes.size if sizes.size else 0.0,
        large=float(np.count_nonzero(sizes > LARGE_M * (1 + ROUNDING)) / count),
    )


def pore_sizes_of(
    pore: Shaped[np.ndarray, "..."],
    particle: Bool[np.ndarray, "z y x"],
    voxel_m: float,
    resolution_m: float | int = 0,
) -> dict[str, PoreSizes]:
    """In both conventions, "2r-1" and "2r", by the exact local thickness. InputError for no pore or no wall."""
    squared = local_squared_radius(pore)
    return {
        name: pore_sizes(diameter(squared, voxel_m, corrected), particle, resolution_m)
        for name, corrected in CONVENTIONS.items()
    }
