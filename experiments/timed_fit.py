"""What every program of the comparison of peak fits measures of itself, printed as one line of JSON. Needs NumPy alone.

A program is given all patterns and returns (pattern, 14) columns as in `powder_patterns.py` and (pattern, 2) cells; an epoch is
the fit of all patterns, start included. The results of the last epoch go into the file `--result`.
"""

import argparse
import json
import os
import time
from collections.abc import Callable

import numpy as np


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", help="as `powder_patterns.py` writes it")
    parser.add_argument("--mode", choices=("free", "lattice"), default="free")
    parser.add_argument("--noise", choices=("gaussian", "poisson"), default="gaussian")
    parser.add_argument(
        "--eta", type=float, nargs=2, default=(0.0, 1.0), help="range, for programs with bounds"
    )
    parser.add_argument("--result", required=True)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--warm", action="store_true", help="one fit of everything before the clock starts")
    return parser.parse_args()


def report(
    a: argparse.Namespace,
    fit: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
    **more: object,
) -> None:
    """Times `fit(x, y)`, writes what it found, and prints."""
    with np.load(a.data) as file:
        x, y = file["x"], file["y"]
    begin = time.process_time()
    if a.warm:
        fit(x, y)
    first = time.process_time() - begin
    clocks, found = [], None
    for _ in range(a.repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        found = fit(x, y)
        clocks.append((time.perf_counter() - wall, time.process_time() - cpu))
    assert found is not None
    np.savez(a.result, columns=found[0], cell=found[1])
    wall, cpu = np.array(clocks).T
    record = {
        "s_per_epoch_median": np.median(wall),
        "s_per_epoch_min": wall.min(),
        "cpu_s_per_epoch_median": np.median(cpu),
        "core_ms_per_pattern": 1e3 * np.median(cpu) / len(y),
        "first_cpu_s": first,
        "load1": os.getloadavg()[0],
    }
    print(json.dumps({name: float(value) for name, value in record.items()} | more))
