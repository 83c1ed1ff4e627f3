"""Programs timed one after the other, again and again, on the same core.

Speed on a machine that others use as well is compared fairly when (a) every program is a process of its own, pinned to the same
core, so that "one thread" is a fact of the operating system and not a wish to a thread pool; (b) the programs take turns,
so that a busy minute hits all of them; (c) the clock is the CPU time of the process between two epochs after compilation, and the
result the median over turns. The load average stands beside every figure.

A contestant is a command that prints one line of JSON last, with at least `s_per_epoch_median` (wall) and
`cpu_s_per_epoch_median`; the scripts of other packages have the same form.
"""

import dataclasses
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

SINGLE = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
CPU, WALL = "cpu_s_per_epoch_median", "s_per_epoch_median"


@dataclasses.dataclass(frozen=True)
class Contestant:
    """`cores` = 1 pins to one core, 2 to two, 0 not at all. `environment` is added to the caller's."""

    name: str
    command: tuple[str, ...]
    cores: int = 1
    environment: dict[str, str] = dataclasses.field(default_factory=dict)


def usable_cores() -> list[int]:
    """Cores that this process may run on; empty where the system cannot pin a process (macOS)."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def pinned(command: Sequence[str], cores: int) -> list[str]:
    """The command behind a small Python that pins itself to the last `cores` usable cores and then becomes it."""
    chosen = usable_cores()[-cores:] if cores else []
    if not chosen:
        return list(command)
    pin = f"import os, sys; os.sched_setaffinity(0, {chosen}); os.execvp(sys.argv[1], sys.argv[1:])"
    return [sys.executable, "-S", "-c", pin, *command]


def turn(contestant: Contestant, folder: Path, timeout_s: float) -> dict:
    """One run of one contestant in `folder`: its line of JSON, or {'failed': last line of what it said}."""
    environment = {**os.environ, "TQDM_DISABLE": "1", **contestant.environment}
    if contestant.cores == 1:
        environment |= SINGLE
    command = pinned(contestant.command, contestant.cores)
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=timeout_s
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"failed": str(error).splitlines()[0]}
    try:
        return json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, json.JSONDecodeError):
        said = (done.stderr.strip() or done.stdout.strip() or "nothing printed").splitlines()
        return {"failed": said[-1][:200], "exit_code": done.returncode}


def contest(
    contestants: Sequence[Contestant], folder: Path, repeats: int, timeout_s: float = 600, say=print
) -> dict[str, list[dict]]:
    """All turns of all contestants, interleaved; one that fails is not asked again."""
    turns: dict[str, list[dict]] = {contestant.name: [] for contestant in contestants}
    for repeat in range(repeats):
        for contestant in contestants:
            earlier = turns[contestant.name]
            if earlier and "failed" in earlier[-1]:
                continue
            record = turn(contestant, folder, timeout_s)
            record["load_average"] = os.getloadavg()[0]
            earlier.append(record)
            say(f"  {repeat + 1}/{repeats} {contestant.name}: {short(record)}")
    return turns


def short(record: dict) -> str:
    """One turn in a few words."""
    if "failed" in record:
        return f"failed: {record['failed']}"
    return f"{record[CPU]:.4f} CPU s, {record[WALL]:.4f} s wall per epoch, load {record['load_average']:.1f}"


def machine() -> dict:
    """Processor, cores and load: what has to be known to read the figures."""
    model = platform.processor()
    if os.path.exists("/proc/cpuinfo"):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        model = names[0] if names else model
    return {
        "processor": model,
        "cores_usable": len(usable_cores()) or os.cpu_count(),
        "pinned": bool(usable_cores()),
        "load_average": os.getloadavg(),
        "python": platform.python_version(),
        "system": platform.platform(),
    }
