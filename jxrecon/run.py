"""One reconstruction from its config to its report: cfg -> data -> objective -> fit -> result -> figures -> report.

    run(config.compose(["experiment=siemens_star", "data.path=FILE"]))      all of it, in a run folder
    resume(Path("runs/siemens_star/..."), {})                               the same, from the checkpoint

The loop reads the signals between two chunks of steps, writes down what each gave, and saves.
"""

import dataclasses
import json
import shlex
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from . import checkpoint, config, run_folder
from .analysis.resolution import RingCorrelation
from .errors import InputError
from .halves import correlation, half, same_specimen
from .optimise import FitState, NonFiniteError, begin
from .parameters import Parameters
from .progress import Progress
from .provenance import provenance
from .reconstruction import Pieces, Reconstruction, prepare
from .run_folder import RunFolder
from .runtime import configure
from .signals import STOPPED, StopRequest
from .storage import plain
from .validate import Plan, blamed_on_input, construct

CHECKPOINT = "checkpoint.h5"
FREE_ON_RESUME = ("epochs", "save_every_s", "devices", "halves")
"""Settings that a resumed run may change; all others would make it another run."""


def planned(cfg: Mapping[str, Any]) -> Plan:
    """The checked config, and JAX set up for it."""
    plan = config.plan(cfg, Reconstruction)
    configure(plan.arguments.get("precision", "float32"), plan.arguments.get("devices", 1))
    return plan


def run(composed: config.Composed, *, final: bool = False) -> int:
    """All of a run; returns the exit code. Nothing is written before the config and the data have been found good."""
    plan = planned(composed.cfg)
    run_folder.refuse_if_taken(composed.run_dir)
    with blamed_on_input():
        pieces = prepare(construct(plan))
    name = (composed.experiment or pieces.job.name).replace("/", "_")
    text = config.dumps(composed.cfg)
    folder = run_folder.create(composed.run_dir, name, text, composed.overrides)
    return execute(pieces, folder, composed.cfg, None, final)


def resume(path: Path, overrides: Mapping[str, Any], *, final: bool = False) -> int:
    """Go on from the checkpoint of a run that was stopped or died; the same as never stopped, to the last bit on one CPU."""
    folder = run_folder.reopen(path)
    try:
        cfg = {**config.load(path / "config.yaml"), **overrides}
        plan = planned(cfg)
        if run_folder.read_status(path).get("state") == "finished" and not overrides:
            print(f"{path}: this run is finished; its report is {path / 'report.html'}")
            folder.release()
            return 0
        with blamed_on_input():
            pieces = prepare(construct(plan))
        state = restored(pieces, path / CHECKPOINT, cfg)
        if state is not None and state.epoch > pieces.job.epochs:
            raise InputError(f"`epochs` is {pieces.job.epochs}; the run has done {state.epoch} already.")
    except BaseException:
        folder.release()
        raise
    folder.forget_after(state.chunk if state else 0)
    if overrides:
        folder.write("config.yaml", config.dumps(cfg))
    return execute(pieces, folder, cfg, state, final)


def identity(cfg: Mapping[str, Any]) -> str:
    """Hash of what makes two runs the same run."""
    return checkpoint.config_hash({k: v for k, v in cfg.items() if k not in FREE_ON_RESUME})


def save(folder: RunFolder, cfg: Mapping[str, Any], state: FitState) -> None:
    """Write a checkpoint of everything but the values of the last chunk, which are in metrics.jsonl."""
    meta = {"config_hash": identity(cfg), "epoch": state.epoch, "config": config.dumps(cfg)}
    checkpoint.save(folder.path / CHECKPOINT, dataclasses.replace(state, values={}), meta)


def restored(pieces: Pieces, path: Path, cfg: Mapping[str, Any]) -> FitState | None:
    """The state of a checkpoint, or None when the run did not come as far as writing one."""
    if not path.exists() and not path.with_name(f"{path.name}.1").exists():
        return None
    like = begin(pieces.parameters, pieces.job.free(), pieces.job.epochs)
    state, _ = checkpoint.load(path, like, config_hash=identity(cfg))
    return state


