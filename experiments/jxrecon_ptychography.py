"""One reconstruction with the default settings of `experiment=ptychography`, timed from epoch to epoch.

What is timed is what a run does between two epochs: batches drawn, the compiled scan over the steps, values brought back
and checked. Files, figures and reports are left out, as they are for other packages. One line of JSON is printed, with

    s_per_epoch_median, cpu_s_per_epoch_median   over the epochs after `--warmup`; s_per_epoch_min likewise
    compile_and_first_epoch_s (and _cpu_s)       from the first call of the compiled loop to its result
    start_cpu_s                                  CPU time before that call (imports, data, first guess)
    peak_memory_mb, memory_before_fit_mb         high-water mark of resident memory, at the end and before the first call
    phase_rmse_rad                               after the last epoch, where the file holds `object_true`

    python experiments/jxrecon_ptychography.py X.npz --batch 10 --epochs 30 [--integer] [--devices 2] [KEY=VALUE ...]
"""

import argparse
import json
import os
import time

import jax
import numpy as np

import jxrecon
from jxrecon.analysis.registration import compare
from jxrecon.config import compose
from jxrecon.parameters import Parameters
from jxrecon.run import Pieces, planned, prepare
from jxrecon.runtime import peak_memory_mb
from jxrecon.validate import construct


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", help="set in the plain layout")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings as `jxrecon` takes them")
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=30, help="timed epochs")
    parser.add_argument("--warmup", type=int, default=3, help="epochs before the clock starts, 1 or more")
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--integer", action="store_true", help="positions rounded to whole pixels")
    return parser.parse_args()


def pieces_of(a: argparse.Namespace) -> Pieces:
    """The experiment's reconstruction of this file."""
    settings = [
        "experiment=ptychography",
        f"data.path={os.path.abspath(a.data)}",
        f"epochs={a.warmup + a.epochs}",
        f"batch_size={a.batch}",
        f"devices={a.devices}",
    ]
    if a.integer:
        settings.append("objective.terms.ptychography.model.subpixel=false")
    return prepare(construct(planned(compose([*settings, *a.overrides]).cfg)))


def timed(pieces: Pieces) -> tuple[Parameters, np.ndarray, np.ndarray]:
    """The last parameters, and wall and CPU seconds of every epoch."""
    parameters, clock = pieces.parameters, [(time.perf_counter(), time.process_time())]
    for state in pieces.fit():
        parameters = jax.block_until_ready(state.parameters)
        clock.append((time.perf_counter(), time.process_time()))
    walls, cpus = np.diff(clock, axis=0).T
    return parameters, walls, cpus


def phase_error(data: str, found: np.ndarray) -> dict[str, float]:
    """rms phase error against the truth of a simulated set (NPZ), after gauge and shift are removed."""
    if not data.endswith(".npz"):
        return {}
    with np.load(data) as arrays:
        truth = arrays.get("object_true")
    return {} if truth is None else {"phase_rmse_rad": compare(found, truth)["phase_rmse_rad"]}


def main() -> None:
    a = arguments()
    pieces = pieces_of(a)
    start_cpu_s, before = time.process_time(), peak_memory_mb()
    parameters, walls, cpus = timed(pieces)
    record = {
        "peer": "jxrecon",
        "version": jxrecon.__version__,
        "jax": jax.__version__,
        "device": jax.devices()[0].device_kind,
        "devices": a.devices,
        "batch": a.batch,
        "s_per_epoch_median": float(np.median(walls[a.warmup :])),
        "s_per_epoch_min": float(np.min(walls[a.warmup :])),
        "cpu_s_per_epoch_median": float(np.median(cpus[a.warmup :])),
        "compile_and_first_epoch_s": float(walls[0]),
        "compile_and_first_epoch_cpu_s": float(cpus[0]),
        "start_cpu_s": start_cpu_s,
        "memory_before_fit_mb": before,
        "peak_memory_mb": peak_memory_mb(),
        "load1": os.getloadavg()[0],
        **phase_error(a.data, np.asarray(parameters.objects()[0])),
    }
    print(json.dumps(record))


if __name__ == "__main__":
    main()
