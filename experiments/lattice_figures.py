"""The figures of a lattice: where reflections stand out, how broad they are, how far the cell has grown, in four states.

What is drawn is the truth of the digital twin (preset mid, 9.2 um, beam of 1 um on steps of 0.48 um, 17.3 keV): one slice of
each particle and its projection at the angle 0, with the patterns of all fine voxels summed. Maps that a reconstruction found are
drawn below them where their file is given.

    4A  reflections as colours      4B  FWHM(003) / FWHM(104)       4C  volume of the cell
    5A  averaged reflections        5B  voxels of core and shell    S5  bulk patterns, pristine and cycled

What is to be seen, and is printed: (003) moves to lower angles (8.659, 8.621, 8.550, 8.458 degrees) and broadens from state to
state (.100, .124, .169, .198); it broadens more than (104) in the core. In the cycled small particle that contrast, 1.14 to 1.04
in single fine voxels, is gone (.996 to .995): its cells differ so much under the beam that (104), which moves twice as far, is
broadened by their spread. The cell grows most around the cracks of that particle, by 11 %; (101) stands out in the core and (003)
at the surface in 96 to 99 % of the voxels.

    python experiments/lattice_figures.py --out FOLDER [--found cycled_small=RUN/maps.h5 ...]

About 3 minutes on one core, 2 GB. `--fast`: a small particle, to check the script.
"""

import argparse
import json
from pathlib import Path

import h5py
import jax.numpy as jnp
import numpy as np

from jxrecon.analysis.lattice import (
    averaged,
    between_radii,
    hexagonal_volume,
    mean_cell,
    reflection_colours,
    volume_change,
    voxel_at_radius,
    width_ratio,
)
from jxrecon.classical.peak_fit import peak_fit
from jxrecon.classical.peak_model import FreePeaks, Profile
from jxrecon.figures.bulk_patterns import bulk_patterns
from jxrecon.figures.canvas import save
from jxrecon.figures.cell_volume import cell_volume_maps
from jxrecon.figures.core_and_shell import VoxelPattern, core_and_shell
from jxrecon.figures.reflection_maps import reflection_maps
from jxrecon.figures.state_peaks import REGIONS, state_peaks
from jxrecon.figures.width_ratio import width_ratio_maps
from jxrecon.forward.background import chebyshev
from jxrecon.kernels.profile_sum import pseudo_voigt
from jxrecon.twin.acquisition import TiltAngles
from jxrecon.twin.particle import preset
from jxrecon.twin.scanning_diffraction import NEEDED, DiffractionScan, ScanningDiffraction
from jxrecon.twin.states import STATES

INSIDE = 0.5  # share of a voxel
SLICE, PROJECTION, FOUND = "slice", "projection", "slice, found"
NAMES = {"a": "a_angstrom", "c": "c_angstrom"}  # as other files call them
CORE, SHELL = 0.3, 0.85
COUNTS = 1e5  # photons of a voxel in figure 5B


def scans(state: str, fast: bool, seed: int) -> dict[str, DiffractionScan]:
    """The truths of a slice (of two views, whose counts nobody needs) and of a projection."""
    small = {"finer": 3, "step_m": 0.12e-6, "beam_m": 0.24e-6}
    particle = preset("tiny" if fast else "mid", state=state)
    common = ScanningDiffraction(
        particle=particle, counts_per_voxel=COUNTS, poisson=False, **(small if fast else {})
    )

    def scan(views: int, slices: int) -> DiffractionScan:
        angles = TiltAngles(count=views)
        fields = {**vars(common), "angles": angles, "slices": slices}
        return ScanningDiffraction(**fields)(seed)

    return {SLICE: scan(2, 1), PROJECTION: scan(1, 0)}


def image(values: np.ndarray) -> np.ndarray:
    """(y, x) of a slice or (v, u) of a projection."""
    return np.squeeze(values, axis=0 if values.shape[0] == 1 else 1)


def truths(scan: DiffractionScan) -> dict[str, np.ndarray]:
    return {name: image(values) for name, values in scan.maps.items()}


