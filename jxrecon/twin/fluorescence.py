"""Fluorescence tomography of the particle, simulated: counts of manganese, cobalt and nickel in detectors beside the beam.

    S(t, d, u, c) = sum_z h(z) int h(s - u) ds int dt  sum_l R(d, c, l) rho_e(l) exp(-int_up mu(E0) dt) exp(-int_out mu(E_l) ds)

The particle is drawn on voxels a few times finer than the scan's step, in some layers z under the beam's height; each layer is
turned by spline interpolation into the frame (t along the beam, s across), where all integrals are sums of its own rows and
columns. Nothing of this is shared with `forward.fluorescence`, which carries weights into a ray transform on coarse voxels; the
tables of lines and absorption are common to both.

An interior voxel of the scan without absorption gives `counts_per_voxel` of cobalt, summed over views and detectors. The other
elements follow from the formula.
"""

import equinox as eqx
import numpy as np
import scipy.ndimage
from jaxtyping import Float
from scipy.special import ndtr

from ..fluorescence_sinograms import FluorescenceSinograms
from ..forward.emission_lines import lines, mass_attenuation_cm2_g, production_cm2_g
from ..forward.energy_spectrum import line_fwhm_keV, window_shares
from ..forward.material import GRAMS_PER_MOLE_AND_CUBIC_ANGSTROM, Material
from .lattice_maps import FORMULA
from .particle import Particle, preset

ELEMENTS = ("Mn", "Co", "Ni")
COMPANION = "Li1.41O2.41"  # of each metal atom
PER_FORMULA = tuple(FORMULA[name] for name in ("manganese", "cobalt", "nickel"))
SIGMA = 1 / np.sqrt(8 * np.log(2))
LAYERS_FWHM = 1.0  # to either side of a slice's height
CM_PER_M = 100.0


def line_list(elements: tuple[str, ...]) -> tuple[tuple[int, str, float], ...]:
    """(element, name, keV) of all K lines."""
    return tuple((k, n, e) for k, element in enumerate(elements) for n, (e, _) in lines(element).items())


def concentration(electron_density: Float[np.ndarray, "*grid"]) -> Float[np.ndarray, "*grid element"]:
    """g/cm^3 of manganese, cobalt and nickel at an electron density in e/A^3."""
    units = electron_density / Material().electrons() / GRAMS_PER_MOLE_AND_CUBIC_ANGSTROM
    grams = [n * Material(e).molar_mass_g() for e, n in zip(ELEMENTS, PER_FORMULA, strict=True)]
    return units[..., None] * np.array(grams)


def attenuation_per_m(density: Float[np.ndarray, "*grid element"], energy_keV: float) -> np.ndarray:
    """mu of a material with these concentrations (g/cm^3) and the lithium and oxygen that come with them."""
    companion = Material(COMPANION).molar_mass_g()
    total = 0.0
    for k, element in enumerate(ELEMENTS):
        other = companion / Material(element).molar_mass_g() * mass_attenuation_cm2_g(COMPANION, energy_keV)
        total = total + density[..., k] * (mass_attenuation_cm2_g(element, energy_keV) + other)
    return np.asarray(total * CM_PER_M)


def turned(planes: np.ndarray, angle: float) -> np.ndarray:
    """(plane, y, x) in the frame (plane, t, s): s = x cos + y sin, t = -x sin + y cos about the middle."""
    c, s = np.cos(angle), np.sin(angle)
    matrix = np.array([[c, s], [-s, c]])  # (y, x) of (t, s)
    middle = (np.array(planes.shape[1:]) - 1) / 2
    offset = middle - matrix @ middle
    return np.stack([scipy.ndimage.affine_transform(p, matrix, offset, order=1) for p in planes])  # pyright: ignore[reportArgumentType]


