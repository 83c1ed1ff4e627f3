"""Pores, cracks and densities of four particles: the figures, and the numbers that the analysis finds.

What is analysed is the digital twin (128^3 voxels of 20 nm, 2.3 um) in six seeds of each state; where files of reconstructions
are given, these, with the twin's numbers beside them.

    2_particles  cut open and from outside, cracks      2_pores_and_density  half pore diameters, half densities
    3A_pores     diameters by volume                    3B_radial_density    from core to surface, with parabolas
    S2_slices    a slice of every tomogram              numbers.json         means over the seeds and half the standard deviation

Pores become more and wider from pristine (2.8 %, 26 nm) to delithiated (11.8 %, 36 nm) and cycled small (15.3 %, 42 nm); the
large cycled particle has the widest (49 nm) and is depleted in its core (0.81 against 0.88 e/A^3), the small one towards its
surface (0.87 against 0.77). A parabola that counts every shell alike is ruled by the few voxels of the core: for cycled_small it
rises outwards where the one that is weighted by volume falls.

    python experiments/morphology_figures.py --out FOLDER [--found cycled_small=RUN/result.h5 ...]

About 4 minutes on one core, 1 GB. `--seeds 1 --first 3`: one particle of each state, that of the seed 3; its layers move zones by
0.05 e/A^3, and only means over several seeds show the orders of cores and shells.
"""

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np

from jxrecon.analysis.correlate import crack_and_cell
from jxrecon.analysis.morphology import Morphology, morphology_of, size_edges
from jxrecon.analysis.particle_mask import dice
from jxrecon.analysis.pores import PoreSizes
from jxrecon.analysis.radial import RadialProfile, averaged_profile
from jxrecon.data.volume_file import DensityVolume, VolumeFile
from jxrecon.errors import InputError
from jxrecon.figures.canvas import save
from jxrecon.figures.half_maps import Slice, half_maps, middle_slice
from jxrecon.figures.particle_views import View, particle_views
from jxrecon.figures.pore_histogram import pore_histogram
from jxrecon.figures.radial_density import radial_density
from jxrecon.figures.slice_grid import Tomogram, slice_grid
from jxrecon.result import load
from jxrecon.twin.particle import preset
from jxrecon.twin.simulated_volume import SimulatedVolume
from jxrecon.twin.states import STATES

# Quantity: values for pristine, delithiated, cycled_large, cycled_small, and what they may differ by.
TABLE = {
    "density_mean": ((0.9462, 0.8533, 0.8708, 0.8172), 0.005),
    "density_core": ((0.948, 0.840, 0.811, 0.860), 0.02),
    "density_shell": ((0.948, 0.841, 0.877, 0.771), 0.02),
    "porosity": ((0.025, 0.116, 0.090, 0.152), 0.005),
    "pore_mean_nm": ((27.1, 36.3, 49.2, 42.2), 2.0),
    "pore_p95_nm": ((60.0, 81.0, 98.0, 94.0), 5.0),
    "pore_largest_nm": ((69.0, 120.0, 125.0, 127.0), 10.0),
    "pore_large_share": ((0.0, 0.0009, 0.0018, 0.0023), 0.0006),
}
Numbers = dict[str, dict[str, tuple[float, float]]]


@dataclasses.dataclass(frozen=True)
class Entry:
    """What figures and tables want of one tomogram; view: only where it is to be rendered."""

    metrics: dict[str, float | int | None]
    profile: RadialProfile
    sizes: PoreSizes
    slice: Slice
    tomogram: Tomogram
    voxel_m: float
    view: View | None = None


def entry(volume: DensityVolume, name: str, resolution_nm: float | None, shown: bool) -> Entry:
    """The analysis of one volume; `shown`: with its cracks, which take longest."""
    density, voxel_m = volume.electron_density, volume.voxel_m
    found: Morphology = morphology_of(density, voxel_m, look_for_cracks=shown)
    for warning in found.warnings:
        print(f"{volume.source}: {warning}")
    here = middle_slice(1e9 * found.diameter_m(), density, found.particle.mask)
    crack = None if found.cracks is None else found.cracks.label > 0
    return Entry(
        metrics=found.metrics() | beside_truth(volume, found, crack),
        profile=found.profile,
        sizes=found.sizes_in(size_edges(voxel_m), 0.5 * voxel_m),
        slice=here,
        tomogram=Tomogram(here.density, resolution_nm, name),
        voxel_m=voxel_m,
        view=View(density, crack) if shown else None,
    )


def beside_truth(volume: DensityVolume, found: Morphology, crack: np.ndarray | None) -> dict[str, float]:
    """Overlap with the true mask; correlation of cell volumes with true cracks, and with those that were found."""
    if not volume.truth:
        return {}
    truth = volume.truth
    inside, change = truth["inside"] > 0.5, truth["volume_change"].astype(np.float64)
    numbers = {"mask_dice": dice(found.particle.mask, inside)}
    true = inside & (truth["crack_share"] > 0.5)
    if true.any():
        numbers["pearson_true_cracks"] = crack_and_cell(true, inside, change)
    if crack is not None and crack.any():
        numbers["pearson_found_cracks"] = crack_and_cell(crack, found.particle.mask, change)
    return numbers


def twins(states: list[str], seeds: range, size: str) -> dict[str, list[Entry]]:
    """A particle of each state and seed; the first one is rendered."""
    found: dict[str, list[Entry]] = {}
    for state in states:
        particle = preset(size, state=state)
        nm = particle.voxel_m * 1e9
        volumes = (SimulatedVolume(particle, seed=seed).read() for seed in seeds)
        found[state] = [entry(v, f"seed {k}", nm, k == seeds[0]) for k, v in zip(seeds, volumes)]
        print(state, "analysed", flush=True)
    return found


