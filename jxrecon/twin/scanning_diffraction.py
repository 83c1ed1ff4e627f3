"""Scanning X-ray diffraction of the particle, simulated: powder patterns of rays, as a map or a tomogram.

    y(t, v, u, x) = count( i0 { c sum_f h(u - f) exp(-mu_tf) sum_r F_tfr P_r(x) + air + glass } )

P_r are the patterns of fine voxels (`voxel_patterns`), a few hundred in a voxel of the scan and the height of its beam; F_t
the exact area footprints of the fine voxels at the true angle (`projector`); mu_tf the absorption along the fine ray f, in and
out together, as 2 theta is small; h the beam's profile. What goes wrong beside photon counting is in `diffraction_nuisances`.
Nothing of it is shared with the reconstruction, which projects coarse voxels by interpolation and has one peak in each of
them.

A view is one angle; v counts rows (heights), u the steps across the axis of rotation, as in `Patterns`.
"""

import dataclasses
from typing import Any

import equinox as eqx
import numpy as np
import scipy.sparse
from jaxtyping import Float

from ..forward.material import Material, wavelength_m
from ..patterns import Patterns
from .acquisition import TiltAngles
from .diffraction_background import air, diffuse, glass, spinel
from .diffraction_factors import HKL, intensity_factors
from .diffraction_nuisances import Conditions, DiffractionNuisances, conditions, stream
from .diffraction_rays import FineRays
from .diffraction_truth import Amounts, voxel_truth
from .drawn import Drawn
from .lit_slices import REACH, LitSlice, beam_layers, draw_voxels, lit_slice, tables_of
from .particle import Particle, preset
from .scene import Capillary
from .states import STATES
from .voxel_patterns import Optics, seen_nearer

NEEDED = ("003", "101", "104")
USUAL = 0.95  # e/A^3 of the voxel that the counts are stated for
FEW_VIEWS = 8


@dataclasses.dataclass(frozen=True)
class DiffractionScan:
    """What was measured and what is true.

    expected: of the counts, with all nuisances. maps: truths by name, `v y x` on voxels of the scan's step (for a single view,
    of its rays: y has one row); see `diffraction_truth`. voxels: noiseless counts of these voxels in one view, without air and
    glass.
    """

    patterns: Patterns
    expected: Float[np.ndarray, "view v u channel"]
    maps: dict[str, Float[np.ndarray, "v y x"]]
    voxels: Float[np.ndarray, "v y x channel"]
    conditions: Conditions


def _scaled(matrix: scipy.sparse.csr_array, columns: np.ndarray) -> scipy.sparse.csr_array:
    """The matrix with its columns times these factors."""
    data = matrix.data * columns[matrix.indices]
    return scipy.sparse.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)


