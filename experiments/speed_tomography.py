"""How fast, how exact and how large is the ray transform here, beside other packages?

The questions, and the figure that would be called good, for 128^3 voxels, 180 views, float32, forward and transpose:

    CPU seconds on one pinned core: at most 0.18; 15 times less than ASTRA's CPU kernel `linear`, and no more than ASTRA's
        explicit matrix through SciPy, both measured in turns with it
    error against line integrals by formula: at most 1.0e-3 (two digits), and no larger than that of ASTRA's `linear`
    time grows as voxels times views from 64^3 to 256^3: no more than 1.5 between the best and the worst
    memory above what is there before: at most 3 times volume and projections, at every size
    two cores against one, wall clock: 1.5 times faster

Everything is timed in turns on the same core, one process each (`contest.py`); every program measures itself as
`timed_projector.py` says. An "epoch" is one projection and one back projection. Without `--python` jxrecon runs alone.

    python experiments/speed_tomography.py --out speed.json --python astra=ENV/bin/python --python mbirjax=ENV2/bin/python

About 5 minutes with both and 1 without; `--fast` is a check of the script itself.
"""

import argparse
import dataclasses
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from answers import Answer, least, median, ratio
from contest import CPU, WALL, Contestant, contest, machine
from gaussian_volume import write

HERE = Path(__file__).resolve().parent
# The package of this checkout, installed or not.
PACKAGE = {"PYTHONPATH": os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))}
LINEAR, MATRIX, MBIRJAX = "ASTRA linear", "ASTRA matrix", "MBIRJAX"
OTHERS = {  # name: (package of `--python PACKAGE=PATH`, script and its options)
    LINEAR: ("astra", ("astra_ray_transform.py", "--kind", "linear")),
    MATRIX: ("astra", ("astra_ray_transform.py", "--kind", "matrix")),
    MBIRJAX: ("mbirjax", ("mbirjax_ray_transform.py",)),
}
COLUMNS = {
    CPU: "{:.4f}",
    "forward_cpu_s": "{:.4f}",
    "backward_cpu_s": "{:.4f}",
    WALL: "{:.4f}",
    "first_s": "{:.1f}",
    "memory_ratio": "{:.2f}",
    "error": "{:.2e}",
    "adjoint_mismatch": "{:.0e}",
}


@dataclasses.dataclass(frozen=True)
class Setup:
    """What is measured on, and how often. `data`: size -> file."""

    data: dict[int, Path]
    python: dict[str, str]
    repeats: int
    turns: int
    worker: Path = HERE / "jxrecon_ray_transform.py"
    folder: Path = HERE

    @property
    def middle(self) -> int:
        """The size of the comparison with others: 128, or the only one."""
        return 128 if 128 in self.data else next(iter(self.data))

    def jxrecon(self, name: str, size: int, cores: int = 1) -> Contestant:
        command = (sys.executable, str(self.worker), str(self.data[size]), "--repeats", str(self.repeats))
        cold = {"JAX_PLATFORMS": "cpu", "JAX_ENABLE_COMPILATION_CACHE": "false"}
        return Contestant(name, command, cores, PACKAGE | cold)

    def others(self) -> list[Contestant]:
        found = []
        for name, (package, (script, *options)) in OTHERS.items():
            if package in self.python:
                timing = (str(self.data[self.middle]), "--repeats", str(min(self.repeats, 5)))
                command = (self.python[package], str(self.folder / script), *timing, *options)
                found.append(Contestant(name, command, 1, {"JAX_PLATFORMS": "cpu", "MPLBACKEND": "agg"}))
        return found


def beside_others(setup: Setup, folder: Path) -> tuple[dict, list[Answer]]:
    """One pinned core, all programs in turns."""
    turns = contest([setup.jxrecon("jxrecon", setup.middle), *setup.others()], folder, setup.turns)
    mine = median(turns["jxrecon"], CPU)
    error = median(turns["jxrecon"], "error")
    linear, matrix = (turns.get(name, []) for name in (LINEAR, MATRIX))
    return turns, [
        Answer("CPU s of forward and transpose", mine, 0.18, False),
        Answer("ASTRA linear / jxrecon", ratio(median(linear, CPU), mine), 15.0, True),
        Answer("jxrecon / ASTRA matrix", ratio(mine, median(matrix, CPU)), 1.0, False),
        Answer("error against integrals by formula", error, 1.05e-3, False),
        Answer("error, jxrecon / ASTRA linear", ratio(error, median(linear, "error")), 1.001, False),
    ]


