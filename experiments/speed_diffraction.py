"""How fast and how exact are the fits of powder patterns here, beside SciPy's, one pattern after the other?

The questions, and the figure that would be called good, for 10,000 patterns of 560 channels with three pseudo-Voigt peaks and a
linear background (`powder_patterns.py`), both programs from counts to parameters, start and errors included:

    CPU time per pattern, SciPy / jxrecon, free centres (14 parameters) and centres from a, c (13): at least 15
    errors of a and c: free centres, no larger than SciPy's; from the cell, within 2 % of SciPy's or smaller,
        and within 5 % of the Cramér-Rao bound
    real convergence: of the patterns that SciPy fits with all eta in 0 .. 1, a chi^2 more than 0.1 % above SciPy's in at most
        0.1 %; no more failures (a centre more than 0.3 degrees off, or nothing found) than SciPy has

SciPy: `curve_fit`, method `lm` (MINPACK), analytic Jacobian, weights 1 / max(counts, 1); eta is not bound.
jxrecon: the same weights, eta in 0 .. 1; once more without bounds that matter; and once with the Poisson likelihood.

Everything is timed in turns on the same core, one process each (`contest.py`); an "epoch" is the fit of all patterns.

    python experiments/speed_diffraction.py --out speed.json

About 4 minutes; `--fast` is a check of the script itself.
"""

import argparse
import dataclasses
import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from answers import Answer, median, ratio
from contest import CPU, Contestant, contest, machine
from powder_patterns import chi_squares, least_errors, write

HERE = Path(__file__).resolve().parent
# The package of this checkout, installed or not.
PACKAGE = {"PYTHONPATH": os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))}
JXRECON, UNBOUND, POISSON, SCIPY = "jxrecon", "jxrecon, eta unbound", "jxrecon, Poisson", "SciPy"
WORKERS = {
    JXRECON: ("jxrecon_peak_fit.py", "--warm"),
    UNBOUND: ("jxrecon_peak_fit.py", "--warm", "--eta", "-4", "5"),
    POISSON: ("jxrecon_peak_fit.py", "--warm", "--noise", "poisson"),
    SCIPY: ("scipy_peak_fit.py",),
}
MODES = {"free": "free centres", "lattice": "centres from the cell"}
WRONG_DEG = 0.3  # a centre farther off is a failure
EXCESS = 1e-3  # of chi^2


@dataclasses.dataclass(frozen=True)
class Setup:
    """What is measured on, and how often."""

    data: Path
    repeats: int
    turns: int
    folder: Path = HERE

    def contestants(self, mode: str, results: Path) -> list[Contestant]:
        cold = {"JAX_PLATFORMS": "cpu", "JAX_ENABLE_COMPILATION_CACHE": "false"}
        found = []
        for name, (script, *options) in WORKERS.items():
            repeats = "1" if name == SCIPY else str(self.repeats)
            result = str(results / f"{mode} {name}.npz")
            command = (sys.executable, str(self.folder / script), str(self.data), *options)
            more = ("--mode", mode, "--result", result, "--repeats", repeats)
            found.append(Contestant(name, command + more, 1, PACKAGE | cold))
        return found


def quality(data: dict[str, np.ndarray], found: dict[str, np.ndarray]) -> dict:
    """Failures, errors of a and c (angstrom, of what did not fail), chi^2 of every pattern."""
    off = np.abs(found["columns"][:, 1:12:4] - data["columns"][:, 1:12:4])
    sound = np.all(off < WRONG_DEG, axis=1) & np.all(np.isfinite(found["cell"]), axis=1)
    error = np.sqrt(np.mean((found["cell"] - data["cell"])[sound] ** 2, axis=0))
    chi2 = chi_squares(data["x"], data["y"].astype(float), found["columns"])
    return {
        "failures": float(1 - sound.mean()),
        "a_rmse": float(error[0]),
        "c_rmse": float(error[1]),
        "chi2": chi2,
    }


def excess(mine: np.ndarray, peer: np.ndarray, among: np.ndarray) -> float:
    """Share of the patterns `among` whose chi^2 is more than 0.1 % above the other's."""
    return float(np.mean(~(mine[among] <= (1 + EXCESS) * peer[among]))) if among.any() else float("nan")


