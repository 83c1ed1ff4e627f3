"""Maps of the lattice of the digital twin, directly and in two steps, against the truth, in its four states.

The twin (preset mid: 9.2 um, a slice of 26 x 26 voxels of 0.48 um, a beam of 1 um, 180 angles, 1e4 photons of a reflection of
unit amplitude in a voxel) sums the patterns of voxels six times finer. Errors are root mean squares over whole voxels with
matter: of a, c and V against means weighted with intensity, of widths against the fit of the voxel's noiseless pattern, of areas
relative to their mean. Once with photon noise alone (`plain`), and once with what goes wrong beside it (`twin_scan.NUISANCES`).

    fbp, mlem                    every channel reconstructed, three free peaks fitted in every voxel
    beam_mlem                    the same with MLEM that has the beam in its model
    gaussian, total_variation    of that, one cell for all peaks, and maps smoothed as the truth says is best for each quantity
    direct                       `classical.direct_lattice`

What would be called good, for c, V and the widths: direct 2 times better than fbp, and better than every fair one (gaussian and
total_variation) by more than two standard deviations over seeds of noise.

    python experiments/twin_tomography.py --out twin/
    python experiments/lattice_figures.py --out figures/ --found pristine=twin/pristine/maps.h5 ...

For each state: maps.h5 (direct), voxels.h5 and channels.h5 (its patterns, and those of MLEM), errors.json. About 2 minutes of
CPU for each state and seed; what is in the folder already is not done again. `--fast` checks the script.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from answers import Answer
from jaxtyping import Float
from twin_scan import NAMES, NUISANCES, Prepared, channels_of, measured_again, prepared, simulation
from two_step_baselines import fair, free_fit, maps_of, reconstructed, rmse

from jxrecon.classical.direct_lattice import direct_lattice
from jxrecon.classical.lattice_errors import readings
from jxrecon.classical.two_step_lattice import first_lattice
from jxrecon.data.plain_patterns import write_patterns
from jxrecon.data.write_maps import write_maps
from jxrecon.forward.diffraction_tomography import voxel_patterns
from jxrecon.lattice import Lattice
from jxrecon.patterns import Patterns
from jxrecon.twin.acquisition import TiltAngles
from jxrecon.twin.diffraction_nuisances import DiffractionNuisances
from jxrecon.twin.scanning_diffraction import ScanningDiffraction
from jxrecon.twin.states import STATES

SETTINGS = {"plain": DiffractionNuisances(), "nuisances": NUISANCES}
FAST: dict[str, Any] = {"angles": TiltAngles(count=24), "counts_per_voxel": 4e5}
METHODS = ("fbp", "mlem", "beam_mlem", "gaussian", "total_variation", "direct")
FAIR = ("gaussian", "total_variation")
UNITS = {"a": 1e-4, "c": 1e-4, "V": 1e-3, "fwhm": 1e-3, "area": 1e-2}
JUDGED = ("c", "V", "fwhm003", "fwhm101", "fwhm104")


def direct(case: Prepared) -> tuple[Lattice, dict[str, float]]:
    """The lattice and figures, from the counts alone."""
    clock = time.process_time()
    start = first_lattice(case.counts, case.model, case.phantom.two_theta_deg, fwhm_deg=case.fwhm_deg)
    counts = case.model.binned(jnp.asarray(case.counts, jnp.float32))
    fitted = direct_lattice(case.model, counts, start, key=jax.random.key(0))
    figures = {"cpu_s": time.process_time() - clock, "load": os.getloadavg()[0], "freedom": fitted.freedom}
    return fitted.lattice, figures | {"deviance": fitted.deviance}


def readings_of(lattice: Lattice, case: Prepared) -> dict[str, np.ndarray]:
    """a, c, and widths and areas with the peaks last."""
    found = readings(lattice, case.model.powder.cell)
    last = {name: np.moveaxis(found[name][..., 0], 0, -1) for name in ("fwhm_deg", "area")}
    return last | {name: found[name][..., 0] for name in ("a", "c")}


def write(folder: Path, lattice: Lattice, case: Prepared, setup: ScanningDiffraction, channels) -> None:
    """maps.h5 of the head, and patterns of voxels, as scanning maps."""
    read, voxel = readings_of(lattice, case), setup.step_m * 1e6
    maps = {name: (read[name], "angstrom") for name in ("a", "c")}
    for kind, key, unit in (("fwhm", "fwhm_deg", "deg"), ("area", "area", "counts deg")):
        maps |= {f"{kind}_{name}": (read[key][..., k], unit) for k, name in enumerate(NAMES)}
    write_maps(folder / "maps.h5", maps, (voxel, voxel), title=f"{setup.particle.state}, reconstructed")
    own = np.asarray(voxel_patterns(lattice, case.model.powder, case.model.basis))[:, :, 0]
    for name, counts in (("voxels", own), ("channels", channels)):
        patterns = Patterns(
            counts=np.asarray(counts, np.float32)[None],
            two_theta_deg=case.phantom.two_theta_deg,
            wavelength_m=setup.optics.wavelength_m,
            angle_deg=np.zeros(1),
            monitor=np.ones((1, *counts.shape[:2])),
            step_m=(setup.step_m, setup.step_m),
            metadata={"state": setup.particle.state},
        )
        write_patterns(folder / f"{name}.h5", patterns, title=f"{setup.particle.state}: {name}")


def one(case: Prepared, setup: ScanningDiffraction, folder: Path | None) -> dict:
    """All methods on one measurement; files where there is a folder."""
    # First, so that its time holds all that it compiles.
    lattice, figures = direct(case)
    read = readings_of(lattice, case)
    maps = {"direct": maps_of(read["a"], read["c"], read["fwhm_deg"], read["area"])}
    maps["fbp"] = free_fit(reconstructed(case.phantom, "fbp"), case.phantom)
    maps["mlem"] = free_fit(channels_of(case, beam=False), case.phantom)
    channels = channels_of(case, beam=True)
    maps["beam_mlem"] = free_fit(channels, case.phantom)
    errors = fair(case.phantom, channels) | {name: rmse(m, case.phantom) for name, m in maps.items()}
    if folder is not None:
        write(folder, lattice, case, setup, channels)
    return {"errors": {m: errors[m] for m in METHODS}, "direct": figures}


def table(name: str, records: dict[str, dict]) -> str:
    quantities = list(next(iter(records.values()))["errors"]["direct"])
    scale = {q: UNITS[q.rstrip("0123456789")] for q in quantities}
    head = f"{name}: {len(records)} seeds, " + ", ".join(f"{k} in {v:g}" for k, v in UNITS.items())
    lines = [head, "  " + " " * 22 + "".join(q.rjust(13) for q in quantities)]
    for method in METHODS:
        rows = np.array([[r["errors"][method][q] / scale[q] for q in quantities] for r in records.values()])
        cells = (f"{m:.1f}+-{s:.1f}".rjust(13) for m, s in zip(rows.mean(axis=0), rows.std(axis=0)))
        lines.append(f"  {method:<22}" + "".join(cells))
    cpu = [record["direct"]["cpu_s"] for record in records.values()]
    return "\n".join([*lines, f"  direct: CPU {min(cpu):.0f} to {max(cpu):.0f} s"])


def answers(name: str, records: dict[str, dict]) -> list[Answer]:
    """The worst of the judged quantities, by name."""

    def figures(method: str, quantity: str) -> Float[np.ndarray, " seed"]:
        return np.array([record["errors"][method][quantity] for record in records.values()])

    def worst(methods) -> tuple[float, str, float]:
        """Smallest ratio, where it is, and by how many standard deviations over seeds the smallest difference is."""
        ratio, place, apart = np.inf, "", []
        for quantity in JUDGED:
            mine = figures("direct", quantity)
            for method in methods:
                other = figures(method, quantity)
                if other.mean() / mine.mean() < ratio:
                    ratio, place = other.mean() / mine.mean(), f"{quantity}, {method}"
                # One seed has no spread.
                spread = np.hypot(mine.std(ddof=1), other.std(ddof=1)) if mine.size > 1 else np.nan
                apart.append((other.mean() - mine.mean()) / spread)
        return float(ratio), place, float(np.min(apart))

    paper, fairest = worst(["fbp"]), worst(FAIR)
    return [
        Answer(f"{name}: FBP and fit / direct ({paper[1]})", paper[0], 2.0, True),
        Answer(f"{name}: fair / direct ({fairest[1]})", fairest[0], 1.0, True),
        Answer(f"{name}: fair less direct, standard deviations", fairest[2], 2.0, True),
    ]


def run(out: Path, state: str, setting: str, seeds: int, fast: bool) -> dict[str, dict]:
    """Records by seed; those that are there already are kept."""
    folder = out / state if setting == "plain" else out / f"{state}_{setting}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "errors.json"
    records = json.loads(path.read_text()) if path.is_file() else {}
    missing = [seed for seed in range(seeds) if str(seed) not in records]
    if missing:
        setup = simulation(state, fast, nuisances=SETTINGS[setting], **(FAST if fast else {}))
        scan, first = setup(0), None
        for seed in missing:
            case = prepared(scan, setup, measured_again(scan, seed), first)
            first = first or case
            records[str(seed)] = one(case, setup, folder if seed == 0 else None)
            path.write_text(json.dumps(records, indent=1))
            print(f"{state}, {setting}, seed {seed}: done", file=sys.stderr, flush=True)
    return records


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("twin_tomography"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--states", nargs="+", choices=list(STATES), default=list(STATES))
    parser.add_argument("--settings", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--fast", action="store_true", help="smallest possible run, to check the script")
    a = parser.parse_args()
    found: list[Answer] = []
    for setting in a.settings[:1] if a.fast else a.settings:
        for state in a.states[-1:] if a.fast else a.states:
            records = run(a.out, state, setting, 1 if a.fast else a.seeds, a.fast)
            name = f"{state}, {setting}"
            print(f"\n{table(name, records)}\n", flush=True)
            found += answers(name, records)
    print(*found, sep="\n")


if __name__ == "__main__":
    main()
