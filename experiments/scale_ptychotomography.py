"""What does a frame cost in a large joint reconstruction, beside a small one, and how much memory does it take?

The questions, and the figure that would be called good, for 256^3 voxels and 200 angles of 64 frames of 128 x 128 that stream
from disk, volume, probe, alignment and positions all free, with total variation:

    seconds per frame, beside those of a volume of 64^3 with the same frames: at most 1.5 times
    peak of resident memory (VmHWM): at most 24 GiB
    what `jxrecon check` foretells of that memory: right within 15 %

and one pass over the frames measured, a run of `--epochs` of them estimated. The simulated sets (`tilt_series_of_balls.py`) are
kept in `--data` when that is given. Each volume is a process of its own; the first epoch compiles, the second is measured.

    python experiments/scale_ptychotomography.py --out scale.json

About 4 minutes; `--fast` is a check of the script itself.
"""

import argparse
import dataclasses
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import jax
import numpy as np
from answers import Answer, ratio
from contest import Contestant, machine, turn
from tilt_series_of_balls import write

import jxrecon
from jxrecon.config import compose
from jxrecon.memory import predict
from jxrecon.run import Pieces, planned, prepare
from jxrecon.runtime import peak_memory_mb
from jxrecon.validate import construct

HERE = Path(__file__).resolve().parent
GIB = 2**30 / 1e6  # in MB


@dataclasses.dataclass(frozen=True)
class Task:
    """One reconstruction: edge of the volume in voxels, angles, frames of each, pixels along a frame's edge."""

    size: int
    views: int
    shots: int = 64
    frame: int = 128

    @property
    def name(self) -> str:
        return f"{self.size}^3, {self.views} x {self.shots} frames of {self.frame}^2"

    def file(self, folder: Path) -> Path:
        return folder / f"balls_{self.size}_{self.views}_{self.shots}_{self.frame}.h5"


def streaming_gib(task: Task, together: int) -> float:
    """Memory for frames that makes a set stream in blocks of the views of a step (a block is a third of it)."""
    return 3.01 * together * task.shots * task.frame**2 * 4 / 2**30


def settings(path: Path, size: int, shots: int, together: int, resident_gib: float) -> list[str]:
    """The joint experiment with this file, everything free from the start."""
    return [
        "experiment=joint_ptychotomography",
        "data=plain",
        "~data.simulation",
        f"data.path={path}",
        f"initial.size={size}",
        f"batch_size={shots}",
        f"views_per_step={together}",
        f"resident_gib={resident_gib}",
        "epochs=3",
        "optimisers.alignment.shift.start=0",
        "optimisers.positions.shift.start=0",
    ]


def measured(pieces: Pieces) -> dict:
    """Of the epoch after the first: seconds (wall and CPU), chunks, steps, the misfit at its two ends."""
    blocks, clock, misfits = pieces.batches.chunks_per_epoch, [], []
    for state in pieces.fit():
        jax.block_until_ready(state.parameters)
        clock.append((time.perf_counter(), time.process_time()))
        misfits += state.values["ptychography"].tolist()
        if state.chunk == 2 * blocks:
            break
    (wall, cpu), frames = np.subtract(clock[2 * blocks - 1], clock[blocks - 1]), frames_of(pieces)
    return {
        "epoch_s": wall,
        "epoch_cpu_s": cpu,
        "frame_s": wall / frames,
        "frame_cpu_s": cpu / frames,
        "blocks": blocks,
        "steps": len(misfits) // 2,
        "misfit_first": misfits[0],
        "misfit_last": misfits[-1],
    }


def frames_of(pieces: Pieces) -> int:
    return sum(measurement.scan_count for _, measurement in pieces.measurements.values())


