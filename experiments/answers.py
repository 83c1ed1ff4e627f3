"""Figures of a speed comparison: medians over turns, ratios, a table of contestants, answers beside what would be good."""

import dataclasses
import statistics
from collections.abc import Sequence

from contest import CPU, WALL


def median(turns: Sequence[dict], key: str) -> float | None:
    """Median over the turns that have a number under `key`; None when none has."""
    values = [record[key] for record in turns if isinstance(record.get(key), int | float)]
    return statistics.median(values) if values else None


def least(turns: Sequence[dict], key: str) -> float | None:
    """Minimum over the turns that have a number under `key`; None when none has."""
    return min((r[key] for r in turns if isinstance(r.get(key), int | float)), default=None)


def ratio(numerator: float | None, denominator: float | None) -> float | None:
    """A quotient, or None where either is not known."""
    return numerator / denominator if numerator is not None and denominator else None


@dataclasses.dataclass(frozen=True)
class Answer:
    """One question's figure beside what would be good; `at_least` says on which side of it good lies."""

    question: str
    figure: float | None
    good: float
    at_least: bool

    @property
    def met(self) -> bool | None:
        if self.figure is None:
            return None
        return self.figure >= self.good if self.at_least else self.figure <= self.good

    def __str__(self) -> str:
        figure = "not measured" if self.figure is None else f"{self.figure:.3g}"
        side, verdict = (">=" if self.at_least else "<="), {None: "", True: "yes", False: "NO"}[self.met]
        return f"{self.question:<72} {figure:>12}  {side} {self.good:<5g} {verdict}"


def table(turns: dict, clock: str) -> str:
    """Contestants with the median and the range of their turns, and the ratio to the first."""
    first = median(next(iter(turns.values())), clock)
    lines = [
        f"  {'':<22}{'CPU s/epoch':>12}{'wall s/epoch':>14}{'ratio':>8}{'peak MB':>9}{'R':>8}{'phase':>8}"
    ]
    for name, records in turns.items():
        figures = [median(records, key) for key in (CPU, WALL)]
        figures += [ratio(median(records, clock), first)]
        figures += [median(records, key) for key in ("peak_memory_mb", "amp_rfactor", "phase_rmse_rad")]
        widths, forms = (12, 14, 8, 9, 8, 8), ("{:.4f}", "{:.4f}", "{:.2f}", "{:.0f}", "{:.4f}", "{:.4f}")
        cells = ["" if f is None else form.format(f) for f, form in zip(figures, forms)]
        lines.append(f"  {name:<22}" + "".join(cell.rjust(width) for cell, width in zip(cells, widths)))
    return "\n".join(lines)
