"""What a reconstruction of the twin found, for the figures of a lattice: maps, patterns of voxels, numbers beside the truth."""

from pathlib import Path

import h5py
import jax.numpy as jnp
import numpy as np
from answers import Answer
from jaxtyping import Bool, Float
from matplotlib.figure import Figure

from jxrecon.classical.peak_fit import peak_fit
from jxrecon.classical.peak_model import FreePeaks, Profile
from jxrecon.data.plain_patterns import PlainPatterns
from jxrecon.figures.core_and_shell import VoxelPattern
from jxrecon.figures.element_maps import element_maps
from jxrecon.figures.state_grid import state_name
from jxrecon.forward.background import chebyshev
from jxrecon.kernels.profile_sum import pseudo_voigt

NAMES = {"a": "a_angstrom", "c": "c_angstrom"}  # as other files call them
ELEMENTS = ("Mn", "Co", "Ni")
SHIFT_DEG, BROADER = 0.01, 0.05
Place = tuple[float, float]  # of (003): centre and width, degrees
Table = dict[str, dict[str, dict[str, dict[str, float]]]]


def _middle(file: h5py.File, name: str) -> np.ndarray:
    """The middle slice of a map of `write_maps`."""
    values = np.asarray(file[f"entry/{name}/data"])
    return values[len(values) // 2] if values.ndim == 3 else values


def found_maps(path: Path) -> dict[str, np.ndarray]:
    """Maps of a file of `write_maps`, the middle slice of several."""
    with h5py.File(path) as file:
        entry = file["entry"]
        assert isinstance(entry, h5py.Group)
        return {full_name(n): _middle(file, n) for n in map(str, entry) if f"{n}/data" in entry}


def full_name(name: str) -> str:
    """`a` is `a_angstrom`, `fwhm_003` is `fwhm_003_deg`."""
    unit = "_deg" if name.startswith("fwhm") and not name.endswith("_deg") else ""
    return NAMES.get(name, name) + unit


def patterns_beside(maps: Path, name: str = "voxels") -> Float[np.ndarray, "y x channel"]:
    """Counts of voxels in one view, of NAME.h5 in the folder of the maps."""
    counts = PlainPatterns(path=str(maps.with_name(f"{name}.h5"))).read().counts
    return np.asarray(counts[0], float)


def _free(counts: Float[np.ndarray, " channel"], x: Float[np.ndarray, " channel"]):
    """Three free peaks on a smooth background."""
    centres = (8.55, 16.8, 20.15)
    model = FreePeaks(centres, search_deg=0.6, profile=Profile(fwhm_deg=0.15), background=4)
    return peak_fit(counts[None], x, model).values


def mean_peak(counts: Float[np.ndarray, " channel"], x: Float[np.ndarray, " channel"]) -> tuple[float, float]:
    """Place and width of (003), degrees."""
    # The fit weighs as counts do.
    found = _free(counts * (1e5 / counts.sum()), x)
    return float(found.centre_deg[0, 0]), float(found.fwhm_deg[0, 0])


def fitted(counts: Float[np.ndarray, " channel"], x: Float[np.ndarray, " channel"]) -> VoxelPattern:
    found = _free(counts, x)
    parts = [v[0] for v in (found.centre_deg, found.fwhm_deg, found.eta)]
    profiles = pseudo_voigt(jnp.asarray(x[:, None] - parts[0]), jnp.asarray(parts[1]), jnp.asarray(parts[2]))
    fit = found.background[0] @ chebyshev(x, 4) + np.asarray(profiles) @ found.area[0]
    return VoxelPattern(counts, fit, float(parts[1][0]))


def voxel_means(
    maps: dict[str, np.ndarray], where: Bool[np.ndarray, "y x"], wavelength_m: float
) -> tuple[float, float]:
    """Place and width of (003), means over voxels with the weights of its area: of maps, not of mean patterns."""
    good = where & np.isfinite(maps["c_angstrom"]) & np.isfinite(maps["fwhm_003_deg"])
    c, width, area = (maps[name][good] for name in ("c_angstrom", "fwhm_003_deg", "area_003"))
    centre = 2 * np.degrees(np.arcsin(1.5 * wavelength_m * 1e10 / c))
    return float(np.average(centre, weights=area)), float(np.average(width, weights=area))


def places(
    found: dict[str, np.ndarray],
    true: dict[str, np.ndarray],
    where: Bool[np.ndarray, "y x"],
    patterns: tuple[np.ndarray, np.ndarray],
    x: Float[np.ndarray, " channel"],
    wavelength_m: float,
) -> dict[str, dict[str, Place]]:
    """Of (003), in mean patterns (found, true) and as means of voxels."""
    return {
        "mean pattern": {k: mean_peak(p, x) for k, p in zip(("found", "truth"), patterns, strict=True)},
        "voxels": {k: voxel_means(m, where, wavelength_m) for k, m in (("found", found), ("truth", true))},
    }


def compared(readings: dict[str, dict[str, dict[str, Place]]]) -> Table:
    """Place and width of (003) by state, by kind (mean pattern, voxels), found and true, with the shift from the pristine one."""
    table: Table = {}
    for state, kinds in readings.items():
        table[state] = {}
        for kind, pair in kinds.items():
            table[state][kind] = {}
            for name, (centre, width) in pair.items():
                row = {"centre_003_deg": round(centre, 5), "fwhm_003_deg": round(width, 5)}
                if "pristine" in readings:
                    row["shift_003_deg"] = round(centre - readings["pristine"][kind][name][0], 5)
                table[state][kind][name] = row
    return table


def answers(table: Table) -> list[Answer]:
    """Whether (003) shifts and broadens as the truth does."""
    given = []
    for state, kinds in table.items():
        for kind, pair in kinds.items():
            found, truth = pair["found"], pair["truth"]
            wider = abs(found["fwhm_003_deg"] / truth["fwhm_003_deg"] - 1)
            given.append(Answer(f"{state}, {kind}: FWHM(003) is off by", wider, BROADER, False))
            if "shift_003_deg" in found and state != "pristine":
                off = abs(found["shift_003_deg"] - truth["shift_003_deg"])
                given.append(
                    Answer(f"{state}, {kind}: shift of (003) is off by, degrees", off, SHIFT_DEG, False)
                )
    return given


def element_shares(paths: dict[str, Path]) -> Figure:
    """Shares of the atoms in every state: the truth, and what a fluorescence tomogram gave (maps.h5 of that experiment)."""
    columns, voxel_um = {}, 1.0
    for state, path in paths.items():
        with h5py.File(path) as file:
            for kind, label in (("truth", "truth"), ("reconstruction", "found")):
                shares = [_middle(file, f"{element}_share_{kind}") for element in ELEMENTS]
                columns[f"{state_name(state)}\n{label}"] = np.stack(shares, axis=-1)
            axis = np.asarray(file[f"entry/{ELEMENTS[0]}_share_truth/x"])
            voxel_um = float(axis[1] - axis[0])
    about = np.nanmedian(next(iter(columns.values())), axis=(0, 1))
    return element_maps(columns, ELEMENTS, voxel_um * 1e-6, "share of the atoms", about)
