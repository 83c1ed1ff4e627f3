"""What maps of a lattice tell: cell volumes and their changes, reflections as colours, ratios of widths, typical patterns.

    V = sqrt(3)/2 a^2 c      dV = V / V_ref - 1      (hexagonal cells)

Colours are the areas of (101), (104), (003) as red, green, blue, each relative to its own maximum in the map, or to that of a
reference, so that maps of several specimens can be compared. Maxima are taken where there is matter; NaN is nothing.

Tsai et al., iScience 11, 356 (2019), doi 10.1016/j.isci.2018.12.028 (figures 4 and 5).
"""

import numpy as np
from jaxtyping import Bool, Float

COLOURS = ("101", "104", "003")  # red, green, blue
Maxima = tuple[float, float, float]
Areas = dict[str, Float[np.ndarray, "*map"]]


def hexagonal_volume(
    a_angstrom: Float[np.ndarray, "*map"], c_angstrom: Float[np.ndarray, "*map"]
) -> Float[np.ndarray, "*map"]:
    """Cubic angstrom."""
    return np.sqrt(3) / 2 * a_angstrom**2 * c_angstrom


def volume_change(
    a_angstrom: Float[np.ndarray, "*map"],
    c_angstrom: Float[np.ndarray, "*map"],
    reference_angstrom: tuple[float, float],
) -> Float[np.ndarray, "*map"]:
    """Relative to the cell with the lengths a, c; without cancellation in single precision."""
    of_a, of_c = (
        (value - first) / first
        for value, first in zip((a_angstrom, c_angstrom), reference_angstrom, strict=True)
    )
    return np.expm1(2 * np.log1p(of_a) + np.log1p(of_c))


def mean_cell(
    a_angstrom: Float[np.ndarray, "*map"],
    c_angstrom: Float[np.ndarray, "*map"],
    inside: Bool[np.ndarray, "*map"],
) -> tuple[float, float]:
    """Of a specimen that is to be the reference."""
    return float(np.nanmean(a_angstrom[inside])), float(np.nanmean(c_angstrom[inside]))


def maxima(areas: Areas) -> Maxima:
    """Of the three reflections."""
    red, green, blue = (float(np.nanmax(areas[name])) for name in COLOURS)
    return red, green, blue


def reflection_colours(areas: Areas, largest: Maxima | None = None) -> Float[np.ndarray, "*map 3"]:
    """Between 0 and 1; `largest` of a reference, by default the map's own."""
    scale = np.array(maxima(areas) if largest is None else largest)
    if not np.all(scale > 0):
        raise ValueError(f"`largest` is {tuple(scale)}; expected three areas above zero.")
    stacked = np.stack([areas[name] for name in COLOURS], axis=-1)
    return np.clip(np.nan_to_num(stacked) / scale, 0, 1)


def strongest(areas: Areas) -> np.ndarray:
    """Which reflection stands out in each voxel, own maximum one: 0, 1, 2 for (101), (104), (003)."""
    return np.argmax(reflection_colours(areas), axis=-1)


def width_ratio(
    of_003: Float[np.ndarray, "*map"], of_104: Float[np.ndarray, "*map"], inside: Bool[np.ndarray, "*map"]
) -> Float[np.ndarray, "*map"]:
    """FWHM(003) / FWHM(104); NaN outside."""
    return np.where(inside, of_003, np.nan) / np.where(inside, of_104, np.nan)


def averaged(
    patterns: Float[np.ndarray, "*map channel"], where: Bool[np.ndarray, "*map"]
) -> Float[np.ndarray, " channel"]:
    """The mean pattern of some voxels."""
    if not where.any():
        raise ValueError("`where` chooses no voxel; expected one at least.")
    return patterns[where].mean(axis=0, dtype=np.float64)


def between_radii(
    radius: Float[np.ndarray, "*map"], inside: Bool[np.ndarray, "*map"], low: float | int, high: float | int
) -> Bool[np.ndarray, "*map"]:
    """Voxels of the specimen in a range of the normalised radius."""
    return inside & (radius >= low) & (radius < high)


def voxel_at_radius(
    radius: Float[np.ndarray, "*map"],
    area: Float[np.ndarray, "*map"],
    inside: Bool[np.ndarray, "*map"],
    wanted: float,
) -> tuple[int, ...]:
    """The voxel whose normalised radius is within .05 of `wanted`, or nearest, and whose area is the median of these."""
    away = np.where(inside & np.isfinite(area), np.abs(radius - wanted), np.inf)
    if not np.isfinite(away).any():
        raise ValueError("`inside` holds no voxel with an area; expected one at least.")
    candidates = np.flatnonzero(away <= max(0.05, float(away.min())))
    ordered = candidates[np.argsort(area.ravel()[candidates], kind="stable")]
    return tuple(int(i) for i in np.unravel_index(ordered[len(ordered) // 2], radius.shape))
