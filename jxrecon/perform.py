"""A task in a run folder: config -> data -> figures, results, metrics.json; see `tasks`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import config, run_folder
from .config import Composed
from .errors import InputError
from .provenance import provenance
from .runtime import configure
from .storage import write_json_atomically
from .tasks.task import AbstractTask

SHOWN = 6  # numbers that a person sees at the end
GLOB = set("*?[")


def settings(composed: Composed) -> dict[str, Any]:
    """What of a config concerns a task."""
    cfg = {key: composed.cfg[key] for key in ("name", "seed", "precision", "data", "task")}
    if not isinstance(cfg["task"], Mapping):
        raise InputError(f"`task` is {cfg['task']!r}; expected the settings of a task.")
    return cfg


def built(cfg: Mapping[str, Any]) -> AbstractTask:
    """The task, with JAX set up for it; its data file is there, and not yet read."""
    configure(cfg["precision"])
    task = config.build({**cfg["task"], "data": cfg["data"]}, AbstractTask)
    # What is simulated has a name and no file.
    path = "" if hasattr(task.data, "simulation") else getattr(task.data, "path", "")
    if isinstance(path, str) and path and not GLOB & set(path) and not Path(path).exists():
        raise InputError(f"{Path(path).absolute()}: no such file or directory.")
    return task


def perform(composed: Composed) -> int:
    """Carry out `composed.cfg["task"]` with the config's data and seed in a run folder; returns the exit code."""
    cfg = settings(composed)
    task = built(cfg)
    run_folder.refuse_if_taken(composed.run_dir)
    folder = run_folder.create(composed.run_dir, cfg["name"], config.dumps(cfg), composed.overrides)
    try:
        (folder.path / "figures").mkdir(exist_ok=True)
        write_json_atomically(folder.path / "provenance.json", provenance(cfg["seed"]))
        folder.status("running")
        metrics = task(folder.path, cfg["seed"])
        write_json_atomically(folder.path / "metrics.json", metrics)
        folder.status("finished")
    except BaseException:
        folder.status("failed")
        raise
    finally:
        folder.release()
    shown = [f"{name} {json.dumps(value)}" for name, value in metrics.items()][:SHOWN]
    print("  ".join([*shown, str(folder.path)]))
    return 0
