"""How fast is ptychography here, beside other packages and beside the Fourier transforms alone?

The questions, and the figure that would be called good:

    sub-pixel positions, batch 10, one pinned core, CPU seconds per epoch
        pty-chi LSQML takes at least 5 times as long, phaser's JAX gradient engine at least 2 times
    whole-pixel positions: at most 1.5 times the two Fourier transforms of every frame alone
    compilation and first epoch, with an empty compilation cache: less than 5 s
    two cores as two devices against one pinned core, wall clock: 1.5 times faster at batch 10, 1.3 at batch 50
    memory: from the smallest to the largest batch the peak grows by no more than the frames of the batch

Everything is timed in turns on the same core, one process each (`contest.py`): CPU seconds between epochs after compilation,
medians over turns. Without `--peers` jxrecon runs alone beside the transforms. With `--device gpu` nothing is pinned
and the clock is the wall; other packages' scripts then stay out, because they ask for the CPU.

    python experiments/speed_ptychography.py --data X.npz --out speed.json \\
        --peers DIR --python ptychi=ENV/bin/python --python phaser=ENV2/bin/python --python cdtools=ENV/bin/python

About 10 minutes with all peers and 2 without; `--fast` is a check of the script itself in some seconds.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import peers
from answers import Answer, least, median, ratio, table
from contest import CPU, WALL, Contestant, contest, machine

HERE = Path(__file__).resolve().parent
# The package of this checkout, installed or not.
PACKAGE = {"PYTHONPATH": os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))}


@dataclasses.dataclass(frozen=True)
class Setup:
    """What is measured on, and how long."""

    data: Path
    peer_folder: Path | None
    python: dict[str, str]
    device: str
    epochs: int
    repeats: int
    batches: tuple[int, ...]
    memory_batches: tuple[int, ...]
    worker: Path = HERE / "jxrecon_ptychography.py"
    floor: Path = HERE / "fft_floor.py"

    @property
    def clock(self) -> str:
        """CPU time where a core is shared, wall time where an accelerator works."""
        return CPU if self.device == "cpu" else WALL

    @property
    def environment(self) -> dict[str, str]:
        cold = {"JAX_ENABLE_COMPILATION_CACHE": "false"}
        return PACKAGE | cold | ({"JAX_PLATFORMS": "cpu"} if self.device == "cpu" else {})

    def jxrecon(self, name: str, batch: int, *options: str, cores: int = 1) -> Contestant:
        timing = ("--batch", str(batch), "--epochs", str(self.epochs))
        command = (sys.executable, str(self.worker), str(self.data), *timing, *options)
        return Contestant(name, command, cores if self.device == "cpu" else 0, self.environment)

    def transforms(self) -> Contestant:
        count, size = frames_of(self.data)[:2]
        group = "2" if self.device == "cpu" else "100"
        options = (
            "--frames",
            str(count),
            "--size",
            str(size),
            "--group",
            group,
            "--epochs",
            str(self.epochs),
        )
        command = (sys.executable, str(self.floor), *options)
        return Contestant("FFTs alone", command, 1 if self.device == "cpu" else 0, self.environment)

    def others(self, which: Sequence[peers.Peer], batch: int) -> list[Contestant]:
        folder = self.peer_folder if self.device == "cpu" else None
        return peers.contestants(which, folder, self.python, self.data, batch, self.epochs)


def frames_of(data: Path) -> tuple[int, int, int]:
    """(frames, v, u) of a set in the plain layout (NPZ)."""
    with np.load(data) as arrays:
        return arrays["intensity"].shape


def repeated(data: Path, folder: Path, copies: int) -> Path:
    """The same set with its frames and positions `copies` times over."""
    with np.load(data) as arrays:
        more = dict(arrays)
    for name in ("intensity", "positions_px"):
        more[name] = np.concatenate([more[name]] * copies)
    scan = {"positions_true", "flux_true"}
    np.savez(folder / "repeated.npz", **{k: v for k, v in more.items() if k not in scan})
    return folder / "repeated.npz"


def subpixel(setup: Setup, folder: Path) -> tuple[dict, list[Answer]]:
    """Fourier-shifted probes, beside the engines that do the same."""
    found, answers = {}, []
    for batch in setup.batches:
        ours = setup.jxrecon("jxrecon", batch)
        turns = contest([ours, *setup.others(peers.SUBPIXEL, batch)], folder, setup.repeats)
        found[f"batch {batch}"] = turns
        mine = median(turns["jxrecon"], setup.clock)
        for peer, good in ((peers.LSQML, 5.0), (peers.PHASER, 2.0)):
            figure = ratio(median(turns.get(peer.name, []), setup.clock), mine)
            if batch == 10:
                answers.append(Answer(f"sub-pixel, batch {batch}: {peer.name} / jxrecon", figure, good, True))
    key = "compile_and_first_epoch_cpu_s" if setup.device == "cpu" else "compile_and_first_epoch_s"
    compile_s = median(found[f"batch {setup.batches[0]}"]["jxrecon"], key)
    answers.append(Answer("compilation and first epoch, empty cache, s", compile_s, 5.0, False))
    return found, answers


def integer(setup: Setup, folder: Path) -> tuple[dict, list[Answer]]:
    """Positions rounded to whole pixels, beside the transforms alone."""
    names = {batch: f"jxrecon, batch {batch}" for batch in setup.batches}
    ours = [setup.jxrecon(name, batch, "--integer") for batch, name in names.items()]
    rivals = [setup.transforms(), *setup.others(peers.INTEGER, setup.batches[0])]
    turns = contest([*ours, *rivals], folder, setup.repeats)
    floor = median(turns["FFTs alone"], setup.clock)
    answers = [
        Answer(
            f"whole-pixel, batch {b}: jxrecon / FFTs alone",
            ratio(median(turns[n], setup.clock), floor),
            1.5,
            False,
        )
        for b, n in names.items()
    ]
    return turns, answers


def two_cores(setup: Setup, folder: Path) -> tuple[dict, list[Answer]]:
    """Two devices on two cores against one device on one, wall clock of the quickest epoch.

    CPU time cannot tell here, and a median of wall times tells who else used the cores; the minimum is least disturbed.
    """
    found, answers = {}, []
    for batch, good in zip(setup.batches, (1.5, 1.3)):
        one = setup.jxrecon("one core", batch)
        two = setup.jxrecon("two cores", batch, "--devices", "2", cores=2)
        turns = contest([one, two], folder, setup.repeats)
        found[f"batch {batch}"] = turns
        figure = ratio(*(least(turns[name], "s_per_epoch_min") for name in ("one core", "two cores")))
        answers.append(Answer(f"two devices, batch {batch}: wall of one / of two", figure, good, True))
    return found, answers


def memory(setup: Setup, folder: Path) -> tuple[dict, list[Answer]]:
    """Peak memory against batch size, on the set repeated until the largest batch is one epoch."""
    count, v, u = frames_of(setup.data)
    low, high = setup.memory_batches[0], setup.memory_batches[-1]
    more = dataclasses.replace(setup, data=repeated(setup.data, folder, -(-high // count)), epochs=2)
    runs = [more.jxrecon(f"batch {b}", b) for b in setup.memory_batches]
    turns = contest(runs, folder, 1)
    least, most = (median(turns[f"batch {b}"], "peak_memory_mb") for b in (low, high))
    frames_mb = (high - low) * v * u * 4 / 1e6
    growth = None if least is None or most is None else (most - least) / frames_mb
    question = f"growth of the peak, batch {low} to {high}, in frames of the batch ({frames_mb:.0f} MB)"
    return turns, [Answer(question, growth, 1.0, False)]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="set in the plain layout, NPZ; simulated when not given")
    parser.add_argument("--out", type=Path, default=Path("speed_ptychography.json"))
    parser.add_argument("--peers", type=Path, help="folder with the scripts of other packages")
    parser.add_argument("--python", action="append", default=[], metavar="PACKAGE=PATH")
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu")
    parser.add_argument("--epochs", type=int, default=30, help="timed epochs of a turn")
    parser.add_argument("--repeats", type=int, default=3, help="turns")
    parser.add_argument("--only", nargs="+", choices=[part.__name__ for part in PARTS])
    parser.add_argument("--fast", action="store_true", help="smallest possible run, to check the script")
    return parser.parse_args()


PARTS = (subpixel, integer, two_cores, memory)


def simulated(folder: Path, fast: bool) -> Path:
    """A set of 100 frames of 128 x 128, or a small one; made by a process of its own, which takes its memory with it."""
    path = folder / "simulated.npz"
    size = ("--count", "20", "--size", "48") if fast else ()
    command = [sys.executable, str(HERE / "simulated_set.py"), str(path), *size]
    subprocess.run(command, check=True, env={**os.environ, **PACKAGE, "JAX_PLATFORMS": "cpu"})
    return path


def prepared(a: argparse.Namespace, folder: Path) -> Setup:
    return Setup(
        data=a.data.resolve() if a.data else simulated(folder, a.fast),
        peer_folder=a.peers.resolve() if a.peers else None,
        python=peers.interpreters(a.python),
        device=a.device,
        epochs=2 if a.fast else a.epochs,
        repeats=1 if a.fast else a.repeats,
        batches=(10,) if a.fast else (10, 50),
        memory_batches=(10, 20) if a.fast else (10, 100, 800),
    )


def main() -> None:
    a = arguments()
    with tempfile.TemporaryDirectory() as name:
        setup = prepared(a, Path(name))
        report: dict = {"machine": machine(), "data": setup.data.name, "device": a.device}
        report["frames"] = frames_of(setup.data)
        answers: list[Answer] = []
        for part in PARTS:
            if a.only and part.__name__ not in a.only:
                continue
            print(f"{part.__name__}: {(part.__doc__ or '').splitlines()[0]}", flush=True)
            turns, here = part(setup, Path(name))
            report[part.__name__] = turns
            answers += here
            groups = turns if all(isinstance(v, dict) for v in turns.values()) else {"": turns}
            for title, group in groups.items():
                print(f"\n  {title}\n{table(group, setup.clock)}\n")
    report["answers"] = [dataclasses.asdict(answer) | {"met": answer.met} for answer in answers]
    a.out.write_text(json.dumps(report, indent=1))
    print(*answers, f"written: {a.out}", sep="\n")


if __name__ == "__main__":
    main()
