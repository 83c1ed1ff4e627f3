"""What every program of the comparison of ray transforms measures of itself, printed as one line of JSON. Needs NumPy alone.

s_per_epoch_median, s_per_epoch_min, cpu_s_per_epoch_median   an epoch is one projection and one back projection
forward_cpu_s, backward_cpu_s                                  medians
first_s                                                        both, for the first time: compilation, where there is one
error, adjoint_mismatch                                        against the integrals by formula; |<Av, Av> - <v, A'Av>| relative
memory_mb, memory_ratio                                        peak above what is there before, and beside volume + projections
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

STATUS, REFERENCES = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def arguments(*more: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", help="as `gaussian_volume.py` writes it")
    parser.add_argument("--repeats", type=int, default=5)
    for name in more:
        parser.add_argument(f"--{name}")
    return parser.parse_args()


def resident_mb(name: str) -> float:
    """`VmRSS`, or `VmHWM`, its high-water mark; not a number where the system does not say."""
    if not STATUS.exists():
        return float("nan")
    lines = [line for line in STATUS.read_text().splitlines() if line.startswith(name)]
    return int(lines[0].split()[1]) * 1024 / 1e6


def memory_of(work: Callable[[], Any]) -> float:
    """MB that `work` needs at its height, above what is there before."""
    before = resident_mb("VmRSS")
    try:
        REFERENCES.write_text("5")  # the high-water mark begins anew
    except OSError:
        return float("nan")
    work()
    return resident_mb("VmHWM") - before


def clocked(work: Callable[[Any], Any], argument: Any) -> tuple[Any, np.ndarray]:
    start = time.perf_counter(), time.process_time()
    result = work(argument)
    return result, np.subtract((time.perf_counter(), time.process_time()), start)


def report(
    arrays: dict,
    forward: Callable[[Any], Any],
    backward: Callable[[Any], Any],
    volume: Any,
    repeats: int,
    projected: Callable[[Any], np.ndarray],
    spread: Callable[[Any], np.ndarray],
    **more: Any,
) -> None:
    """Times both, which wait for their results, and prints; `projected` and `spread` bring results to (z, view, u), (z, y, x)."""
    result, first = clocked(forward, volume)
    back, second = clocked(backward, result)
    found, exact = (np.asarray(x, np.float64) for x in (projected(result), arrays["exact"]))
    left, right = np.vdot(found, found), np.vdot(np.asarray(arrays["volume"], np.float64), spread(back))
    error = np.linalg.norm(found - exact) / np.linalg.norm(exact)
    del back, found, exact
    memory_mb = memory_of(lambda: backward(forward(volume)))
    pairs = np.array([(clocked(forward, volume)[1], clocked(backward, result)[1]) for _ in range(repeats)])
    wall, cpu = pairs.sum(axis=1).T
    size_mb = (arrays["volume"].nbytes + arrays["exact"].nbytes) / 1e6
    record = {
        "s_per_epoch_median": np.median(wall),
        "s_per_epoch_min": wall.min(),
        "cpu_s_per_epoch_median": np.median(cpu),
        "cpu_s_per_epoch_min": cpu.min(),
        "forward_cpu_s": np.median(pairs[:, 0, 1]),
        "backward_cpu_s": np.median(pairs[:, 1, 1]),
        "first_s": first[0] + second[0],
        "error": error,
        "adjoint_mismatch": abs(left - right) / left,
        "memory_mb": memory_mb,
        "memory_ratio": memory_mb / size_mb,
        "load1": os.getloadavg()[0],
    }
    print(json.dumps({name: float(value) for name, value in record.items()} | more))