def growth(setup: Setup, folder: Path) -> tuple[dict, list[Answer]]:
    """Time and memory from the smallest to the largest volume, on one pinned core."""
    names = {size: f"{size}^3" for size in setup.data}
    turns = contest([setup.jxrecon(name, size) for size, name in names.items()], folder, setup.turns)
    per_voxel = [(median(turns[name], CPU) or np.nan) / size**3 for size, name in names.items()]
    memory = max(median(turns[name], "memory_ratio") or np.nan for name in names.values())
    return turns, [
        Answer(
            "most / least CPU time per voxel and view, all sizes", max(per_voxel) / min(per_voxel), 1.5, False
        ),
        Answer("memory / (volume + projections), the worst size", memory, 3.0, False),
    ]


def two_cores(setup: Setup, folder: Path) -> tuple[dict, list[Answer]]:
    """Wall clock of the quickest pair: the median of wall times tells who else used the cores."""
    runs = [setup.jxrecon(f"{cores} of 2 cores", setup.middle, cores) for cores in (1, 2)]
    turns = contest(runs, folder, setup.turns)
    figure = ratio(*(least(turns[run.name], "s_per_epoch_min") for run in runs))
    return turns, [Answer("two cores: wall of one / of two", figure, 1.5, True)]


PARTS = (beside_others, growth, two_cores)


def table(turns: dict[str, list[dict]]) -> str:
    heads = ("CPU s", "forward", "transpose", "wall s", "first s", "memory", "error", "mismatch")
    lines = [f"  {'':<16}" + "".join(head.rjust(11) for head in heads)]
    for name, records in turns.items():
        figures = [(median(records, key), form) for key, form in COLUMNS.items()]
        cells = ["" if figure is None else form.format(figure) for figure, form in figures]
        lines.append(f"  {name:<16}" + "".join(cell.rjust(11) for cell in cells))
    return "\n".join(lines)


def interpreters(pairs: Sequence[str]) -> dict[str, str]:
    """`PACKAGE=PATH` pairs of the command line as a dict."""
    packages = sorted({package for package, _ in OTHERS.values()})
    chosen = {}
    for pair in pairs:
        package, _, path = pair.partition("=")
        if package not in packages or not Path(path).is_file():
            raise SystemExit(f"`--python {pair}`: expected PACKAGE=PATH with one of {', '.join(packages)}.")
        chosen[package] = path
    return chosen


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("speed_tomography.json"))
    parser.add_argument("--python", action="append", default=[], metavar="PACKAGE=PATH")
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--views", type=int, default=180)
    parser.add_argument("--repeats", type=int, default=9, help="timed pairs of a turn")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=[part.__name__ for part in PARTS])
    parser.add_argument("--fast", action="store_true", help="smallest possible run, to check the script")
    return parser.parse_args()


def prepared(a: argparse.Namespace, folder: Path) -> Setup:
    sizes, views = ([16, 24], 12) if a.fast else (a.sizes, a.views)
    data = {size: folder / f"volume{size}.npz" for size in sizes}
    for size, path in data.items():
        write(path, size, views)
    repeats, turns = (2, 1) if a.fast else (a.repeats, a.turns)
    return Setup(data, interpreters(a.python), repeats, turns)


def main() -> None:
    a = arguments()
    with tempfile.TemporaryDirectory() as name:
        setup = prepared(a, Path(name))
        report: dict = {"machine": machine(), "sizes": list(setup.data), "views": 12 if a.fast else a.views}
        answers: list[Answer] = []
        for part in PARTS:
            if a.only and part.__name__ not in a.only:
                continue
            print(f"{part.__name__}: {(part.__doc__ or '').splitlines()[0]}", flush=True)
            turns, here = part(setup, Path(name))
            report[part.__name__] = turns
            answers += here
            print(f"\n{table(turns)}\n")
    report["answers"] = [dataclasses.asdict(answer) | {"met": answer.met} for answer in answers]
    a.out.write_text(json.dumps(report, indent=1))
    print(*answers, f"written: {a.out}", sep="\n")


if __name__ == "__main__":
    main()