def work(a: argparse.Namespace) -> None:
    """The process of one volume: one line of JSON."""
    chosen = settings(a.work, a.size, a.shots, a.together, a.resident_gib)
    start = time.perf_counter()
    pieces = prepare(construct(planned(compose([*chosen, *a.overrides]).cfg)))
    record = {"prepare_s": time.perf_counter() - start, **measured(pieces)}
    record |= {"whole_s": time.perf_counter() - start, "peak_memory_mb": peak_memory_mb()}
    record["read_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_inblock * 512 / 1e6
    foretold = predict(pieces.job, pieces.objective, pieces.batches)
    record["foretold_mb"] = foretold.total(shared=jax.devices()[0].platform == "cpu") / 1e6
    record["foretold_unknowns_mb"], record["foretold_frames_mb"] = (
        foretold.unknowns / 1e6,
        foretold.frames / 1e6,
    )
    record |= {"device": jax.devices()[0].device_kind, "version": jxrecon.__version__, "jax": jax.__version__}
    print(json.dumps({k: float(v) if isinstance(v, np.floating) else v for k, v in record.items()}))


def run(task: Task, a: argparse.Namespace, folder: Path) -> dict:
    """Writes the set where it is not there yet, and reconstructs in a process of its own."""
    path = task.file(folder)
    if not path.exists():
        print(f"writing {path}", flush=True)
        write(path, task.size, task.views, task.shots, task.frame)
    options = {
        "work": path,
        "size": task.size,
        "shots": task.shots,
        "together": a.together,
        "resident-gib": a.resident_gib or streaming_gib(task, a.together),
    }
    command = [sys.executable, str(Path(__file__).resolve())]
    command += [word for name, value in options.items() for word in (f"--{name}", str(value))]
    package = {"PYTHONPATH": os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))}
    record = turn(Contestant(task.name, (*command, *a.overrides), 0, package), folder, timeout_s=3600)
    record |= {"load_average": os.getloadavg()[0], "file_mb": path.stat().st_size / 1e6}
    print(f"  {task.name}: {summary(record)}", flush=True)
    return record


def summary(record: dict) -> str:
    if "failed" in record:
        return f"failed: {record['failed']}"
    return (
        f"{1e3 * record['frame_s']:.2f} ms ({1e3 * record['frame_cpu_s']:.2f} CPU) a frame, {record['blocks']} blocks and "
        f"{record['steps']} steps in {record['epoch_s']:.1f} s; peak {record['peak_memory_mb']:.0f} MB, "
        f"foretold {record['foretold_mb']:.0f}; load {record['load_average']:.1f}"
    )


def answers(large: dict, small: dict) -> list[Answer]:
    peak, foretold = large.get("peak_memory_mb"), large.get("foretold_mb")
    error = ratio(None if peak is None or foretold is None else abs(foretold - peak), peak)
    return [
        Answer(
            "time of a frame, large volume / small",
            ratio(large.get("frame_s"), small.get("frame_s")),
            1.5,
            False,
        ),
        Answer(
            "CPU time of a frame, large volume / small",
            ratio(large.get("frame_cpu_s"), small.get("frame_cpu_s")),
            1.5,
            False,
        ),
        Answer("peak memory, GiB", ratio(peak, GIB), 24, False),
        Answer("memory foretold by `check`, relative error", error, 0.15, False),
        Answer(
            "misfit after two epochs / at the start",
            ratio(large.get("misfit_last"), large.get("misfit_first")),
            1,
            False,
        ),
    ]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings as `jxrecon` takes them")
    parser.add_argument("--out", type=Path, default=Path("scale.json"))
    parser.add_argument("--data", type=Path, help="folder in which the sets are kept and looked for")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--views", type=int, default=200)
    parser.add_argument("--shots", type=int, default=64, help="frames per angle")
    parser.add_argument("--frame", type=int, default=128, help="pixels along an edge of a frame")
    parser.add_argument("--together", type=int, default=40, help="views per step")
    parser.add_argument(
        "--resident-gib", type=float, default=0.0, help="memory for frames; 0 makes both volumes stream"
    )
    parser.add_argument("--epochs", type=int, default=150, help="of the run that is estimated")
    parser.add_argument("--fast", action="store_true", help="smallest possible run, to check the script")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)  # the process of one volume
    return parser.parse_args()


def main() -> None:
    a = arguments()
    if a.work:
        work(a)
        return
    if a.fast:
        a.size, a.views, a.shots, a.frame, a.together = 32, 16, 6, 32, 4
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) if a.data is None else a.data.resolve()
        large = Task(a.size, a.views, a.shots, a.frame)
        small = Task(a.size // 4, a.views, a.shots, a.frame)  # it streams as well
        records = {task.name: run(task, a, folder) for task in (small, large)}
    found = answers(records[large.name], records[small.name])
    report = {"machine": machine(), "views_per_step": a.together, "epochs": a.epochs, **records}
    if "failed" not in records[large.name]:
        report["full_run_h"] = a.epochs * records[large.name]["epoch_s"] / 3600
        print(f"{a.epochs} epochs would take {report['full_run_h']:.2f} h")
    report["answers"] = [dataclasses.asdict(answer) | {"met": answer.met} for answer in found]
    a.out.write_text(json.dumps(report, indent=1))
    print(*found, f"written: {a.out}", sep="\n")


if __name__ == "__main__":
    main()
