"""Is it worth while to reconstruct lattice parameters directly from sinograms of patterns, and by how much?

Everybody reconstructs every channel of 2 theta and fits the pattern of every voxel then. Here the maps of a, c, widths, areas
and background are what the sinogram is asked for (`classical.direct_lattice`), smoothness chosen by the data. On the slice of
`core_shell_phantom.py`, in three cells (everything; a tenth of the dose; a quarter of the angles) and several seeds of noise,
RMSE over the voxels that hold matter. What would be called good, for c, V and the widths:

    2 times better than filtered back projection and fit, in every cell
    better than MLEM and fit even when that is smoothed, or denoised by total variation, as the truth says is best for each
    quantity: by more than two standard deviations over seeds, and 1.2 times

    python experiments/direct_tomography.py --out direct/

The direct solution runs in a process of its own: its CPU time is that of the whole process, with imports and compilation, less
what the simulation took; at most 40 s for everything. Nothing about it depends on the truth but, perhaps, the scales with which
its prior begins: for the first seed they are halved and doubled as well.

About 3 minutes for each cell and seed on two cores; what is in the folder already is not done again. `--fast` checks the
script.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from answers import Answer
from core_shell_phantom import HKL, WAVELENGTH_M, Phantom, phantom
from two_step_baselines import CELL, fair, free_fit, maps_of, reconstructed, rmse

from jxrecon.classical.direct_lattice import START, direct_lattice
from jxrecon.classical.two_step_lattice import first_lattice
from jxrecon.forward.background import chebyshev
from jxrecon.forward.diffraction_tomography import DiffractionTomography, bins_around
from jxrecon.forward.powder import Powder

CELLS = {
    "full": {"views": 180, "dose": 1.0},
    "low dose": {"views": 180, "dose": 0.1},
    "few angles": {"views": 45, "dose": 1.0},
}
FAST = {"fast": {"views": 24, "dose": 4.0, "size": 24}}
KNOTS = 7
METHODS = ("fbp", "mlem", "gaussian", "total_variation", "direct")
FAIR = ("gaussian", "total_variation")
UNITS = {"a": 1e-4, "c": 1e-4, "V": 1e-3, "fwhm": 1e-3, "area": 1e-2}
FACTORS = (0.5, 2.0)
JUDGED = ("c", "V", "fwhm003", "fwhm101", "fwhm104")


def model_of(data: Phantom) -> DiffractionTomography:
    powder = Powder(CELL, HKL, data.two_theta_deg, WAVELENGTH_M, half_width_deg=100.0)
    return DiffractionTomography(
        powder=powder,
        basis=jnp.asarray(chebyshev(data.two_theta_deg, KNOTS + 1)[1:], jnp.float32),
        angle=jnp.asarray(data.angle, jnp.float32),
        shift=jnp.zeros(data.angle.size),
        monitor=jnp.ones((data.angle.size, 1, data.counts.shape[1])),
        bins=bins_around(data.two_theta_deg, powder.reference_deg, 0.8),
    )


def direct(data: Phantom, factor: float = 1.0) -> tuple[dict, dict]:
    """(maps, figures), from the counts alone; scales of strain and width begin at `factor` times the usual ones."""
    prior = dataclasses.replace(START, strain=factor * START.strain, log_width=factor * START.log_width)
    model, counts = model_of(data), data.counts[:, None]
    clock = time.process_time()
    start = first_lattice(counts, model, data.two_theta_deg)
    first = time.process_time() - clock
    fitted = direct_lattice(
        model, model.binned(jnp.asarray(counts)), start, prior=prior, key=jax.random.key(0)
    )
    lattice = fitted.lattice
    last = [np.moveaxis(np.asarray(m, float)[..., 0], 0, -1) for m in (lattice.fwhm_deg(), lattice.areas())]
    a, c = (
        length * (1 + strain)
        for length, strain in zip(CELL.parameters, np.asarray(lattice.strain, float)[..., 0])
    )
    figures = {"cpu_start_s": first, "load": os.getloadavg()[0], "freedom": fitted.freedom}
    return maps_of(a, c, *last), figures | {"scales": fitted.scales.tolist()}


def solve(name: str, seed: int, factor: float) -> None:
    """The process of one direct solution: one line of JSON."""
    before = time.process_time()
    data = phantom(**(CELLS | FAST)[name], seed=seed)
    simulated = time.process_time() - before
    maps, figures = direct(data, factor)
    # Children and threads of XLA count; importing did.
    figures["cpu_s"] = time.process_time() - simulated
    print(json.dumps({"errors": rmse(maps, data), "figures": figures}))


def solved(name: str, seed: int, factor: float = 1.0) -> dict:
    command = [sys.executable, __file__, "--solve", name, str(seed), str(factor)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def one(name: str, seed: int) -> dict:
    """All methods on one data set."""
    found = solved(name, seed)
    others = {str(f): solved(name, seed, f)["errors"] for f in FACTORS} if seed == 0 else {}
    data = phantom(**(CELLS | FAST)[name], seed=seed)
    volume = reconstructed(data, "mlem")
    errors = {
        "fbp": rmse(free_fit(reconstructed(data, "fbp"), data), data),
        "mlem": rmse(free_fit(volume, data), data),
        **fair(data, volume),
        "direct": found["errors"],
    }
    return {"errors": errors, "direct": found["figures"], "other_starts": others}


def table(name: str, records: dict[str, dict]) -> str:
    quantities = list(next(iter(records.values()))["errors"]["direct"])
    scale = {q: UNITS[q.rstrip("0123456789")] for q in quantities}
    head = f"{name}: {len(records)} seeds, " + ", ".join(f"{k} in {v:g}" for k, v in UNITS.items())
    lines = [head, "  " + " " * 16 + "".join(q.rjust(13) for q in quantities)]
    for method in METHODS:
        rows = np.array([[r["errors"][method][q] / scale[q] for q in quantities] for r in records.values()])
        cells = (f"{m:.2f}+-{s:.2f}".rjust(13) for m, s in zip(rows.mean(axis=0), rows.std(axis=0)))
        lines.append(f"  {method:<16}" + "".join(cells))
    for factor, errors in records["0"]["other_starts"].items():
        shares = (f"{errors[q] / records['0']['errors']['direct'][q] - 1:+.1%}".rjust(13) for q in quantities)
        lines.append(f"  scales x {factor:<7}" + "".join(shares))
    cpu = [record["direct"]["cpu_s"] for record in records.values()]
    return "\n".join([*lines, f"  direct: CPU {min(cpu):.0f} to {max(cpu):.0f} s"])


def answers(name: str, records: dict[str, dict]) -> list[Answer]:
    """The worst of the judged quantities."""

    def figures(method, quantity):
        return np.array([record["errors"][method][quantity] for record in records.values()])

    ratio = {m: [figures(m, q).mean() / figures("direct", q).mean() for q in JUDGED] for m in METHODS}
    distance = []
    for quantity in JUDGED:
        mine = figures("direct", quantity)
        for method in FAIR:
            other = figures(method, quantity)
            # One seed has no spread.
            spread = np.hypot(mine.std(ddof=1), other.std(ddof=1)) if mine.size > 1 else np.nan
            distance.append((other.mean() - mine.mean()) / spread)
    cpu = max(record["direct"]["cpu_s"] for record in records.values())
    return [
        Answer(
            f"{name}: CPU seconds of the direct solution, imports and compilation included", cpu, 40.0, False
        ),
        Answer(f"{name}: FBP and fit / direct", min(ratio["fbp"]), 2.0, True),
        Answer(f"{name}: the better fair one / direct", min(min(ratio[m]) for m in FAIR), 1.2, True),
        Answer(f"{name}: fair less direct, in standard deviations", float(np.min(distance)), 2.0, True),
    ]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("direct_tomography"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=list(CELLS), default=list(CELLS))
    parser.add_argument("--solve", nargs=3, help=argparse.SUPPRESS)  # the process of one direct solution
    parser.add_argument("--fast", action="store_true", help="smallest possible run, to check the script")
    return parser.parse_args()


def main() -> None:
    a = arguments()
    if a.solve:
        solve(a.solve[0], int(a.solve[1]), float(a.solve[2]))
        return
    a.out.mkdir(parents=True, exist_ok=True)
    cells = FAST if a.fast else {name: CELLS[name] for name in a.only}
    found: list[Answer] = []
    for name in cells:
        path = a.out / f"{name.replace(' ', '_')}.json"
        records = json.loads(path.read_text()) if path.is_file() else {}
        for seed in range(1 if a.fast else a.seeds):
            if str(seed) not in records:
                records[str(seed)] = one(name, seed)
                path.write_text(json.dumps(records, indent=1))
                print(f"{name}, seed {seed}: done", file=sys.stderr, flush=True)
        print(f"\n{table(name, records)}\n", flush=True)
        found += answers(name, records)
    print(*found, sep="\n")


if __name__ == "__main__":
    main()
