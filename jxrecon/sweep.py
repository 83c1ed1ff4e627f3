"""Many runs from one command: `-m key=a,b` and the files of `configs/sweep`.

The sweep is expanded and every job's config checked before the first job starts. A launcher of Hydra's then runs each job as
a process of its own, so that one may fail, or have another precision or number of devices, without touching the others. A job
whose folder already holds a run goes on with it: that is what a batch system's requeue does.
"""

import contextlib
import functools
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobStatus
from hydra.types import HydraContext

from .config import checked_overrides, composed, one_line, plan
from .errors import InputError
from .hydra_node import Composer, composing, parse
from .run_folder import CLAIM
from .signals import STOPPED, StopRequest

MOST_JOBS = 10_000


def sweep(overrides: Sequence[str], config_dirs: Sequence[Path] = ()) -> tuple[int, Path]:
    """(exit code, folder of the sweep): 0 when all jobs were done, 1 when one failed, 75 when stopped."""
    with composing(config_dirs) as composer:
        master, jobs = expand(composer, overrides)
        bases: dict[tuple[str, ...], Any] = {}
        lines = [checked_overrides(composer, job, bases) for job in jobs]
        for job in covering(lines):
            check(composer, job)
        folder = Path(str(master.hydra.sweep.dir)).resolve()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        context = HydraContext(config_loader=GlobalHydra.instance().config_loader(), callbacks=Callbacks())
        task = functools.partial(run_job, config_dirs=tuple(Path(d).resolve() for d in config_dirs))
        with one_line("launcher"):
            launcher = Plugins.instance().instantiate_launcher(
                hydra_context=context, task_function=task, config=master
            )
        print(f"{len(jobs)} jobs in {folder}", file=sys.stderr)
        try:
            returns = launcher.launch(lines, initial_job_idx=0)
        except Stopped:
            return STOPPED, folder
    done = [job.status == JobStatus.COMPLETED for job in returns]
    return (0 if all(done) else 1), folder


def expand(composer: Composer, overrides: Sequence[str]) -> tuple[Any, list[list[str]]]:
    """(config of the sweep itself, overrides of every job). What is said to Hydra stays with the sweep."""
    parsed = parse(overrides)
    to_hydra = [str(o.input_line) for o in parsed if o.is_hydra_override()]
    groups, _ = composer.split([o for o in parsed if not o.is_hydra_override()])
    chosen = [str(o.input_line) for o in groups if not o.is_sweep_override()]
    with one_line("config"):
        master = composer.compose([*_with_job_count(to_hydra), *chosen], multirun=True)
        params = [f"{key}={value}" for key, value in (master.hydra.sweeper.params or {}).items()]
        parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
        own = [str(o.input_line) for o in parsed if not o.is_hydra_override() and o.key_or_group != "sweep"]
        jobs = BasicSweeper.split_arguments(parser.parse_overrides([*params, *own]), None)[0]
    if len(jobs) > MOST_JOBS:
        raise InputError(f"the sweep has {len(jobs)} jobs; at most {MOST_JOBS}.")
    return master, jobs


def covering(jobs: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    """Some of the jobs, among which every override occurs."""
    seen: set[str] = set()
    chosen = []
    for job in jobs:
        if not seen.issuperset(job):
            seen.update(job)
            chosen.append(job)
    return chosen


def check(composer: Composer, job: Sequence[str]) -> None:
    """Raise `InputError` when a job's config names or holds something wrong."""
    with one_line("config"):
        cfg = composer.compose(job)
    found = composed(cfg, job).cfg
    if "simulation" not in found:
        plan(found)


def _with_job_count(to_hydra: list[str]) -> list[str]:
    """The joblib launcher would take every core; two jobs at once unless another number is given."""
    if "hydra/launcher=joblib" in to_hydra and not any("n_jobs" in line for line in to_hydra):
        return [*to_hydra, "hydra.launcher.n_jobs=2"]
    return to_hydra


class Stopped(BaseException):
    """The sweep was asked to stop; no `Exception`, so that a launcher does not go on with the next job."""


def run_job(cfg: Any, *, config_dirs: Sequence[Path]) -> None:
    """One job, in the process that a launcher chose; raises RuntimeError when it did not end well."""
    node = HydraConfig.get()
    folder = Path(node.runtime.output_dir)
    folders = [word for d in config_dirs for word in ("--config-dir", str(d))]
    quoted = str(folder).replace("\\", "\\\\").replace("'", "\\'")
    new = [*folders, *node.overrides.task, f"hydra.run.dir='{quoted}'"]
    arguments = ["resume", str(folder)] if (folder / CLAIM).exists() else ["run", *new]
    code = _wait([sys.executable, "-m", "jxrecon", *arguments])
    if code == STOPPED:
        raise Stopped
    if code:
        raise RuntimeError(f"{folder}: exit code {code}")


def _wait(command: list[str]) -> int:
    """Exit code of a process that is asked to stop, not killed, when this one is."""
    # submitit has its own handlers, which put the job back into the queue.
    mine = contextlib.nullcontext() if "SUBMITIT_EXECUTOR" in os.environ else StopRequest()
    with mine as stop, subprocess.Popen(command) as process:
        asked = False
        while process.poll() is None:
            if stop and not asked:
                process.terminate()
                asked = True
            time.sleep(0.05)
    return process.returncode