def found_maps(path: Path) -> dict[str, np.ndarray]:
    """Maps of a file of `write_maps`, the middle slice of several."""
    maps: dict[str, np.ndarray] = {}
    with h5py.File(path) as file:
        entry = file["entry"]
        assert isinstance(entry, h5py.Group)
        for name in map(str, entry):
            if f"{name}/data" in entry:
                values = np.asarray(entry[f"{name}/data"])
                maps[full_name(name)] = values[len(values) // 2] if values.ndim == 3 else values
    return maps


def full_name(name: str) -> str:
    """`a` is `a_angstrom`, `fwhm_003` is `fwhm_003_deg`."""
    unit = "_deg" if name.startswith("fwhm") and not name.endswith("_deg") else ""
    return NAMES.get(name, name) + unit


def inside_of(maps: dict[str, np.ndarray]) -> np.ndarray:
    """Where there is matter, as far as the maps say."""
    if "inside" in maps:
        return maps["inside"] > INSIDE
    total = sum(maps[f"area_{name}"] for name in NEEDED)
    return np.isfinite(maps["c_angstrom"]) & (total > 0.3 * np.nanpercentile(total, 95))


def areas_of(maps: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    inside = inside_of(maps)
    return {name: np.where(inside, maps[f"area_{name}"], np.nan) for name in NEEDED}


def volume_of(maps: dict[str, np.ndarray]) -> np.ndarray:
    inside = inside_of(maps)
    a, c = (np.where(inside, maps[name], np.nan) for name in ("a_angstrom", "c_angstrom"))
    return hexagonal_volume(a, c)


def ratio_of(maps: dict[str, np.ndarray]) -> np.ndarray:
    return width_ratio(maps["fwhm_003_deg"], maps["fwhm_104_deg"], inside_of(maps))


def fitted(counts: np.ndarray, x: np.ndarray) -> VoxelPattern:
    """Three free peaks on a smooth background."""
    centres = (8.55, 16.8, 20.15)
    model = FreePeaks(centres, search_deg=0.6, profile=Profile(fwhm_deg=0.15), background=4)
    found = peak_fit(counts[None], x, model).values
    parts = [v[0] for v in (found.centre_deg, found.fwhm_deg, found.eta)]
    profiles = pseudo_voigt(jnp.asarray(x[:, None] - parts[0]), jnp.asarray(parts[1]), jnp.asarray(parts[2]))
    fit = found.background[0] @ chebyshev(x, 4) + np.asarray(profiles) @ found.area[0]
    return VoxelPattern(counts, fit, float(parts[1][0]))


def core_and_shell_of(scan: DiffractionScan, seed: int) -> dict[str, VoxelPattern]:
    """Of one voxel each, with the noise of its photons in all views."""
    maps, rng = truths(scan), np.random.default_rng([seed, 5])
    views, x = len(scan.patterns.angle_deg), scan.patterns.two_theta_deg
    found = {}
    for place, radius in (("core", CORE), ("shell", SHELL)):
        at = voxel_at_radius(maps["radius"], maps["area_003"], inside_of(maps), radius)
        counts = rng.poisson(views * image(scan.voxels)[at].astype(float)).astype(float)
        found[place] = fitted(counts, x)
    return found


def numbers(scan: DiffractionScan, reference: tuple[float, float]) -> dict[str, float]:
    """What one state shows in its slice."""
    maps = truths(scan)
    inside = inside_of(maps)
    core, shell = (between_radii(maps["radius"], inside, *r) for r in ((0, 0.5), (0.7, 0.95)))
    change = volume_change(maps["a_angstrom"], maps["c_angstrom"], reference)
    ratio, near = ratio_of(maps), maps["crack_proximity"][inside]
    shells = STATES[scan.patterns.metadata["state"]].shells
    stands_out = np.argmax(reflection_colours(areas_of(maps)), axis=-1)
    found = {
        "fwhm_003_deg": np.nanmean(maps["fwhm_003_deg"][inside]),
        "fwhm_104_deg": np.nanmean(maps["fwhm_104_deg"][inside]),
        "centre_003_deg": np.average(maps["centre_003_deg"][inside], weights=maps["area_003"][inside]),
        "ratio_core": np.nanmean(ratio[core]),
        "ratio_shell": np.nanmean(ratio[shell]),
        "volume_change_mean": np.nanmean(change[inside]),
        "volume_change_max": np.nanmax(change[inside]),
        "volume_change_core": np.nanmean(change[core]),
        "volume_change_shell": np.nanmean(change[shell]),
        "area_003": np.nanmean(maps["area_003"][inside]),
        "area_101": np.nanmean(maps["area_101"][inside]),
        "area_104": np.nanmean(maps["area_104"][inside]),
        "in_its_shell": np.mean(stands_out[inside] == np.digitize(maps["radius"][inside], shells)),
    }
    if near.std() > 0.01:
        found["pearson_crack_volume"] = np.corrcoef(near, change[inside])[0, 1]
    return {name: round(float(value), 4) for name, value in found.items()}


def rows_of(every: dict, found: dict[str, Path], value) -> dict[str, dict[str, object]]:
    """A map of each state, row by row."""
    rows: dict[str, dict[str, object]] = {
        row: {state: value(truths(pair[row])) for state, pair in every.items()} for row in (PROJECTION, SLICE)
    }
    if found:
        rows[FOUND] = {state: value(found_maps(path)) for state, path in found.items()}
    return rows


def draw_maps(out: Path, every: dict, found: dict[str, Path], step_m: float, volume: float) -> None:
    save(reflection_maps(rows_of(every, found, areas_of), step_m), out / "4A_reflections.png")
    save(width_ratio_maps(rows_of(every, found, ratio_of), step_m), out / "4B_width_ratio.png")
    save(cell_volume_maps(rows_of(every, found, volume_of), step_m, volume), out / "4C_cell_volume.png")


def draw_patterns(out: Path, every: dict[str, dict[str, DiffractionScan]], seed: int) -> None:
    first = every["pristine"][SLICE].patterns
    x, wavelength = first.two_theta_deg, first.wavelength_m
    inside = {state: inside_of(truths(pair[SLICE])) for state, pair in every.items()}
    means = {state: averaged(image(pair[SLICE].voxels), inside[state]) for state, pair in every.items()}
    save(state_peaks(means, x, wavelength), out / "5A_averaged_peaks.png")
    voxels = {s: core_and_shell_of(every[s][SLICE], seed) for s in ("cycled_large", "cycled_small")}
    save(core_and_shell(voxels, x, REGIONS), out / "5B_core_and_shell.png")
    bulk = {s: every[s][PROJECTION].voxels.sum((0, 1, 2), dtype=float) for s in ("pristine", "cycled_small")}
    marks = {n: float(x[lo + np.argmax(bulk["pristine"][lo:hi])]) for n, (lo, hi) in _channels(x).items()}
    save(bulk_patterns(bulk, x, wavelength, marks), out / "S5_bulk.png")


def _channels(x: np.ndarray) -> dict[str, tuple[int, int]]:
    """First and last channel of the regions."""
    return {
        name: (int(np.searchsorted(x, r[0])), int(np.searchsorted(x, r[1]))) for name, r in REGIONS.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("lattice_figures"))
    parser.add_argument("--found", nargs="*", default=[], metavar="STATE=FILE")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fast", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    every = {state: scans(state, options.fast, options.seed) for state in STATES}
    found = {state: Path(path) for state, path in (item.split("=", 1) for item in options.found)}
    maps = truths(every["pristine"][SLICE])
    reference = mean_cell(maps["a_angstrom"], maps["c_angstrom"], inside_of(maps))
    volume = float(hexagonal_volume(*(np.array([x]) for x in reference))[0])
    step_m = every["pristine"][SLICE].patterns.step_m
    draw_maps(options.out, every, found, 1e-6 if step_m is None else step_m[1], volume)
    draw_patterns(options.out, every, options.seed)
    table = {state: numbers(pair[SLICE], reference) for state, pair in every.items()}
    (options.out / "numbers.json").write_text(json.dumps(table, indent=1))
    for name in table["cycled_small"]:
        print(f"{name:22s}", *(f"{table[state].get(name, float('nan')):12.4f}" for state in table))


if __name__ == "__main__":
    main()