def compared(setup: Setup, mode: str, folder: Path) -> tuple[dict, list[Answer]]:
    """All programs in turns on one pinned core, and how good their last results are."""
    turns = contest(setup.contestants(mode, folder), folder, setup.turns)
    data, found, judged = dict(np.load(setup.data)), {}, {}
    for name in WORKERS:
        path = folder / f"{mode} {name}.npz"
        if not path.is_file():
            raise SystemExit(f"`{name}` left no result: {turns[name][-1].get('failed')}.")
        found[name] = dict(np.load(path))
        judged[name] = quality(data, found[name])
    bound = np.sqrt(np.mean(least_errors(data["x"], data["columns"], data["cell"]) ** 2, axis=0))
    peer, eta = judged[SCIPY], found[SCIPY]["columns"][:, 3:12:4]
    within = np.all((eta >= 0) & (eta <= 1), axis=1)
    whole = np.isfinite(peer["chi2"])
    shares = {
        "within_bounds": excess(judged[JXRECON]["chi2"], peer["chi2"], within & whole),
        "unbound": excess(judged[UNBOUND]["chi2"], peer["chi2"], whole),
        "unbound_scipy": excess(peer["chi2"], judged[UNBOUND]["chi2"], whole),
    }
    for name, figures in judged.items():
        figures["core_ms"] = median(turns[name], "core_ms_per_pattern")
        figures["chi2"] = float(np.nanmean(figures["chi2"]))
    answers = answered(mode, judged, {name: median(turns[name], CPU) for name in WORKERS}, bound, shares)
    part = {"turns": turns, "quality": judged, "cramer_rao": bound.tolist(), "chi2_excess": shares}
    return part, answers


def answered(mode: str, judged: dict, cpu: dict, bound: np.ndarray, shares: dict) -> list[Answer]:
    mine, peer, words = judged[JXRECON], judged[SCIPY], MODES[mode]
    most = 1.0 if mode == "free" else 1.02
    answers = [Answer(f"{words}: CPU time, SciPy / jxrecon", ratio(cpu[SCIPY], cpu[JXRECON]), 15.0, True)]
    for k, length in enumerate(("a", "c")):
        key = f"{length}_rmse"
        answers.append(
            Answer(f"{words}: error of {length}, jxrecon / SciPy", mine[key] / peer[key], most, False)
        )
        if mode == "lattice":
            over = float(mine[key] / bound[k])
            answers.append(Answer(f"{words}: error of {length} / Cramér-Rao bound", over, 1.05, False))
    return [
        *answers,
        Answer(f"{words}: share with a larger chi^2 than SciPy's", shares["within_bounds"], 1e-3, False),
        Answer(f"{words}: failures", mine["failures"], peer["failures"], False),
    ]


def table(judged: dict[str, dict]) -> str:
    forms = {
        "core_ms": ("core ms", "{:.4f}"),
        "a_rmse": ("a / A", "{:.6f}"),
        "c_rmse": ("c / A", "{:.5f}"),
        "failures": ("failed", "{:.4%}"),
        "chi2": ("chi^2", "{:.2f}"),
    }
    lines = [f"  {'':<22}" + "".join(head.rjust(11) for head, _ in forms.values())]
    for name, figures in judged.items():
        cells = [
            "" if figures[key] is None else form.format(figures[key]) for key, (_, form) in forms.items()
        ]
        lines.append(f"  {name:<22}" + "".join(cell.rjust(11) for cell in cells))
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("speed_diffraction.json"))
    parser.add_argument("--patterns", type=int, default=10_000)
    parser.add_argument(
        "--repeats", type=int, default=5, help="timed fits of all patterns in a turn of jxrecon"
    )
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=list(MODES), default=list(MODES))
    parser.add_argument("--fast", action="store_true", help="smallest possible run, to check the script")
    return parser.parse_args()


def main() -> None:
    a = arguments()
    count, repeats, turns = (40, 1, 1) if a.fast else (a.patterns, a.repeats, a.turns)
    report: dict = {"machine": machine(), "patterns": count}
    answers: list[Answer] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "patterns.npz", count)
        setup = Setup(folder / "patterns.npz", repeats, turns)
        for mode in a.only:
            print(MODES[mode], flush=True)
            report[mode], here = compared(setup, mode, folder)
            answers += here
            print(f"\n{table(report[mode]['quality'])}\n")
    report["answers"] = [dataclasses.asdict(answer) | {"met": answer.met} for answer in answers]
    a.out.write_text(json.dumps(report, indent=1))
    print(*answers, f"written: {a.out}", sep="\n")


if __name__ == "__main__":
    main()
