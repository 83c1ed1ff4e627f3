"""A whole measured powder pattern as a sum of reflections of known cells with free areas on a smooth background: Pawley's method.

    y(x) = sum_k area_k sum_l share_l pV(x - 2 theta_kl(cell) - shift_k; Gamma_kl, eta_kl) + sum_j b_j T_j(x)

over reflections k and emission lines l. The profile is a Thompson-Cox-Hastings pseudo-Voigt,

    Gamma_G^2 = U tan^2 theta + V tan theta + W,     Gamma_L = size / cos theta + strain tan theta + natural width of the line

(U, V, W shared by the phases, size and strain of each), or a pseudo-Voigt of width Gamma_G and mixing m_0 + m_1 tan theta; either
may be averaged over the aberrations of the diffractometer (`forward.diffractometer`). shift = zero - 2 s cos theta, s the
displacement of the specimen in radii of the goniometer. All parameters are float64 numbers in a dictionary.

Pawley, J. Appl. Cryst. 14, 357 (1981), doi 10.1107/S0021889881009618.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from ..forward.cell import Cell, bragg_deg
from ..forward.diffractometer import axial_shifts_deg, flat_specimen_deg
from ..forward.line_width import width_and_mixing
from ..forward.powder import offset_deg
from ..forward.reflections import Reflections, reflections
from ..kernels.profile_sum import pseudo_voigt

SAME_DISTANCE = 1e-7  # relative: such reflections are one peak, whatever the cell
SMALLEST_DEG = (
    0.005  # Gaussian widths fade into about this one where U, V, W would make their square negative
)
SHAPES = {
    "thompson_cox_hastings": ("u", "v", "w"),
    "pseudo_voigt": ("u", "v", "w", "mixing", "mixing_slope"),
}
SHARED = ("zero", "displacement", "axial", "second_line")


@dataclasses.dataclass(frozen=True)
class Phase:
    """A crystal with one peak for each distance of lattice planes."""

    name: str
    cell: Cell
    hkl: Int[np.ndarray, "peak 3"]
    names: tuple[str, ...]

    def own(self, profile: str) -> tuple[str, ...]:
        """Names of its parameters: relative changes of lengths and radians of angles, then widths."""
        widths = ("size", "strain") if profile == "thompson_cox_hastings" else ()
        return tuple(f"{self.name}.{name}" for name in (*self.cell.free, *widths))


def phase_within(
    name: str, space_group: str, cell: Cell, wavelength_m: float, range_deg: tuple[float, float]
) -> Phase:
    """The phase with all reflections of its space group in this range of 2 theta."""
    low, high = range_deg
    smallest = 1e10 * wavelength_m / 2 / np.sin(np.radians(high) / 2)
    found = reflections(space_group, cell, smallest_angstrom=float(smallest))
    inside = bragg_deg(found.hkl, cell, wavelength_m) >= low
    keep = [i for i in np.flatnonzero(inside) if not _doubled(found, int(i))]
    return Phase(name, cell, found.hkl[keep], tuple(found.names[i] for i in keep))


def _doubled(found: Reflections, i: int) -> bool:
    return i > 0 and bool(found.spacing_angstrom[i] > found.spacing_angstrom[i - 1] * (1 - SAME_DISTANCE))


@dataclasses.dataclass(frozen=True)
class WholePattern:
    """The model of one pattern.

    lines: (wavelength in metres, share, relative natural width) of each emission line; shares after the first half of them are
    multiplied by the parameter `second_line`. reach_deg: how far a peak goes on either side. divergence_rad: of the beam on a
    flat specimen, 0 for none. tie: areas are these times unknown numbers, None: each is an unknown of its own (Pawley); with one
    column of calculated intensities for each phase the model is Rietveld's, atoms fixed.
    """

    two_theta_deg: Float[np.ndarray, " channel"]
    phases: tuple[Phase, ...]
    lines: tuple[tuple[float, float, float], ...]
    profile: str = "thompson_cox_hastings"
    axial: bool = False
    divergence_rad: float = 0.0
    reach_deg: float = 4.0
    tie: Float[np.ndarray, "peak scale"] | None = None

    def __post_init__(self):
        if self.profile not in SHAPES:
            raise ValueError(f"`profile` is {self.profile!r}; expected one of {', '.join(SHAPES)}.")
        if not any(len(phase.hkl) for phase in self.phases):
            low, high = self.two_theta_deg[[0, -1]]
            raise ValueError(f"no phase has a reflection between {low:.2f} and {high:.2f} degrees.")

    @property
    def names(self) -> tuple[str, ...]:
        """Of all parameters."""
        own = [name for phase in self.phases for name in phase.own(self.profile)]
        return (*SHARED, *SHAPES[self.profile], *own)

    def start(self, fwhm_deg: float | int) -> dict[str, float]:
        """Unstrained cells without shifts; `fwhm_deg` is a first guess of the width."""
        values = dict.fromkeys(self.names, 0.0) | {"second_line": 1.0, "w": (0.7 * fwhm_deg) ** 2}
        values |= {"mixing": 0.5} if self.profile == "pseudo_voigt" else {}
        values |= {name: 0.3 * fwhm_deg for name in self.names if name.endswith((".size", ".strain"))}
        return values | ({"axial": 0.02} if self.axial else {})

    @property
    def owner(self) -> tuple[tuple[int, str], ...]:
        """(number of the phase, name of the reflection) of each peak."""
        return tuple((k, name) for k, phase in enumerate(self.phases) for name in phase.names)

    @property
    def scales(self) -> int:
        """How many unknowns the areas are made of."""
        return len(self.owner) if self.tie is None else self.tie.shape[1]

    def areas(self, scales):
        """(peak,) of the unknowns (scale,)."""
        return scales if self.tie is None else self.tie @ scales

    def reference_deg(self, line: int = 0) -> Float[np.ndarray, " peak"]:
        """2 theta of the unstrained cells."""
        wavelength = self.lines[line][0]
        return np.concatenate([bragg_deg(phase.hkl, phase.cell, wavelength) for phase in self.phases])

    def centres_deg(self, parameters: Mapping[str, Any], line: int = 0):
        """(peak,) 2 theta as it is measured: of the strained cells, zero and displacement included."""
        wavelength, reference = self.lines[line][0], self.reference_deg(line)
        strain = [
            jnp.stack([jnp.asarray(parameters[f"{p.name}.{f}"]) for f in p.cell.free]) for p in self.phases
        ]
        offset = [offset_deg(s, p.hkl, p.cell, wavelength) for s, p in zip(strain, self.phases)]
        moved = -2 * np.degrees(np.cos(np.radians(reference) / 2)) * parameters["displacement"]
        flat, _ = flat_specimen_deg(reference, self.divergence_rad)
        return reference + flat + jnp.concatenate(offset) + parameters["zero"] + moved

    def widths_deg(self, parameters: Mapping[str, Any], line: int = 0):
        """(peak,) widths and mixings, before aberrations."""
        reference = self.reference_deg(line)
        half, flat = np.radians(reference) / 2, flat_specimen_deg(reference, self.divergence_rad)[1]
        tangent, cosine = np.tan(half), np.cos(half)
        square = parameters["u"] * tangent**2 + parameters["v"] * tangent + parameters["w"] + flat**2
        gaussian = jnp.sqrt((square + jnp.sqrt(square**2 + SMALLEST_DEG**4)) / 2)
        if self.profile == "pseudo_voigt":
            return gaussian, jnp.clip(parameters["mixing"] + parameters["mixing_slope"] * tangent, 0, 1)
        which = np.array([k for k, _ in self.owner])
        size, strain = (
            jnp.stack([jnp.asarray(parameters[f"{p.name}.{part}"]) for p in self.phases])[which]
            for part in ("size", "strain")
        )
        natural = 2 * np.degrees(self.lines[line][2])
        return width_and_mixing(gaussian, size / cosine + (strain + natural) * tangent)

    def windows(self) -> tuple[Int[np.ndarray, " peak"], Int[np.ndarray, " peak"]]:
        """First channel and number of channels of every peak."""
        lines = [self.reference_deg(k) for k in range(len(self.lines))]
        first = np.searchsorted(self.two_theta_deg, np.min(lines, axis=0) - self.reach_deg)
        stop = np.searchsorted(self.two_theta_deg, np.max(lines, axis=0) + self.reach_deg)
        return first, stop - first

    def peaks(self, parameters: Mapping[str, Any]):
        """(peak, window) unit areas of the first line, with the other lines beside it; zero behind the end of a window."""
        first, counts = self.windows()
        index = first[:, None] + np.arange(counts.max())
        inside = np.arange(counts.max()) < counts[:, None]
        x = self.two_theta_deg[np.minimum(index, len(self.two_theta_deg) - 1)]
        total = jnp.zeros(x.shape)
        for k, (_, share, _) in enumerate(self.lines):
            centre, (width, mixing) = self.centres_deg(parameters, k), self.widths_deg(parameters, k)
            ratio = share * (parameters["second_line"] if 2 * k >= len(self.lines) > 1 else 1.0)
            distance, width, mixing = x - centre[:, None], width[:, None], mixing[:, None]
            if self.axial:
                shifts, weights = axial_shifts_deg(self.reference_deg(k), parameters["axial"])
                total = total + ratio * _averaged(distance, width, mixing, shifts, weights)
            else:
                total = total + ratio * pseudo_voigt(distance, width, mixing)
        return jnp.where(inside, total, 0)


def _averaged(distance, width, mixing, shifts, weights):
    """Mean of the profile over shifts: (peak, window)."""

    def add(total, node):
        shift, weight = node
        return total + weight * pseudo_voigt(distance - shift[:, None], width, mixing), None

    start = jnp.zeros_like(distance)
    return jax.lax.scan(add, start, (shifts.T, jnp.asarray(weights)))[0]
