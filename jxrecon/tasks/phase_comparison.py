"""Which crystals describe a pattern, or every pattern of a map, by data kept back; see `classical.phase_comparison`."""

from pathlib import Path

import equinox as eqx
import numpy as np

from ..classical.phase_comparison import WAYS, Comparison, compare
from ..classical.whole_pattern import WholePattern, phase_within
from ..classical.whole_pattern_fit import count_errors
from ..data.pattern_reader import AbstractPatternReader
from ..data.write_maps import write_maps
from ..errors import InputError
from ..figures.canvas import save
from ..figures.chosen_phase import chosen_phase
from ..figures.powder_pattern import whole_pattern_fit
from ..patterns import Patterns
from ..storage import write_text_atomically
from .pattern_tables import table
from .powder_pattern import SHIFTS, read_phase, texts, tube_lines
from .task import AbstractTask

HEAD = (
    "pattern",
    "alternative",
    "chi2_heldout",
    "chi2_behind",
    "error",
    "unknowns",
    "chi2_reduced",
    "chosen",
)


class PhaseComparison(AbstractTask):
    """The comparison of two alternatives or more on all patterns of a file.

    alternatives: `Al2O3`, `R-3m trigonal 2.87 14.2`, or several phases at once: `R-3m trigonal 2.87 14.2 + Fd-3m cubic 8.16`.
    way: `thinned` (counts), `blocks` (anything else), or auto. folds: draws, or parts of the channels; block: channels in a
    row. spectrum, profile, shifts, background_terms, fwhm_deg, reach_deg, search_deg: as in `PowderPattern`; free are the
    cells, the width w and the phases' own widths or the mixing. number: only this pattern of the file, or None. mean: the
    mean of all patterns, for one answer.
    """

    data: AbstractPatternReader
    alternatives: tuple[str, ...] = eqx.field(converter=texts)
    range_deg: tuple[float, ...] | None = None
    way: str = "auto"
    folds: int = 5
    block: int | None = None
    spectrum: str = "single"
    profile: str = "pseudo_voigt"
    shifts: tuple[str, ...] = eqx.field(converter=texts, default=("zero",))
    background_terms: int = 6
    fwhm_deg: float = 0.1
    reach_deg: float = 2.0
    search_deg: float = 0.0
    number: int | None = None
    mean: bool = False

    def __check_init__(self):
        if len(self.alternatives) < 2:
            raise InputError(f"`alternatives` is {list(self.alternatives)}; expected two or more to compare.")
        if self.way not in ("auto", *WAYS):
            raise InputError(f"`way` is {self.way!r}; expected auto, {' or '.join(WAYS)}.")
        if strange := set(self.shifts) - set(SHIFTS):
            raise InputError(f"`shifts` names {sorted(strange)[0]!r}; expected some of {', '.join(SHIFTS)}.")

    def model(self, alternative: str, patterns: Patterns, x: np.ndarray) -> WholePattern:
        lines = tube_lines(patterns, self.spectrum)
        phases, limits = [], (float(x[0]), float(x[-1]))
        for text in alternative.split(" + "):
            name, group, cell = read_phase(text.strip())
            taken = sum(phase.name.split(" ")[0] == name for phase in phases)
            phases.append(
                phase_within(f"{name} {taken + 1}" if taken else name, group, cell, lines[0][0], limits)
            )
        try:
            return WholePattern(x, tuple(phases), lines, self.profile, reach_deg=self.reach_deg)
        except ValueError as error:
            raise InputError(f"`alternatives`: {alternative}: {error}") from None

    def free(self, model: WholePattern) -> tuple[str, ...]:
        own = [name for phase in model.phases for name in phase.own(self.profile)]
        return (*self.shifts, "w", *(("mixing",) if self.profile == "pseudo_voigt" else ()), *own)

    def points(self, patterns: Patterns):
        """(2 theta, (pattern, channel) counts and sigma, which patterns of the file they are)."""
        x = patterns.two_theta_deg
        low, high = self.range_deg or (x[0], x[-1])
        keep = (x >= low) & (x <= high)
        counts = patterns.counts.reshape(-1, len(x))[:, keep].astype(np.float64)
        whole = np.all(counts >= 0, axis=1)
        which = np.flatnonzero(whole) if self.number is None else np.array([self.number])
        if keep.sum() < 20 or not len(which) or which[-1] >= len(counts) or not whole[which].all():
            raise InputError(
                f"{patterns.source}: no pattern was measured in all {int(keep.sum())} channels from {low:g} to {high:g} degrees."
            )
        variance = patterns.variance
        spread = None if variance is None else variance.reshape(-1, len(x))[:, keep].astype(np.float64)
        sigma = [count_errors(counts[k], None if spread is None else spread[k]) for k in which]
        chosen, spread = counts[which], np.stack(sigma)
        if self.mean:
            spread = np.sqrt(np.mean(spread**2, axis=0, keepdims=True) / len(which))
            chosen, which = chosen.mean(axis=0, keepdims=True), which[:1]
        return x[keep], chosen, spread, which

    def compare(self, patterns: Patterns) -> tuple[Comparison, np.ndarray]:
        """(comparison, numbers of the patterns)."""
        x, counts, sigma, which = self.points(patterns)
        whole = bool(np.all(counts == np.round(counts))) and patterns.variance is None
        if self.way == "thinned" and not whole:
            raise InputError(
                f"{patterns.source}: holds no whole counts, which `way=thinned` needs; give `way=blocks`."
            )
        models = {name: self.model(name, patterns, x) for name in self.alternatives}
        found = compare(
            models,
            counts,
            sigma,
            {name: self.free(model) for name, model in models.items()},
            fwhm_deg=self.fwhm_deg,
            way=("thinned" if whole else "blocks") if self.way == "auto" else self.way,
            folds=self.folds,
            block=self.block or max(int(self.fwhm_deg / 2 / np.median(np.diff(x))), 1),
            background_terms=self.background_terms,
            search_deg=self.search_deg if "displacement" in self.shifts else 0.0,
        )
        return found, which

    def __call__(self, folder: Path, seed: int) -> dict[str, float | int | None]:
        patterns = self.data.read()
        found, which = self.compare(patterns)
        chosen = found.chosen
        write_text_atomically(folder / "alternatives.csv", comparison_table(found, which))
        strongest = int(np.argmax([fit.area.sum() for fit in found.fits[0]]))
        save(whole_pattern_fit(found.fits[chosen[strongest]][strongest]), folder / "figures/pattern.png")
        views, *shape = patterns.counts.shape[:3]
        if len(which) > 1 and views == 1:
            flat = {name: np.full(shape[0] * shape[1], np.nan) for name in ("held_out", "ahead")}
            number = np.full(shape[0] * shape[1], -1)
            number[which], flat["ahead"][which] = chosen, found.ahead()
            flat["held_out"][which] = found.held_out[chosen, np.arange(len(which))]
            grid = {name: values.reshape(shape) for name, values in flat.items()}
            save(
                chosen_phase(number.reshape(shape), grid["held_out"], grid["ahead"], found.names),
                folder / "figures/chosen.png",
            )
            maps = {"chosen": (number.reshape(shape).astype(float), "")} | {
                n: (v, "") for n, v in grid.items()
            }
            step = None if patterns.step_m is None else [1e6 * s for s in patterns.step_m]
            write_maps(folder / "maps.h5", maps, step, title="; ".join(found.names))
        return metrics(found)


def metrics(found: Comparison) -> dict[str, float | int | None]:
    """Of every alternative (by its number): how often it is chosen, its mean chi^2 of data kept back, how far it lies behind."""
    result: dict[str, float | int | None] = {"patterns": len(found.chosen)}
    for k in range(len(found.names)):
        result |= {
            f"chosen_{k}": int(np.sum(found.chosen == k)),
            f"chi2_heldout_{k}": float(found.held_out[k].mean()),
            f"chi2_behind_{k}": float(found.behind[k].mean()),
            f"chi2_behind_error_{k}": float(np.sqrt(np.mean(found.behind_error[k] ** 2))),
        }
    return result


def comparison_table(found: Comparison, which: np.ndarray) -> str:
    rows = (
        [
            int(which[p]),
            name,
            f"{found.held_out[k, p]:.5g}",
            f"{found.behind[k, p]:.5g}",
            f"{found.behind_error[k, p]:.4g}",
            found.unknowns[k],
            f"{found.fits[k][p].chi2_reduced:.5g}",
            int(found.chosen[p] == k),
        ]
        for p in range(len(which))
        for k, name in enumerate(found.names)
    )
    return table(HEAD, rows)