class ScanningDiffraction(eqx.Module):
    """A scan to be.

    finer              fine voxels per step. The fine grid is as wide as the scan; that of the particle is not used.
    beam_m             full width at half maximum, along v and u
    slices             rows, one step apart, about the middle; 0 is the whole particle
    two_theta          first and last channel and their distance, degrees
    counts_per_voxel   photons of a reflection of unit amplitude from one voxel of the scan, 0.95 e/A^3, in all views together
    air, glass         counts per channel and ray at 8.6 degrees, the latter of a beam through the middle of the capillary
    diffuse            of the specimen, counts per degree relative to a reflection of unit amplitude
    absorption         by the specimen
    shells             the state's layers of reflections; without, all voxels scatter alike
    """

    particle: Particle = preset("mid")
    reflections: tuple[str, ...] = NEEDED
    finer: int = 6
    step_m: float = 0.48e-6
    beam_m: float = 1e-6
    slices: int = 1
    angles: TiltAngles = TiltAngles(count=180)
    energy_keV: float = 17.3
    two_theta: tuple[float, float, float] = (7.5, 21.5, 0.02)
    instrument_deg: float = 0.035
    distance_m: float = 0.2
    counts_per_voxel: float = 1e4
    air: float = 2.0
    glass: float = 0.0
    capillary: Capillary = Capillary(inner_radius_m=20e-6, wall_m=5e-6)
    diffuse: float = 0.03
    absorption: bool = True
    shells: bool = True
    nuisances: DiffractionNuisances = DiffractionNuisances()
    poisson: bool = True

    def __check_init__(self):
        if strange := [n for n in self.reflections if n not in HKL]:
            raise ValueError(f"`reflections` has {strange[0]}; the twin knows {', '.join(HKL)}.")
        if missing := [n for n in NEEDED if n not in self.reflections]:
            raise ValueError(f"`reflections` lacks {missing[0]}, which the cell follows from.")

    @property
    def optics(self) -> Optics:
        first, last, step = self.two_theta
        channels = first + step * np.arange(int(round((last - first) / step)) + 1)
        return Optics(wavelength_m(self.energy_keV), self.instrument_deg, channels)

    @property
    def width(self) -> int:
        """Steps of a row: the particle, and air on both sides."""
        return 2 * int(np.ceil((1.1 * self.particle.radius_m + self.beam_m) / self.step_m))

    @property
    def rays(self) -> FineRays:
        return FineRays(self.width, self.finer, self.step_m, self.beam_m)

    def heights_m(self) -> Float[np.ndarray, " v"]:
        count = self.slices or self.width
        return (np.arange(count) - (count - 1) / 2) * self.step_m

    def __call__(self, seed: int = 0) -> DiffractionScan:
        """Simulate a scan of the particle `seed`."""
        views = conditions(self.angles, self.nuisances, (len(self.heights_m()), self.width), seed)
        many = len(views.number) > FEW_VIEWS
        lit, drawn = self._lit(seed, many)
        alike = many and not (self.nuisances.texture or self.nuisances.grains)
        rows = [self._rows(row.together() if alike else row, views, seed) for row in lit]
        signal = np.stack(rows, axis=1) * np.float32(self._counts_per_area())
        expected = ((signal + self._around(views)) * views.flux[..., None]).astype(np.float32)
        del signal
        counts = expected
        if self.poisson:
            noisy = [
                stream(seed, "noise", int(n)).poisson(e) for n, e in zip(views.number, expected, strict=True)
            ]
            counts = np.stack(noisy).astype(np.float32)
        patterns = Patterns(
            counts=counts,
            two_theta_deg=self.optics.channel_deg,
            wavelength_m=self.optics.wavelength_m,
            angle_deg=views.nominal_deg,
            monitor=views.monitor,
            step_m=(self.step_m, self.step_m),
            source="simulated",
            metadata=self._said(),
        )
        return DiffractionScan(patterns, expected, *self._truth(lit, drawn, views), views)

    def _truth(self, lit: list[LitSlice], drawn: Drawn, views: Conditions) -> tuple[dict, np.ndarray]:
        rays, single = self.rays, len(views.number) == 1
        angle, shift = float(np.deg2rad(views.true_deg[0])), float(views.shift[0])
        beam = scipy.sparse.csr_array(rays.beam())
        matrices = [
            beam @ rays.footprints(row.column, angle, shift) if single else rays.voxel_means(row.column)
            for row in lit
        ]
        amounts = Amounts(self._counts_per_area(), self.diffuse, self.nuisances.second_phase)
        maps, voxels = voxel_truth(
            lit, matrices, self.optics, amounts, (1 if single else self.width, self.width)
        )
        place = rays.steps_m()
        if single:
            radius = np.hypot(self.heights_m()[:, None], place)[:, None] / self.particle.radius_m
        else:
            pairs = [
                np.array([h, h + self.step_m]) for h in self.heights_m()
            ]  # a grid has two planes or more
            radius = np.concatenate([drawn.maps(z, place, place, 1).radius[:1] for z in pairs])
        maps["radius"] = radius.astype(np.float64)
        return maps, voxels

    def _said(self) -> dict[str, Any]:
        return {
            "format": "simulated",
            "state": self.particle.state,
            "beam_m": self.beam_m,
            "distance_m": self.distance_m,
            "whole_counts": self.poisson,
        }

    def _counts_per_area(self) -> float:
        """Photons per channel and view of one unit of amount, per degree of its profile."""
        views = len(self.angles.degrees(0))
        return self.counts_per_voxel / views / USUAL * self.two_theta[2]

    def _lit(self, seed: int, many: bool) -> tuple[list[LitSlice], Drawn]:
        pitch, across = self.rays.pitch_m, self.rays.across_m()
        heights = self.heights_m()
        more = int(np.ceil(REACH * self.beam_m / pitch))
        count = int(round((heights[-1] - heights[0]) / pitch)) + 1 + 2 * more
        z = heights[0] + (np.arange(count) - more) * pitch
        drawn = self.particle.draw(seed)
        every = draw_voxels(drawn, z, across, self.particle.supersample, self.reflections, self.shells)
        names = {n: HKL[n] for n in self.reflections}
        tables = tables_of(STATES[self.particle.state], self.optics, every, names, self.nuisances.parallax)
        found = []
        for height in heights:
            number, share = beam_layers(float(height), z, self.beam_m)
            found.append(lit_slice(every, (number, share, z[number] / pitch), tables, self.rays.fine, many))
        return found, drawn

    def _rows(self, row: LitSlice, views: Conditions, seed: int) -> Float[np.ndarray, "view u channel"]:
        return np.stack([self._rays(row, views, k, seed) for k in range(len(views.number))])

    def _rays(self, row: LitSlice, views: Conditions, k: int, seed: int) -> Float[np.ndarray, "u channel"]:
        """Sums of amounts times patterns along the rays of one row in one view."""
        angle = float(np.deg2rad(views.true_deg[k]))
        matrix = self.rays.footprints(row.column, angle, float(views.shift[k]))
        through = np.exp(-self._depth(matrix @ row.means["density"]))
        beam = self.rays.beam() * through
        along = self.rays.downstream(row.column, angle)
        found = np.zeros((self.width, len(self.optics.channel_deg)), np.float32)
        factors = self._factors(row, along, (seed, int(views.number[k])))
        nearer = along * (self.rays.pitch_m / self.distance_m)
        for name, sheet in row.sheets.items():
            here = _scaled(matrix, factors[name]) if name in factors else matrix
            found += sheet.in_beam(beam, here)
            if name in row.moved:
                found += row.moved[name].in_beam(beam, _scaled(here, nearer))
        found += np.outer(beam @ (matrix @ row.means["density"]), self.diffuse * diffuse(self.optics)).astype(
            np.float32
        )
        if self.nuisances.second_phase:
            amount = self.nuisances.second_phase * (beam @ (matrix @ row.means["spinel"]))
            found += np.outer(amount, spinel(self.optics)).astype(np.float32)
        nearer = float(views.displacement_m[k]) / self.distance_m
        return seen_nearer(found, self.optics.channel_deg, nearer)

    def _factors(self, row: LitSlice, along: np.ndarray, stream_of: tuple[int, int]) -> dict[str, np.ndarray]:
        cosine, voxel = along**2 * row.inverse_square, self.rays.voxel(row.column)
        wavelength = self.optics.wavelength_m
        return intensity_factors(
            self.nuisances, self.reflections, wavelength, cosine, voxel, self.width, stream_of
        )

    def _depth(self, density: np.ndarray) -> np.ndarray:
        """mu L of the fine rays, from their electrons (e/A^3 times fine voxels)."""
        if not self.absorption:
            return np.zeros_like(density)
        return np.asarray(Material().attenuation_per_m(density, self.energy_keV)) * self.rays.pitch_m

    def _around(self, views: Conditions) -> Float[np.ndarray, "view v u channel"]:
        """Air and the capillary's glass, counts per channel."""
        u = self.rays.steps_m()
        found = np.zeros((len(views.number), 1, self.width, 1)) + self.air * air(self.optics)
        if self.glass:
            middle = self.capillary.path(np.zeros((1, 1)), 0.0, self.step_m)
            angles = np.deg2rad(views.true_deg)
            path = np.stack([self.capillary.path(u[None], float(a), self.step_m)[0] for a in angles]) / middle
            found = found + self.glass * path[:, None, :, None] * glass(self.optics)
        return found