def execute(
    pieces: Pieces, folder: RunFolder, cfg: Mapping[str, Any], state: FitState | None, final: bool
) -> int:
    """Fit inside a run folder, with signals, checkpoints, status and outcome; returns the exit code."""
    from .outcome import finish  # Matplotlib, which a run needs last

    with StopRequest(final) as stop:
        try:
            folder.status("running", epochs=pieces.job.epochs)
            folder.write("versions.json", json.dumps(plain(provenance(pieces.job.seed)), indent=1) + "\n")
            folder.log("start" if state is None else f"resume at epoch {state.epoch}")
            state = loop(pieces, folder, cfg, stop, state)
            save(folder, cfg, state)
            correlation = None if stop or not pieces.job.halves else resolution(pieces.job, stop)
            if stop:
                return stopped(folder, state, pieces.job.epochs, stop)
            made = finish(pieces, folder, cfg, state, correlation)
            folder.status("finished")
            folder.log("finished")
            print(summary(made.metrics, folder.path))
            return 0
        except NonFiniteError as error:
            save(folder, cfg, error.state)
            _failed(folder, error)
            raise
        except BaseException as error:
            _failed(folder, error)
            raise
        finally:
            folder.release()


def resolution(job: Reconstruction, stop: StopRequest) -> RingCorrelation | None:
    """Ring correlation of two halves of the scan, each fitted as the whole was; None when stopped, or when they
    would begin alike. Each half has a seed of its own, so that they share no random numbers either.
    """
    halves = [
        prepare(dataclasses.replace(job, seed=job.seed + 1 + k), partial(half, which=k)) for k in (0, 1)
    ]
    if same_specimen(halves[0].parameters, halves[1].parameters):
        print("no ring correlation: both halves would begin with the same specimen", file=sys.stderr)
        return None
    found = []
    while halves:
        parameters = fit_half(halves.pop(0), stop)
        if parameters is None:
            return None
        found.append(parameters)
    return correlation(*found)


def fit_half(pieces: Pieces, stop: StopRequest) -> Parameters | None:
    """Unknowns after all epochs, or None when stopped."""
    parameters, step = pieces.parameters, 0
    with Progress(pieces.job.epochs, name="half of the scan") as progress:
        for state in pieces.fit():
            parameters, step = state.parameters, step + len(state.values["total"])
            progress.update(state.epoch, step, float(np.mean(state.values["total"])))
            if stop:
                return None
    return parameters


def summary(metrics: Mapping[str, Any], path: Path) -> str:
    """One line: the metrics that say how good it is, and where to look."""
    wanted = ("r_factor", "r_factor_heldout", "frc_half_bit_px", "seconds_per_epoch")
    shown = [f"{name} {metrics[name]:.4g}" for name in wanted if np.isfinite(metrics.get(name, np.nan))]
    return f"{'  '.join(shown)}  {path / 'report.html'}"


def loop(
    pieces: Pieces, folder: RunFolder, cfg: Mapping[str, Any], stop: StopRequest, state: FitState | None
) -> FitState:
    """Drive `fit`, writing down each chunk, with a checkpoint every `save_every_s` seconds."""
    epochs, records = pieces.job.epochs, run_folder.read_metrics(folder.path)
    step = int(records[-1]["step"]) if records else 0
    before = saved = time.monotonic()
    state = begin(pieces.parameters, pieces.job.free(), epochs) if state is None else state
    with Progress(epochs, state.epoch) as progress:
        for now_at in pieces.fit(state):
            state = now_at
            now = time.monotonic()
            step += len(state.values["total"])
            loss = float(np.mean(state.values["total"]))
            means = {name: float(np.mean(v)) for name, v in state.values.items()}
            folder.append_metrics(
                {"epoch": state.epoch, "chunk": state.chunk, "step": step, "seconds": now - before, **means}
            )
            progress.update(state.epoch, step, loss)
            folder.pulse(epoch=state.epoch, epochs=epochs, step=step, loss=loss)
            if stop:
                break
            if now - saved > pieces.job.save_every_s:
                save(folder, cfg, state)
                folder.log(f"checkpoint at epoch {state.epoch}, loss {loss:.6g}")
                saved = time.monotonic()
            before = time.monotonic()
    return state


def stopped(folder: RunFolder, state: FitState, epochs: int, stop: StopRequest) -> int:
    """Status and the line that says how to go on."""
    folder.status("stopped", signal=stop.name)
    folder.log(f"stopped by {stop.name} at epoch {state.epoch}")
    command = f"jxrecon resume {shlex.quote(str(folder.path))}"
    print(
        f"stopped by {stop.name} at epoch {state.epoch} of {epochs}; go on with: {command}", file=sys.stderr
    )
    return STOPPED


def _failed(folder: RunFolder, error: BaseException) -> None:
    message = " ".join(str(error).split()) or type(error).__name__
    folder.log(f"failed: {message}")
    folder.status("failed", message=message)
