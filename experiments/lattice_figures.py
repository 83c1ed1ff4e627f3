"""The figures of a lattice: where reflections stand out, how broad they are, how far the cell has grown, in four states.

What is drawn is the truth of the digital twin (preset mid, 9.2 um, beam of 1 um on steps of 0.48 um, 17.3 keV): one slice of
each particle and its projection at the angle 0, with the patterns of all fine voxels summed. Maps that a reconstruction found
(`twin_tomography.py`, with the patterns of its voxels beside them) are drawn below them where their file is given, and patterns
are then those that were found, with the truth as broken lines.

    4A  reflections as colours      4B  FWHM(003) / FWHM(104)       4C  volume of the cell
    5A  averaged reflections        5B  voxels of core and shell    S5  bulk patterns, pristine and cycled
    S4  shares of elements, of `jxrecon experiment=fluorescence_tomography data.particle.state=STATE`

What is to be seen, and is printed: (003) moves to lower angles (8.659, 8.621, 8.550, 8.458 degrees) and broadens from state to
state (.100, .124, .169, .198); it broadens more than (104) in the core. In the cycled small particle that contrast, 1.14 to 1.04
in single fine voxels, is gone (.996 to .995): its cells differ so much under the beam that (104), which moves twice as far, is
broadened by their spread. The cell grows most around the cracks of that particle, by 11 %; (101) stands out in the core and (003)
at the surface in 96 to 99 % of the voxels.

    python experiments/lattice_figures.py --out FOLDER [--found cycled_small=RUN/maps.h5 ...] [--elements ...]

About 3 minutes on one core, 2 GB. `--fast`: a small particle, to check the script.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from lattice_found import (
    Table,
    answers,
    compared,
    element_shares,
    fitted,
    found_maps,
    patterns_beside,
    places,
)

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
from jxrecon.figures.bulk_patterns import bulk_patterns
from jxrecon.figures.canvas import save
from jxrecon.figures.cell_volume import cell_volume_maps
from jxrecon.figures.core_and_shell import VoxelPattern, core_and_shell
from jxrecon.figures.reflection_maps import reflection_maps
from jxrecon.figures.state_peaks import REGIONS, state_peaks
from jxrecon.figures.width_ratio import width_ratio_maps
from jxrecon.twin.acquisition import TiltAngles
from jxrecon.twin.particle import preset
from jxrecon.twin.scanning_diffraction import NEEDED, DiffractionScan, ScanningDiffraction
from jxrecon.twin.states import STATES

INSIDE = 0.5  # share of a voxel
SLICE, PROJECTION, FOUND = "slice, truth", "projection, truth", "slice, found"
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


def core_and_shell_of(scan: DiffractionScan, seed: int, path: Path | None) -> dict[str, VoxelPattern]:
    """Of one voxel each, in all views: with the noise of its photons, or as it was found, by MLEM (dots) and directly (lines)."""
    maps, rng = truths(scan), np.random.default_rng([seed, 5])
    views, x = len(scan.patterns.angle_deg), scan.patterns.two_theta_deg
    usual, voxels = ScanningDiffraction(), {}
    for place, radius in (("core", CORE), ("shell", SHELL)):
        at = voxel_at_radius(maps["radius"], maps["area_003"], inside_of(maps), radius)
        exact = views * image(scan.voxels)[at].astype(float)
        if path is None:
            voxels[place] = fitted(rng.poisson(exact).astype(float), x)
            continue
        dots, line = (
            len(usual.angles.degrees(0)) * patterns_beside(path, name)[at] for name in ("channels", "voxels")
        )
        width, true = (float(m["fwhm_003_deg"][at]) for m in (found_maps(path), maps))
        voxels[place] = VoxelPattern(dots, line, width, exact * usual.counts_per_voxel / COUNTS, true)
    return voxels


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


def draw_patterns(
    out: Path, every: dict[str, dict[str, DiffractionScan]], found: dict[str, Path], seed: int
) -> Table:
    """Also what they say of (003), found and true."""
    first = every["pristine"][SLICE].patterns
    x, wavelength = first.two_theta_deg, first.wavelength_m
    inside = {state: inside_of(truths(pair[SLICE])) for state, pair in every.items()}
    means = {state: averaged(image(pair[SLICE].voxels), inside[state]) for state, pair in every.items()}
    seen = {s: averaged(patterns_beside(path), inside_of(found_maps(path))) for s, path in found.items()}
    save(state_peaks(seen or means, x, wavelength, means if seen else None), out / "5A_averaged_peaks.png")
    voxels = {
        s: core_and_shell_of(every[s][SLICE], seed, found.get(s)) for s in ("cycled_large", "cycled_small")
    }
    save(core_and_shell(voxels, x, REGIONS), out / "5B_core_and_shell.png")
    pair = [state for state in ("pristine", "cycled_small") if state in found or not found]
    true = {s: every[s][SLICE if found else PROJECTION].voxels.sum((0, 1, 2), dtype=float) for s in pair}
    bulk = {s: patterns_beside(found[s]).sum((0, 1)) for s in pair} if found else true
    if bulk:
        at = bulk.get("pristine", next(iter(bulk.values())))
        marks = {n: float(x[lo + np.argmax(at[lo:hi])]) for n, (lo, hi) in _channels(x).items()}
        save(bulk_patterns(bulk, x, wavelength, marks, true if found else None), out / "S5_bulk.png")
    pairs = {s: (found_maps(path), truths(every[s][SLICE])) for s, path in found.items()}
    return compared({s: places(*p, inside[s], (seen[s], means[s]), x, wavelength) for s, p in pairs.items()})


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
    parser.add_argument("--elements", nargs="*", default=[], metavar="STATE=FILE")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fast", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    every = {state: scans(state, options.fast, options.seed) for state in STATES}
    found, elements = (
        {state: Path(path) for state, path in (item.split("=", 1) for item in given)}
        for given in (options.found, options.elements)
    )
    maps = truths(every["pristine"][SLICE])
    reference = mean_cell(maps["a_angstrom"], maps["c_angstrom"], inside_of(maps))
    volume = float(hexagonal_volume(*(np.array([x]) for x in reference))[0])
    step_m = every["pristine"][SLICE].patterns.step_m
    draw_maps(options.out, every, found, 1e-6 if step_m is None else step_m[1], volume)
    beside = draw_patterns(options.out, every, found, options.seed)
    if elements:
        save(element_shares(elements), options.out / "S4_elements.png")
    table = {state: numbers(pair[SLICE], reference) for state, pair in every.items()}
    (options.out / "numbers.json").write_text(json.dumps(table, indent=1))
    for name in table["cycled_small"]:
        print(f"{name:22s}", *(f"{table[state].get(name, float('nan')):12.4f}" for state in table))
    if beside:
        (options.out / "found.json").write_text(json.dumps(beside, indent=1))
        print("", *answers(beside), sep="\n")


if __name__ == "__main__":
    main()
