"""What one tomogram says about a particle: mask, radius, density from core to surface, pores and their sizes, porosity.

Everything follows from the electron density, by the definitions of `particle_mask`, `radial`, `pores`, `porosity`; pores may come
from a segmentation of one's own instead of a threshold. Lengths in metres where named so, densities in e/A^3.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from .cracks import Cracks, find_cracks
from .local_thickness import diameter, local_squared_radius
from .particle_mask import CLOSING, ParticleMask, particle_of
from .pores import CONVENTIONS, PoreSizes, pore_share, pore_sizes
from .porosity import (
    CRYSTAL,
    ROUND,
    THRESHOLD,
    Chemistry,
    ResolvedPorosity,
    resolved_porosity,
    whole_porosity,
)
from .radial import (
    CORE,
    SHELL,
    Quadratic,
    RadialProfile,
    fits_of,
    normalised_radius,
    radial_profile,
    zone_mean,
)


@dataclasses.dataclass(frozen=True)
class Morphology:
    """rho: normalised radius, NaN outside; pore: voxels of the particle; squared_radius: of the largest ball in the pores that
    covers a voxel, voxels^2; sizes: by convention, "2r-1" and "2r"; whole: mean of 1 - n_e/n_s for several n_s; cracks: None
    where nobody looked for them."""

    voxel_m: float
    particle: ParticleMask
    rho: Float[np.ndarray, "z y x"]
    pore: Bool[np.ndarray, "z y x"]
    squared_radius: Int[np.ndarray, "z y x"]
    profile: RadialProfile
    density: dict[str, float]
    resolved: ResolvedPorosity
    whole: dict[str, float]
    sizes: dict[str, PoreSizes]
    cracks: Cracks | None
    warnings: tuple[str, ...]

    def diameter_m(self, corrected: bool = True) -> Float[np.ndarray, "z y x"]:
        """Of pores: 2 r - 1 voxels, or 2 r; 0 elsewhere."""
        return diameter(self.squared_radius, self.voxel_m, corrected).astype(np.float32)

    def sizes_in(self, edges_m: Float[np.ndarray, " edge"], resolution_m: float = 0.0) -> PoreSizes:
        """Diameters 2 r - 1 in bins of one's own, so that particles can be compared and averaged."""
        return pore_sizes(self.diameter_m(), self.particle.mask, resolution_m, edges_m)

    def fits(self) -> dict[str, Quadratic]:
        """Parabolas through the shells, weighted by volume and not."""
        return fits_of(self.profile.rho, self.profile.mean, self.profile.voxels)

    def metrics(self) -> dict[str, float | int | None]:
        """Numbers by name, None where there is none."""
        found: dict[str, float | int | None] = dict(self.density)
        found |= {
            "porosity_low": self.resolved.low,
            "porosity_high": self.resolved.high,
            **self.sizes["2r-1"].metrics(),
        }
        wide = self.sizes["2r"].metrics()
        found |= {f"{name}_2r": wide[name] for name in ("pore_mean_nm", "pore_p95_nm", "pore_largest_nm")}
        found |= {f"porosity_whole_{name}": value for name, value in self.whole.items()}
        for name, fit in self.fits().items():
            found |= {f"fit_{name}_{k}": getattr(fit, k) for k in ("p2", "p1", "p0")}
        if self.cracks is not None:
            found |= self.cracks.metrics()
        found["particle_diameter_um"] = 2e6 * self.voxel_m * np.cbrt(self.particle.voxels * 0.75 / np.pi)
        found |= {"mask_threshold": self.particle.threshold, "warnings": len(self.warnings)}
        return {name: _number(value) for name, value in found.items()}


def _number(value: float | int | None) -> float | int | None:
    """None for what is not finite."""
    if isinstance(value, int) or value is None:
        return value
    return float(value) if np.isfinite(value) else None


def size_edges(
    voxel_m: float, resolution_m: float = 0.0, up_to_m: float = 160e-9
) -> Float[np.ndarray, " edge"]:
    """Bins one voxel wide, in which the few diameters that small balls of voxels can have leave no gaps."""
    first = max(0.5 * voxel_m, resolution_m)
    return first + voxel_m * np.arange(max(2, int(np.ceil((up_to_m - first) / voxel_m)) + 1))


def zones(density: Real[np.ndarray, "z y x"], rho: Float[np.ndarray, "z y x"]) -> dict[str, float]:
    """Mean densities of the particle, its core and its shell, and by how much the shell is denser."""
    whole = zone_mean(density, rho, (-np.inf, np.inf))
    core, shell = zone_mean(density, rho, CORE), zone_mean(density, rho, SHELL)
    return {
        "density_mean": whole,
        "density_core": core,
        "density_shell": shell,
        "density_shell_less_core": shell - core,
    }


def whole_porosities(
    density: Real[np.ndarray, "z y x"], mask: Bool[np.ndarray, "z y x"], chemistry: Chemistry | None
) -> dict[str, float]:
    """For a solid of 1 e/A^3, of the pristine crystal, and for both with the composition and the cell, where they are known."""
    solids = {"round": ROUND, "crystal": CRYSTAL}
    found = {name: whole_porosity(density, mask, level) for name, level in solids.items()}
    if chemistry is not None:
        for name, level in solids.items():
            found[f"{name}_chemistry"] = whole_porosity(density, mask, chemistry.solid(level))
        found["chemistry_error"] = chemistry.error(found["round_chemistry"])
    return found


def morphology_of(
    density: Real[np.ndarray, "z y x"],
    voxel_m: float,
    *,
    threshold: float = THRESHOLD,
    resolution_m: float = 0.0,
    particle: ParticleMask | None = None,
    pore: Bool[np.ndarray, "z y x"] | None = None,
    chemistry: Chemistry | None = None,
    mask_threshold: float | None = None,
    closing: float | int = CLOSING,
    look_for_cracks: bool = True,
) -> Morphology:
    """The whole analysis. Raises InputError where there is no particle.

    threshold: below it a voxel of the particle is pore; resolution_m: smaller pores are not counted in sizes; pore: segmented
    otherwise; particle: a mask that is known.
    """
    particle = particle_of(density, mask_threshold, closing) if particle is None else particle
    warnings, mask = particle.warnings, particle.mask
    values = np.where(np.isfinite(density), density, np.nan).astype(np.float32)
    pore = (mask & (values < threshold)) if pore is None else mask & pore
    squared = local_squared_radius(pore) if pore.any() else np.zeros(pore.shape, np.int32)
    if not pore.any():
        warnings += (
            f"no voxel of the particle is less dense than {threshold:g} e/A^3: no pores are resolved",
        )
    rho = normalised_radius(mask)
    sizes_m = diameter(squared, voxel_m).astype(np.float32)
    cracks = None
    if look_for_cracks:
        share = pore_share(np.nan_to_num(values), mask, 2 * threshold)
        cracks = find_cracks(share, mask, sizes_m)
    return Morphology(
        voxel_m=voxel_m,
        particle=particle,
        rho=rho,
        pore=pore,
        squared_radius=squared,
        profile=radial_profile(values, rho),
        density=zones(values, rho),
        resolved=resolved_porosity(values, mask, threshold),
        whole=whole_porosities(values, mask, chemistry),
        sizes={
            name: pore_sizes(diameter(squared, voxel_m, corrected), mask, resolution_m)
            for name, corrected in CONVENTIONS.items()
        },
        cracks=cracks,
        warnings=warnings,
    )