class SimulatedFluorescence(eqx.Module):
    """What is simulated. finer: voxels per step of the scan; the particle's own grid is not used.

    beam_m: full width at half maximum, along and across the axis. slices: heights, one step apart, about the particle's middle.
    detector_deg: -90 or 90, see
    `FluorescenceSinograms`; noise_keV: of the detector's electronics; window_keV: half width of the windows around K-alpha.
    """

    particle: Particle = preset("mid")
    finer: int = 3
    supersample: int = 2
    step_m: float = 0.48e-6
    beam_m: float = 1e-6
    views: int = 180
    slices: int = 1
    energy_keV: float = 17.3
    detector_deg: tuple[float, ...] = eqx.field(converter=tuple, default=(-90.0, 90.0))
    counts_per_voxel: float = 5e3
    noise_keV: float = 0.1
    window_keV: float = 0.11
    self_absorption: bool = True
    poisson: bool = True
    seed: int = 0

    def __check_init__(self):
        if set(self.detector_deg) - {-90.0, 90.0} or not self.detector_deg:
            raise ValueError(
                f"`detector_deg` is {self.detector_deg}; the simulation knows -90 and 90 degrees."
            )

    def read(self) -> FluorescenceSinograms:
        """Simulate the scan."""
        width = 2 * int(np.ceil((1.1 * self.particle.radius_m + self.beam_m) / self.step_m))
        drawn, angles = self.particle.draw(self.seed), np.arange(self.views) * np.pi / self.views
        fine = (np.arange(width * self.finer) - (width * self.finer - 1) / 2) * self.step_m / self.finer
        heights = (np.arange(self.slices) - self.slices // 2) * self.step_m
        response, counts, truth = self.response(), [], []
        for height in heights:
            z, weight = self._layers(height)
            layers = drawn.electron_density(z, fine, fine, self.supersample)
            counts.append(
                sum(w * self._layer(n, angles, response) for w, n in zip(weight, layers, strict=True))
            )
            mean = np.einsum("z,zyx->yx", weight, layers).reshape(width, self.finer, width, self.finer)
            truth.append(concentration(mean.mean((1, 3))))
        place = (np.arange(width) - (width - 1) / 2) * self.step_m
        radius = drawn.maps(heights, place, place, 1).radius
        expected = np.stack(counts, axis=3)
        rng = np.random.default_rng([self.seed, 1710])
        return FluorescenceSinograms(
            counts=rng.poisson(expected).astype(np.float64) if self.poisson else expected,
            angle_deg=np.rad2deg(angles),
            step_m=self.step_m,
            beam_m=self.beam_m,
            monitor=np.ones((self.views, width)),
            energy_keV=self.energy_keV,
            detector_deg=np.array(self.detector_deg),
            elements=ELEMENTS,
            companion=COMPANION,
            lines=tuple((k, e) for k, _, e in line_list(ELEMENTS)),
            response=response,
            axis_u=(width - 1) / 2,
            truth=np.stack(truth, axis=2),
            radius=np.moveaxis(np.where(radius > 0, radius, np.inf), 0, -1).astype(np.float64),
            source="simulated",
        )

    def _layers(self, height: float) -> tuple[np.ndarray, np.ndarray]:
        """Heights of the fine layers that the beam meets, and its share of each."""
        pitch = self.step_m / self.finer
        count = int(np.ceil(LAYERS_FWHM * self.beam_m / pitch))
        z = np.arange(-count, count + 1) * pitch
        weight = np.exp(-0.5 * (z / (SIGMA * self.beam_m)) ** 2)
        return height + z, weight / weight.sum()

    def response(self) -> Float[np.ndarray, "detector channel line"]:
        """Counts in each window per view of a voxel of 1 g/cm^3, without absorption."""
        several = line_list(ELEMENTS)
        energy = np.array([e for *_, e in several])
        windows = np.array([lines(e)["Ka"][0] + self.window_keV * np.array([-1, 1]) for e in ELEMENTS])
        shares = window_shares(energy, line_fwhm_keV(energy, self.noise_keV), windows)
        strength = [production_cm2_g(ELEMENTS[k], name, self.energy_keV) for k, name, _ in several]
        usual = concentration(np.array(0.95))[1] * shares[1, 2] * strength[2]
        scale = self.counts_per_voxel / (usual * self.views * len(self.detector_deg))
        one = scale * shares * np.array(strength)
        return np.repeat(one[None], len(self.detector_deg), axis=0)

    def _layer(self, density, angles, response) -> Float[np.ndarray, "view detector u channel"]:
        """Expected counts of one layer."""
        rho = np.moveaxis(concentration(density.astype(np.float64)), -1, 0)
        fine = self.step_m / self.finer
        energies = [e for *_, e in line_list(ELEMENTS)]
        mu = np.stack([attenuation_per_m(np.moveaxis(rho, 0, -1), e) for e in (self.energy_keV, *energies)])
        planes = np.concatenate([rho, mu * fine * self.self_absorption])
        beam = self._beam(rho.shape[-1])
        found = []
        for angle in angles:
            here = turned(planes, angle)
            emitted = self._emitted(here[: len(rho)], here[len(rho) :])
            found.append(np.einsum("us,dls,dcl->duc", beam, emitted, response) / self.finer**2)
        return np.stack(found)

    def _emitted(self, rho: np.ndarray, mu: np.ndarray) -> Float[np.ndarray, "detector line s"]:
        """What leaves each column s towards each detector, t summed; rho (element, t, s), mu (beam and lines, t, s)."""
        along = np.cumsum(mu[0], axis=0) - mu[0] / 2
        below = np.cumsum(mu[1:], axis=2) - mu[1:] / 2
        above = mu[1:].sum(axis=2, keepdims=True) - below
        lit = rho[[k for k, *_ in line_list(ELEMENTS)]] * np.exp(-along)
        sides = {-90.0: above, 90.0: below}
        return np.stack([(lit * np.exp(-sides[d])).sum(axis=1) for d in self.detector_deg])

    def _beam(self, fine: int) -> Float[np.ndarray, "u s"]:
        """Share of the beam at each step that falls on each fine column, times columns per step."""
        width = fine // self.finer
        step = (np.arange(width) - (width - 1) / 2) * self.finer
        column = np.arange(fine) - (fine - 1) / 2
        sigma = SIGMA * self.beam_m / self.step_m * self.finer
        below, above = (ndtr((column + side - step[:, None]) / sigma) for side in (-0.5, 0.5))
        return (above - below) * self.finer
