"""Does a volume of diffraction patterns cost per slice what a single slice costs, and how much memory does it take?

The questions, and the figure that would be called good, for 40 x 40 x 40 voxels, 60 angles, 512 channels and ten reflections
(`core_shell_volume.py`), by `classical.lattice_volume`:

    time for everything from file to maps: at most 15 minutes on two cores (CPU seconds of all threads over two)
    peak of resident memory: at most 4 GiB
    CPU seconds for a slice, 40 slices beside one, without compiling: at most 1.3 times, also for each step

and the errors of a, c, V, widths and areas over the voxels that hold matter: of the volume, and of the middle slice solved
alone. Each is a process of its own; one slice is solved twice, the second time nothing is compiled. What is in the folder already
is not done again: an interrupted run goes on.

    python experiments/scale_diffraction.py --out scale/

About 10 minutes; `--fast` is a check of the script itself.
"""

import argparse
import dataclasses
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import jax.numpy as jnp
import numpy as np
from answers import Answer
from contest import machine
from core_shell_phantom import WAVELENGTH_M
from core_shell_volume import write

from jxrecon.classical.lattice_volume import LatticeVolume, lattice_volume
from jxrecon.forward.background import chebyshev
from jxrecon.forward.cell import Cell
from jxrecon.forward.diffraction_tomography import DiffractionTomography, bins_around
from jxrecon.forward.powder import Powder
from jxrecon.forward.reflections import NMC_HKL

CELL = Cell("hexagonal", (2.86, 14.33))
KNOTS, NEAR_DEG, REACH_DEG = 5, 0.8, 4.0
SHOWN = (0, 1, 4)  # (003), (101), (104)


class Middle:
    """One slice of a dataset, cut as the whole would be."""

    def __init__(self, counts: Any):
        self.counts, self.at = counts, counts.shape[1] // 2
        self.shape = (counts.shape[0], 1, *counts.shape[2:])

    def __getitem__(self, cut: tuple) -> np.ndarray:
        return self.counts[:, self.at : self.at + 1]


def solved(file: Any, folder: Path, alone: bool, together: int) -> LatticeVolume:
    two_theta, angle, whole = file["two_theta_deg"][()], file["angle_rad"][()], file["counts"]
    views, _, width, _ = whole.shape
    powder = Powder(CELL, NMC_HKL, two_theta, WAVELENGTH_M, REACH_DEG)

    def model(begin: int, end: int) -> DiffractionTomography:
        return DiffractionTomography(
            powder=powder,
            basis=jnp.asarray(chebyshev(two_theta, KNOTS + 1)[1:], jnp.float32),
            angle=jnp.asarray(angle, jnp.float32),
            shift=jnp.zeros(views),
            monitor=jnp.ones((views, end - begin, width)),
            bins=bins_around(two_theta, powder.reference_deg, NEAR_DEG),
        )

    return lattice_volume(folder, Middle(whole) if alone else whole, model, two_theta, together=together)


def errors(file: Any, found: LatticeVolume, alone: bool) -> dict[str, float]:
    """RMSE over the voxels that are scored; of areas relative to their mean."""
    truth = {name: file[f"truth/{name}"][()] for name in ("a", "c", "area", "fwhm_deg", "mask")}
    if alone:
        at = truth["mask"].shape[-1] // 2
        truth = {name: values[..., at : at + 1] for name, values in truth.items()}
    mask = truth["mask"] & np.isfinite(found.maps["a"])
    root = np.sqrt(3) / 2
    pairs = {name: (found.maps[name], truth[name]) for name in ("a", "c")}
    pairs["V"] = found.maps["volume"], root * truth["a"] ** 2 * truth["c"]
    for name in ("fwhm_deg", "area"):
        for k in SHOWN:
            pairs[f"{name.removesuffix('_deg')}{''.join(map(str, NMC_HKL[k]))}"] = (
                found.maps[name][k],
                truth[name][k],
            )
    result = {}
    for name, (value, right) in pairs.items():
        rmse = float(np.sqrt(np.mean((value[mask] - right[mask]) ** 2)))
        result[name] = rmse / float(right[mask].mean()) if name.startswith("area") else rmse
    return result


