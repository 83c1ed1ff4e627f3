"""Mask, densities, pores, cracks of one tomogram: numbers, maps, figures; beside the truth where a simulation tells it."""

import logging
from pathlib import Path
from typing import Any

import equinox as eqx
import numpy as np

from ..analysis.density import density_histogram
from ..analysis.morphology import Morphology, morphology_of, size_edges
from ..analysis.particle_mask import CLOSING, ParticleMask, dice, particle_of
from ..analysis.porosity import THRESHOLD, Chemistry
from ..analysis.radial import averaged_profile
from ..analysis.segmentation import PORE, best_cut, otsu_level, train
from ..data.volume_file import DensityVolume, read_volume
from ..data.write_maps import write_maps
from ..errors import InputError
from ..figures.canvas import save
from ..figures.density_histogram import density_histogram_curve
from ..figures.half_maps import half_maps, middle_slice
from ..figures.orthoslices import orthoslices
from ..figures.particle_views import View, particle_views
from ..figures.pore_histogram import pore_histogram
from ..figures.radial_density import radial_density
from ..storage import write_text_atomically
from .task import AbstractTask

SEGMENTATIONS = ("threshold", "otsu", "trained")
COMPARED = ("density_mean", "density_core", "density_shell", "porosity", "pore_mean_nm", "pore_p95_nm")
_log = logging.getLogger(__name__)


class ParticleMorphology(AbstractTask):
    """threshold: e/A^3, below which a voxel of the particle is pore. segmentation: `threshold`, `otsu`, or `trained` by voxels
    that the volume file `marks` shows (1 pore, 2 solid, 0 no mark). resolution_nm: smaller pores count in no distribution.
    mask_threshold, closing_voxels: of the particle's mask. lithium, lost_oxygen, volume_change: composition Li_y M O_(2-x) and
    growth of the cell, for the density of the solid; no `lithium`, no chemistry. cracks: whether to look for them."""

    data: Any
    threshold: float = eqx.field(converter=float, default=THRESHOLD)
    segmentation: str = "threshold"
    marks: str | None = None
    resolution_nm: float = eqx.field(converter=float, default=0.0)
    mask_threshold: float | None = None
    closing_voxels: float = eqx.field(converter=float, default=CLOSING)
    lithium: float | None = None
    lost_oxygen: float = eqx.field(converter=float, default=0.0)
    volume_change: float = eqx.field(converter=float, default=0.0)
    cracks: bool = True

    def __check_init__(self):
        if self.segmentation not in SEGMENTATIONS:
            raise InputError(
                f"`segmentation` is {self.segmentation!r}; expected one of {', '.join(SEGMENTATIONS)}."
            )
        if (self.segmentation == "trained") != (self.marks is not None):
            raise InputError("`marks` (a label image) goes with `segmentation=trained`, and that with it.")

    def __call__(self, folder: Path, seed: int) -> dict[str, float | int | None]:
        volume: DensityVolume = self.data.read()
        density = volume.electron_density
        particle = particle_of(density, self.mask_threshold, self.closing_voxels)
        pore, probability, numbers = self.pores(density, particle)
        found = self._analysed(density, volume.voxel_m, particle, pore)
        truth = None
        if "electron_density" in volume.truth:
            known = ParticleMask(np.asarray(volume.truth["inside"]) > 0.5, particle.threshold)
            truth = self._analysed(volume.truth["electron_density"], volume.voxel_m, known, None)
            numbers |= compared(found, truth)
        for warning in found.warnings:
            _log.warning("%s: %s.", volume.source, warning)
        if found.warnings:
            write_text_atomically(folder / "warnings.txt", "\n".join(found.warnings) + "\n")
        write(folder / "maps.h5", volume, found, probability)
        self._draw(folder / "figures", volume, found, truth)
        return found.metrics() | numbers

    def _analysed(self, density, voxel_m: float, particle: ParticleMask, pore) -> Morphology:
        chemistry = None
        if self.lithium is not None:
            chemistry = Chemistry(self.lithium, self.lost_oxygen, 1 + self.volume_change)
        return morphology_of(
            density,
            voxel_m,
            threshold=self.threshold,
            resolution_m=self.resolution_nm * 1e-9,
            particle=particle,
            pore=pore,
            chemistry=chemistry,
            look_for_cracks=self.cracks,
        )

    def pores(self, density: np.ndarray, particle: ParticleMask):
        """(pores, their probability, numbers about how they were found); None, None where the threshold serves."""
        if self.segmentation == "threshold":
            return None, None, {}
        if self.segmentation == "otsu":
            level = otsu_level(density, particle.mask)
            return density < level, None, {"otsu_level": level}
        marks, _ = read_volume(str(self.marks))
        chance = train(density, np.rint(marks).astype(np.int32)).probability(np.nan_to_num(density), PORE)
        inside = chance[particle.mask]
        cut = best_cut(inside)
        numbers = {"porosity_expected": float(inside.mean(dtype=np.float64)), "probability_cut": cut}
        return chance > cut, chance, numbers

    def _draw(self, folder: Path, volume: DensityVolume, found: Morphology, truth: Morphology | None) -> None:
        voxel_m, density = volume.voxel_m, volume.electron_density
        rows = {"found": found} if truth is None else {"found": found, "truth": truth}
        shown = {"found": density, "truth": volume.truth.get("electron_density", density)}
        crack = None if found.cracks is None else found.cracks.label > 0
        edges = size_edges(voxel_m, self.resolution_nm * 1e-9)
        sizes = {name: {"particle": [m.sizes_in(edges, edges[0])]} for name, m in rows.items()}
        profiles = {name: {"particle": averaged_profile([m.profile])} for name, m in rows.items()}
        halves = {
            name: {"particle": middle_slice(1e9 * m.diameter_m(), shown[name], m.particle.mask)}
            for name, m in rows.items()
        }
        save(particle_views({"particle": View(density, crack)}, voxel_m), folder / "particle.png")
        save(half_maps(halves, voxel_m), folder / "pores_and_density.png")
        save(pore_histogram(sizes["found"], sizes.get("truth"), self.resolution_nm), folder / "pores.png")
        save(radial_density(profiles["found"], profiles.get("truth")), folder / "radial_density.png")
        save(orthoslices(density, voxel_m), folder / "orthoslices.png")
        histograms = [density_histogram(shown[name], m.particle.mask) for name, m in rows.items()]
        save(density_histogram_curve(*histograms), folder / "density_histogram.png")


def compared(found: Morphology, truth: Morphology) -> dict[str, float | int | None]:
    """Overlap of mask and pores with the true ones, and the truth's numbers."""
    exact = truth.metrics()
    return {
        "mask_dice": dice(found.particle.mask, truth.particle.mask),
        "pore_dice": dice(found.pore, truth.pore),
        **{f"true_{name}": exact[name] for name in COMPARED},
    }


def write(path: Path, volume: DensityVolume, found: Morphology, probability: np.ndarray | None) -> None:
    """All maps (z, y, x)."""
    maps = {
        "electron_density": (volume.electron_density, "1/angstrom^3"),
        "particle": (found.particle.mask.astype(np.uint8), ""),
        "radius": (found.rho, ""),
        "pore": (found.pore.astype(np.uint8), ""),
        "pore_diameter": (1e9 * found.diameter_m(), "nm"),
    }
    if probability is not None:
        maps["pore_probability"] = (probability, "")
    if found.cracks is not None:
        maps["crack"] = (found.cracks.label, "")
    write_maps(path, maps, [volume.voxel_m * 1e6] * 3, title=f"morphology of {volume.source}")
