"""Fits one whole measured powder pattern: cells, widths, shifts, areas of all reflections; see `classical.whole_pattern`."""

import dataclasses
from pathlib import Path
from typing import Any

import equinox as eqx
import numpy as np

from ..classical.whole_pattern import SHARED, Phase, WholePattern, phase_within
from ..classical.whole_pattern_fit import Fitted, count_errors, fit_pattern
from ..data.crystal_cif import read_crystal
from ..data.pattern_reader import AbstractPatternReader
from ..errors import InputError
from ..figures.canvas import save
from ..figures.powder_pattern import cropped, whole_pattern_fit
from ..forward.cell import SYSTEMS, Cell
from ..forward.diffractometer import COPPER_SPECTRUM
from ..forward.powder import COPPER_K_ALPHA, MOLYBDENUM_K_ALPHA
from ..forward.reflections import PHASES
from ..patterns import Patterns
from ..storage import write_text_atomically
from .pattern_tables import pattern_table, reflection_table
from .structure_areas import calculated_areas, volume_shares
from .task import AbstractTask

SPECTRA = ("single", "doublet", "natural")
SHIFTS = ("zero", "displacement")
AREAS = ("free", "structure")
METALS = {"copper": COPPER_K_ALPHA, "molybdenum": MOLYBDENUM_K_ALPHA}


def texts(values: Any) -> tuple[str, ...]:
    """A list of texts as a yaml gives it; a single text is a list of one."""
    return (values,) if isinstance(values, str) else tuple(str(v) for v in values)


def read_phase(text: str) -> tuple[str, str, Cell]:
    """(name, space group, cell) of `Al2O3`, a built-in phase, of `R-3m trigonal 2.87 14.2`, or of a CIF."""
    if text in PHASES:
        return text, *PHASES[text]
    if text.lower().endswith(".cif"):
        crystal = read_crystal(text)
        return crystal.name.replace(".", "_"), crystal.space_group, crystal.cell
    group, *rest = text.split()
    if not rest or rest[0] not in SYSTEMS:
        raise InputError(
            f"`phases` names {text!r}; expected one of {', '.join(PHASES)}, a CIF, or a space group, a crystal system and the "
            "free lengths (angstrom) and angles (degrees): `R-3m trigonal 2.87 14.2`."
        )
    try:
        return group, group, Cell(rest[0], tuple(float(word) for word in rest[1:]))
    except ValueError as error:
        raise InputError(f"`phases`: {text!r}: {error}") from None


def tube_lines(patterns: Patterns, spectrum: str) -> tuple[tuple[float, float, float], ...]:
    """(wavelength in metres, share, natural width) of the light; the pattern's own wavelength is that of the first line."""
    if spectrum not in SPECTRA:
        raise InputError(f"`spectrum` is {spectrum!r}; expected one of {', '.join(SPECTRA)}.")
    first = patterns.wavelength_m
    if spectrum == "single":
        return ((first, 1.0, 0.0),)
    near = [lines for lines in METALS.values() if abs(lines[0][0] / first - 1) < 1e-3]
    if not near or (spectrum == "natural" and near[0] is not COPPER_K_ALPHA):
        raise InputError(
            f"{patterns.source}: the wavelength is {first:g} m, no K alpha 1 line of {' or '.join(METALS)}; "
            "give `spectrum=single`."
        )
    if spectrum == "natural":
        return COPPER_SPECTRUM
    second = float(patterns.metadata.get("k_alpha_2_m") or first * near[0][1][0] / near[0][0][0])
    share = float(patterns.metadata.get("k_alpha_2_ratio") or near[0][1][1])
    return ((first, 1.0, 0.0), (second, share, 0.0))


def one_pattern(patterns: Patterns, number: int, range_deg: tuple[float, float] | None):
    """(2 theta, counts, sigma) of the measured channels of one pattern, in float64."""
    counts = patterns.counts.reshape(-1, patterns.counts.shape[-1])
    if not 0 <= number < len(counts):
        raise InputError(f"`pattern` is {number}; {patterns.source} holds {len(counts)}, counted from 0.")
    x, y = patterns.two_theta_deg, counts[number].astype(np.float64)
    low, high = range_deg or (x[0], x[-1])
    keep = (y >= 0) & (x >= low) & (x <= high)
    if keep.sum() < 20:
        raise InputError(
            f"`range_deg`: {int(keep.sum())} channels between {low:g} and {high:g} degrees; expected 20 or more."
        )
    variance = patterns.variance
    spread = None if variance is None else variance.reshape(counts.shape)[number].astype(np.float64)[keep]
    return x[keep], y[keep], count_errors(y[keep], spread)