def resolution_of(path: Path) -> float | None:
    """Half period in nanometres that a result of this package holds."""
    try:
        value = load(path).metrics.get("resolution_half_bit_nm")
    except InputError:
        return None
    return None if value is None else float(value)


def reconstructions(files: list[str]) -> dict[str, list[Entry]]:
    """`STATE=FILE`, several for a state if there are."""
    found: dict[str, list[Entry]] = {}
    for item in files:
        state, _, name = item.partition("=")
        several = found.setdefault(state, [])
        volume = VolumeFile(name).read()
        several.append(entry(volume, f"found {len(several) or ''}", resolution_of(Path(name)), not several))
    return {state: found[state] for state in (*STATES, *found) if state in found}


def numbers_of(states: dict[str, list[Entry]]) -> Numbers:
    """Of each state and quantity the mean over the particles and half the standard deviation."""
    table: Numbers = {}
    for state, entries in states.items():
        names = dict.fromkeys(name for e in entries for name in e.metrics)
        values = {n: [e.metrics[n] for e in entries if e.metrics.get(n) is not None] for n in names}
        known = {n: np.array(v, float) for n, v in values.items() if v}
        table[state] = {n: (float(v.mean()), float(v.std() / 2)) for n, v in known.items()}
    return table


def orderings(numbers: Numbers) -> dict[str, bool]:
    """What measured tomograms show, as far as all four states are there."""
    if not set(STATES) <= set(numbers):
        return {}
    of = {name: {s: numbers[s][name][0] for s in STATES} for name in ("porosity", "pore_mean_nm")}
    step = {s: numbers[s]["density_shell_less_core"][0] for s in STATES}
    size, amount = of["pore_mean_nm"], of["porosity"]
    return {
        "diameters grow: pristine, delithiated, cycled": size["pristine"]
        < size["delithiated"]
        < min(size["cycled_large"], size["cycled_small"]),
        "pores grow: pristine, delithiated, cycled_small": amount["pristine"]
        < amount["delithiated"]
        < amount["cycled_small"],
        "pristine and delithiated are flat": abs(step["pristine"]) < 0.01 and abs(step["delithiated"]) < 0.02,
        "cycled_large is depleted in the core": step["cycled_large"] >= 0.05,
        "cycled_small is depleted at the surface": step["cycled_small"] <= -0.07,
    }


def draw(out: Path, truth: dict[str, list[Entry]], found: dict[str, list[Entry]]) -> None:
    """All figures; of what was found where there is something."""
    first = found or truth
    voxel_m = next(iter(first.values()))[0].voxel_m
    views = {s: e[0].view for s, e in first.items()}
    save(particle_views({s: v for s, v in views.items() if v is not None}, voxel_m), out / "2_particles.png")
    rows = {"found": found, "truth": truth} if found else {"truth": truth}
    halves = {source: {s: e[0].slice for s, e in row.items()} for source, row in rows.items()}
    save(half_maps(halves, voxel_m), out / "2_pores_and_density.png")
    sizes = {k: {s: [e.sizes for e in entries] for s, entries in row.items()} for k, row in rows.items()}
    beside = sizes["truth"] if found else None
    save(pore_histogram(sizes["found"] if found else sizes["truth"], beside), out / "3A_pores.png")
    means = {
        k: {s: averaged_profile([e.profile for e in entries]) for s, entries in row.items()}
        for k, row in rows.items()
    }
    beside = means["truth"] if found else None
    save(radial_density(means["found"] if found else means["truth"], beside), out / "3B_radial_density.png")
    slices = {
        s: [e.tomogram for e in found.get(s, [])] + [e.tomogram for e in truth.get(s, [])] for s in truth
    }
    save(slice_grid(slices, voxel_m), out / "S2_slices.png")


def report(truth: Numbers, found: Numbers) -> None:
    """A line for each quantity of the table, and for each order."""
    for name, (expected, tolerance) in TABLE.items():
        wanted = dict(zip(STATES, expected, strict=True))
        for label, numbers in (("twin", truth), ("found", found)):
            cells = [
                f"{s} {numbers[s][name][0]:.4g} +- {numbers[s][name][1]:.2g} ({wanted[s]:g})"
                for s in numbers
                if name in numbers[s]
            ]
            if cells:
                print(f"{name} (+-{tolerance:g}), {label}:", "; ".join(cells))
    for label, numbers in (("twin", truth), ("found", found)):
        for sentence, holds in orderings(numbers).items():
            print(f"{label}: {sentence}: {'yes' if holds else 'NO'}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("morphology_figures"))
    parser.add_argument("--found", nargs="*", default=[], metavar="STATE=FILE")
    parser.add_argument("--seeds", type=int, default=6, help="how many")
    parser.add_argument("--first", type=int, default=0, help="seed, of what was found, say")
    parser.add_argument("--preset", default="small", choices=("tiny", "mini", "small"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    seeds = range(options.first, options.first + options.seeds)
    truth = twins(list(STATES), seeds, options.preset)
    found = reconstructions(options.found)
    draw(options.out, truth, found)
    table = {"twin": numbers_of(truth), "found": numbers_of(found)}
    (options.out / "numbers.json").write_text(json.dumps(table, indent=1))
    report(table["twin"], table["found"])


if __name__ == "__main__":
    main()
