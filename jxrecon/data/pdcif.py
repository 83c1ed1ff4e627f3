"""Powder patterns in CIF (the pdCIF dictionary).

A block with a loop of intensities: _pd_meas_counts_total, _pd_meas_intensity_total, _pd_proc_intensity_total or _net. 2 theta
stands beside them (_pd_meas_2theta_scan, _pd_proc_2theta_corrected) or as _pd_meas_2theta_range_min, _max, _inc. Standard
deviations: in parentheses behind the number, or weights _pd_proc_ls_weight = 1 / variance. Wavelengths are in angstrom; where
only the radiation is named (`Cu K\\a`) it is that of the anode's K-alpha1.
https://www.iucr.org/resources/cif/dictionaries/cif_pd
"""

import equinox as eqx
import numpy as np

from ..errors import InputError
from .access import Access
from .cif import Block, column, number, parse_cif
from .pattern_checks import RawPatterns
from .pattern_files import rows
from .pattern_reader import AbstractPatternReader, number_or_none
from .text_files import read_text
from .wavelengths import of_anode

EXPECTED = "a CIF with a powder pattern"
INTENSITIES = (
    "_pd_meas_counts_total",
    "_pd_meas_intensity_total",
    "_pd_proc_intensity_total",
    "_pd_proc_intensity_net",
)
ANGLES = ("_pd_proc_2theta_corrected", "_pd_meas_2theta_corrected", "_pd_meas_2theta_scan")
RANGES = ("_pd_meas_2theta_range_", "_pd_proc_2theta_range_")
WEIGHT = "_pd_proc_ls_weight"


def intensity_tag(block: Block) -> str | None:
    return next((tag for tag in INTENSITIES if block.loop_of(tag) is not None), None)


def wavelength_of(blocks: list[Block]) -> tuple[float | None, str]:
    """(metres or None, what says it): the strongest of those listed, else the K-alpha1 of the anode that is named."""
    for block in blocks:
        value, loop = (
            block.value("_diffrn_radiation_wavelength"),
            block.loop_of("_diffrn_radiation_wavelength"),
        )
        if loop is not None and "_diffrn_radiation_wavelength_wt" in loop:
            strongest = int(
                np.nanargmax(np.nan_to_num(column(loop, "_diffrn_radiation_wavelength_wt")[:, 0]))
            )
            value = loop["_diffrn_radiation_wavelength"][strongest]
        if value is not None and np.isfinite(number(value)[0]):
            return number(value)[0] * 1e-10, f"_diffrn_radiation_wavelength {value}"
    for block in blocks:
        said = block.value("_diffrn_radiation_type") or ""
        if (known := of_anode(said)) is not None:
            return known[1], known[0]
        if said:
            return None, said
    return None, ""


def _axis(block: Block, loop: dict[str, list[str]], count: int, where: str) -> np.ndarray:
    for tag in ANGLES:
        if tag in loop:
            return column(loop, tag)[:, 0]
    for prefix in RANGES:
        low, high, step = (number(block.value(f"{prefix}{end}") or "?")[0] for end in ("min", "max", "inc"))
        if np.isfinite([low, high, step]).all() and step != 0:
            points = round((high - low) / step) + 1
            if points != count:
                raise InputError(
                    f"{where}: {prefix}min, max and inc mean {points} points, but the loop holds {count}; is the file cut short?"
                )
            return low + step * np.arange(count)
    raise InputError(
        f"{where}: has no 2 theta; expected one of {', '.join(ANGLES)}, or {RANGES[0]}min, max, inc."
    )


class Pdcif(AbstractPatternReader):
    """Reads one file, or a folder or a pattern (`*`) of files on one axis, a row (v) each.

    block: name of the data block, where a file holds several patterns; None takes the first.
    """

    path: str
    wavelength_m: float | None = eqx.field(converter=number_or_none, default=None)
    energy_keV: float | None = eqx.field(converter=number_or_none, default=None)
    block: str | None = None
    access: Access = Access()

    def raw(self) -> RawPatterns:
        return rows(self.source, (".cif", ".pdcif"), lambda path: [self._read(path)])

    def _read(self, path: str) -> RawPatterns:
        blocks = parse_cif(read_text(path, EXPECTED), path)
        patterns = [block for block in blocks if intensity_tag(block) is not None]
        names = [block.name for block in patterns]
        if not patterns or (self.block is not None and self.block not in names):
            wanted = (
                f"one called `{self.block}`" if self.block else f"a loop with one of {', '.join(INTENSITIES)}"
            )
            raise InputError(
                f"{path}: {len(blocks)} blocks, with patterns in {', '.join(names) or 'none'}; expected {wanted}."
            )
        block = patterns[names.index(self.block) if self.block else 0]
        tag, where = intensity_tag(block), f"{path}: block `{block.name}`"
        loop = block.loop_of(tag) if tag else None
        assert tag is not None and loop is not None
        values = column(loop, tag)
        promised = number(
            block.value("_pd_proc_number_of_points") or block.value("_pd_meas_number_of_points") or "?"
        )[0]
        if promised > len(values):
            raise InputError(f"{where}: {len(values)} of {promised:g} points; the file is cut short.")
        wavelength, said = wavelength_of([block, *blocks])
        variance = _variance(loop, values)
        return RawPatterns(
            counts=values[None, None, None, :, 0],
            axis=_axis(block, loop, len(values), where),
            variance=None if variance is None else variance[None, None, None],
            wavelength_m=wavelength,
            wavelength_said=said,
            subtracted=tag.endswith("_net"),
            place=lambda k: f"block `{block.name}`, point {k}",
            source=path,
            metadata={
                "format": "pdcif",
                "block": block.name,
                "other_patterns": names,
                "tag": tag,
                "wavelength_from": said,
            },
        )


def _variance(loop: dict[str, list[str]], values: np.ndarray) -> np.ndarray | None:
    """From the weights, else from the uncertainties, if all have one; a weight of zero means that a point does not count."""
    if WEIGHT in loop:
        weight = column(loop, WEIGHT)[:, 0]
        return np.where(weight > 0, 1 / np.where(weight > 0, weight, 1), np.nan)
    return values[:, 1] ** 2 if np.isfinite(values[:, 1]).all() else None