class PowderPattern(AbstractTask):
    """The fit of one pattern.

    phases: built-in names, or `R-3m trigonal 2.87 14.2`. spectrum: `single`, `doublet` (K alpha 1 and 2), or `natural` (the four
    lines of copper with their widths). profile: `thompson_cox_hastings` or `pseudo_voigt`. widths: which of u, v, w are free.
    shifts: `zero`, `displacement`, both or none. axial: whether low reflections have a tail. divergence_deg: of the beam on a
    flat specimen. goniometer_mm: radius, to say the displacement in millimetres. search_deg: how far peaks may be off. pattern:
    number of one in a file of several. areas: `free`, or `structure`: as the atoms say, one scale for each phase (Rietveld with
    the atoms fixed). monochromator_deg: its 2 theta, 0 for none, null for light whose polarisation is corrected already.
    """

    data: AbstractPatternReader
    phases: tuple[str, ...] = eqx.field(converter=texts)
    range_deg: tuple[float, ...] | None = None
    spectrum: str = "doublet"
    profile: str = "thompson_cox_hastings"
    widths: tuple[str, ...] = eqx.field(converter=texts, default=("u", "v", "w"))
    shifts: tuple[str, ...] = eqx.field(converter=texts, default=("zero",))
    second_line: bool = True
    axial: bool = True
    divergence_deg: float = 0.0
    goniometer_mm: float | None = None
    background_terms: int = 8
    fwhm_deg: float = 0.1
    reach_deg: float = 4.0
    search_deg: float = 0.2
    pattern: int = 0
    areas: str = "free"
    monochromator_deg: float | None = 0.0

    def __check_init__(self):
        for name, values, known in (
            ("shifts", self.shifts, SHIFTS),
            ("widths", self.widths, ("u", "v", "w")),
        ):
            if strange := set(values) - set(known):
                raise InputError(
                    f"`{name}` names {sorted(strange)[0]!r}; expected some of {', '.join(known)}."
                )
        if self.areas not in AREAS:
            raise InputError(f"`areas` is {self.areas!r}; expected one of {', '.join(AREAS)}.")
        if self.range_deg is not None and (
            len(self.range_deg) != 2 or self.range_deg[0] >= self.range_deg[1]
        ):
            raise InputError(f"`range_deg` is {list(self.range_deg)}; expected [lowest, highest] 2 theta.")

    def fit(self, patterns: Patterns) -> Fitted:
        """Of the chosen pattern."""
        limits = None if self.range_deg is None else (float(self.range_deg[0]), float(self.range_deg[1]))
        x, counts, sigma = one_pattern(patterns, self.pattern, limits)
        lines = tube_lines(patterns, self.spectrum)
        model = WholePattern(
            two_theta_deg=x,
            phases=self._named_phases(lines[0][0], (float(x[0]), float(x[-1]))),
            lines=lines,
            profile=self.profile,
            axial=self.axial,
            divergence_rad=float(np.radians(self.divergence_deg)),
            reach_deg=self.reach_deg,
        )
        if self.areas == "structure":
            model = dataclasses.replace(
                model, tie=calculated_areas(self.phases, model, self.monochromator_deg)
            )
        own = [name for phase in model.phases for name in phase.own(self.profile)]
        free = (
            *self.shifts,
            *self.widths,
            *(("mixing", "mixing_slope") if self.profile == "pseudo_voigt" else ()),
            *own,
        )
        free += ("axial",) * self.axial + ("second_line",) * (self.second_line and len(lines) > 1)
        return fit_pattern(
            model,
            counts,
            sigma,
            free,
            model.start(self.fwhm_deg),
            background_terms=self.background_terms,
            search_deg=self.search_deg if "displacement" in self.shifts else 0.0,
        )

    def _named_phases(self, wavelength_m: float, limits: tuple[float, float]) -> tuple[Phase, ...]:
        found = []
        for text in self.phases:
            name, group, cell = read_phase(text)
            taken = sum(phase.name.split(" ")[0] == name for phase in found)
            named = f"{name} {taken + 1}" if taken else name
            found.append(phase_within(named, group, cell, wavelength_m, limits))
        return tuple(found)

    def __call__(self, folder: Path, seed: int) -> dict[str, float | int | None]:
        return self.written(self.fit(self.data.read()), folder)

    def written(self, fitted: Fitted, folder: Path) -> dict[str, float | int | None]:
        """Tables and figures in the folder; the numbers."""
        write_text_atomically(folder / "pattern.csv", pattern_table(fitted))
        write_text_atomically(folder / "reflections.csv", reflection_table(fitted))
        save(whole_pattern_fit(fitted), folder / "figures/pattern.png")
        strongest = fitted.model.centres_deg(fitted.parameters)[int(np.argmax(fitted.area))]
        save(
            whole_pattern_fit(cropped(fitted, float(strongest) - 2, float(strongest) + 2), root=False),
            folder / "figures/strongest_reflection.png",
        )
        return self.metrics(fitted)

    def metrics(self, fitted: Fitted) -> dict[str, float | int | None]:
        """Cells with errors, figures of merit, shifts."""
        found: dict[str, float | int | None] = {}
        for k, phase in enumerate(fitted.model.phases):
            prefix = f"{phase.name.replace(' ', '_')}_" if len(fitted.model.phases) > 1 else ""
            values, errors = fitted.cell(k)
            for name, value in values.items():
                unit = "angstrom" if name in "abc" else "deg"
                found |= {f"{prefix}{name}_{unit}": value, f"{prefix}{name}_error": errors[name]}
        found |= {"r_wp": fitted.r_wp, "r_exp": fitted.r_exp, "chi2_reduced": fitted.chi2_reduced}
        found |= {name: fitted.parameters[name] for name in SHARED} | {n: fitted.parameters[n] for n in "uvw"}
        if self.goniometer_mm is not None:
            found["displacement_mm"] = fitted.parameters["displacement"] * self.goniometer_mm
            found["displacement_error_mm"] = fitted.errors["displacement"] * self.goniometer_mm
        if fitted.model.tie is not None:
            found |= volume_shares(fitted)
        found["axial_deg"] = float(np.degrees(found.pop("axial") or 0.0))
        found["unknowns"], found["converged"] = fitted.unknowns, int(fitted.converged)
        return found