def work(a: argparse.Namespace) -> None:
    """The process of one volume: one line of JSON."""
    record: dict = {}
    with h5py.File(a.work, "r") as file:
        for turn in range(2 if a.alone else 1):
            wall, cpu = time.perf_counter(), time.process_time()
            found = solved(file, a.out / f"turn_{turn}", a.alone, a.together)
            record |= {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
        record |= {"errors": errors(file, found, a.alone), "slices": found.maps["a"].shape[-1]}
        record |= {"groups": found.figures, "missing": [list(group) for group in found.missing]}
    used = resource.getrusage(resource.RUSAGE_SELF)
    record |= {"peak_gib": used.ru_maxrss / 2**20, "process_cpu_s": used.ru_utime + used.ru_stime}
    print(json.dumps(record | {"load": os.getloadavg()[0]}))


def run(path: Path, folder: Path, together: int, alone: bool) -> dict:
    """In a process of its own; its progress is seen."""
    record = folder / "record.json"
    if record.is_file():
        return json.loads(record.read_text())
    command = [
        sys.executable,
        __file__,
        "--work",
        str(path),
        "--out",
        str(folder),
        "--together",
        str(together),
    ]
    done = subprocess.run([*command, *["--alone"] * alone], stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    if found["missing"]:
        raise SystemExit("interrupted; run again to go on")
    record.write_text(json.dumps(found, indent=1))
    return found


def answers(one: dict, many: dict) -> list[Answer]:
    # The first group compiles and looks for scales of the prior, which a single slice does as well.
    groups = list(many["groups"].values())
    rest = groups[1:]
    share = many["slices"] * len(rest) / len(groups)
    alone = one["groups"][next(iter(one["groups"]))]
    steps = sum(g["steps"] for g in rest) / len(rest), alone["steps"]
    ratio = sum(g["cpu_s"] for g in rest) / share / one["cpu_s"]
    whole = many["cpu_s"] / many["slices"] / one["cpu_s"]
    return [
        Answer("minutes on two cores, from file to maps", many["process_cpu_s"] / 120, 15.0, False),
        Answer("peak of resident memory, GiB", many["peak_gib"], 4.0, False),
        Answer("time for a slice, of many beside one", ratio, 1.3, False),
        Answer("the same for each step of each", ratio * steps[1] / steps[0], 1.3, False),
        Answer("the same in all, compiling and first group included", whole, 1.3, False),
    ]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("scale_diffraction"))
    parser.add_argument("--size", type=int, default=40)
    parser.add_argument("--views", type=int, default=60)
    parser.add_argument("--channels", type=int, default=512)
    parser.add_argument("--together", type=int, default=8, help="slices that are solved at once")
    parser.add_argument("--fast", action="store_true", help="smallest possible run, to check the script")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)  # the process of one volume
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    a = arguments()
    if a.work:
        work(a)
        return
    if a.fast:
        a.size, a.views, a.together = 12, 12, 4
    a.out.mkdir(parents=True, exist_ok=True)
    path = a.out / f"volume_{a.size}_{a.views}_{a.channels}.h5"
    if not path.is_file():
        unfinished = path.with_suffix(".part")
        write(unfinished, a.size, a.size, a.views, a.channels)
        unfinished.rename(path)
    one = run(path, a.out / "one", a.together, alone=True)
    many = run(path, a.out / "many", a.together, alone=False)
    found = answers(one, many)
    report = {"machine": machine(), "together": a.together, "one": one, "many": many}
    report["answers"] = [dataclasses.asdict(answer) | {"met": answer.met} for answer in found]
    (a.out / "scale.json").write_text(json.dumps(report, indent=1))
    for name, record in (("one slice", one), (f"{many['slices']} slices", many)):
        print(name, *(f"{k} {v:.2g}" for k, v in record["errors"].items()), sep="  ")
    print(*found, f"written: {a.out / 'scale.json'}", sep="\n")


if __name__ == "__main__":
    main()
