"""One reflection followed through a series of patterns (operando scans): its place, and how it splits at a phase transition."""

from pathlib import Path

import numpy as np

from ..classical.split_reflection import SplitReflection, follow
from ..data.pattern_reader import AbstractPatternReader
from ..errors import InputError
from ..figures.canvas import save
from ..figures.split_series import series_figure
from ..storage import write_text_atomically
from .pattern_tables import table
from .powder_pattern import tube_lines
from .task import AbstractTask


class SplitSeries(AbstractTask):
    """The fit of one reflection in every pattern of a series.

    centre_deg: about where it is. range_deg: 2 theta that is fitted. name: of the reflection, for the figure. threshold: gain in
    chi^2 from which two peaks are believed.
    """

    data: AbstractPatternReader
    centre_deg: float
    range_deg: tuple[float, float]
    name: str = "003"
    spectrum: str = "doublet"
    fwhm_deg: float = 0.15
    background_terms: int = 3
    threshold: float = 100.0

    def __check_init__(self):
        if not self.range_deg[0] + 0.5 < self.centre_deg < self.range_deg[1] - 0.5:
            raise InputError(
                f"`centre_deg` is {self.centre_deg:g} and `range_deg` {list(self.range_deg)}; expected 0.5 on both sides."
            )

    def fit(self) -> SplitReflection:
        """Of all patterns."""
        patterns = self.data.read()
        x = patterns.two_theta_deg
        keep = (x >= self.range_deg[0]) & (x <= self.range_deg[1])
        counts = patterns.counts.reshape(-1, len(x))[:, keep]
        if keep.sum() < 20 or np.any(counts < 0):
            raise InputError(
                f"`range_deg`: {int(keep.sum())} channels from {self.range_deg[0]:g} to {self.range_deg[1]:g} degrees, some of "
                "which may not have been measured; expected 20 or more, all measured."
            )
        return follow(
            counts,
            x[keep],
            tube_lines(patterns, self.spectrum),
            self.centre_deg,
            fwhm_deg=self.fwhm_deg,
            background_terms=self.background_terms,
            threshold=self.threshold,
        )

    def __call__(self, folder: Path, seed: int) -> dict[str, float | int | None]:
        found = self.fit()
        write_text_atomically(folder / "series.csv", _table(found))
        save(series_figure(found, self.name), folder / "figures/series.png")
        main, both = found.place_deg[:, 0], np.flatnonzero(found.two)
        result: dict[str, float | int | None] = {
            "place_first_deg": float(main[0]),
            "place_last_deg": float(main[-1]),
            "place_error_deg": float(np.median(found.place_error_deg[:, 0])),
            "patterns": len(main),
            "patterns_split": len(both),
            "first_split": int(both[0]) + 1 if len(both) else None,
        }
        if len(both):
            last = both[-1]
            result["other_place_deg"] = float(found.place_deg[last, 1])
            result["splitting_deg"] = float(found.place_deg[last, 0] - found.place_deg[last, 1])
            result["splitting_error_deg"] = float(np.hypot(*found.place_error_deg[last]))
            result["other_share"] = float(found.area[last, 1] / found.area[last].sum())
            sines = np.sin(np.radians(found.place_deg[last]) / 2)
            result["relative_distance"] = float(sines[0] / sines[1] - 1)
        result["chi2_reduced"] = float(np.median([fit.chi2_reduced for fit in found.fits]))
        return result


def _table(found: SplitReflection) -> str:
    columns = [
        array[:, k]
        for k in (0, 1)
        for array in (found.place_deg, found.place_error_deg, found.area, found.area_error)
    ]
    rows = (
        [number, *(f"{v:.6g}" for v in row), f"{gain:.1f}", int(two)]
        for number, (row, gain, two) in enumerate(zip(zip(*columns), found.gain, found.two), 1)
    )
    parts = ("two_theta_deg", "two_theta_error_deg", "area_counts_deg", "area_error_counts_deg")
    head = ("pattern", *(f"{part}_{k}" for k in (1, 2) for part in parts), "gain", "two")
    return table(head, rows)
