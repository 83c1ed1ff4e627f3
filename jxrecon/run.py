"""One reconstruction from its config to its report: cfg -> data -> objective -> fit -> result -> figures -> report.

composed = config.compose(["experiment=siemens_star", "data.path=FILE"])
run(composed)                       all of it, with a run folder
pieces = prepare(job)               for a notebook: what `fit` takes, and
for state in pieces.fit(): ...      the loop
"""

import dataclasses
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import equinox as eqx
import numpy as np

from . import checkpoint, config, run_folder
from .batches import Batches
from .data.reader import AbstractReader
from .errors import InputError
from .geometry import Geometry
from .initial.first_guess import AbstractInitial
from .measurement import Measurement
from .objective import DataTerm, Objective
from .optimise import FitState, NonFiniteError, begin, fit, group
from .optimisers import AbstractOptimiser
from .parameters import Parameters
from .progress import Progress
from .projections import AbstractProjection
from .run_folder import RunFolder
from .runtime import configure
from .signals import STOPPED, StopRequest
from .validate import Plan, construct

CHECKPOINT = "checkpoint.h5"
FREE_ON_RESUME = ("epochs", "save_every_s", "devices")
"""Settings that a resumed run may change; all others would make it another run."""


class Reconstruction(eqx.Module):
    """Everything that a run is made of: the root of the config.

    data: one reader, or one for each measurement by its name. optimisers: by the beginning of a parameter's dotted name,
    nested or not; None freezes. batch_size: frames per step, None for a choice that suits the scan.
    """

    data: AbstractReader | dict[str, AbstractReader]
    initial: AbstractInitial
    objective: Objective
    optimisers: dict[str, AbstractOptimiser | dict[str, AbstractOptimiser | None] | None]
    projections: dict[str, AbstractProjection | None] = eqx.field(default_factory=dict)
    name: str = "reconstruction"
    epochs: int = 100
    batch_size: int | None = 16
    order: Literal["random", "compact"] = "random"
    held_out: float = 0.0
    seed: int = 0
    precision: Literal["float32", "float64"] = "float32"
    devices: int = 1
    save_every_s: float = 60.0

    def __check_init__(self):
        for key in ("epochs", "seed"):
            if getattr(self, key) < 0:
                raise ValueError(f"`{key}` is {getattr(self, key)}; expected 0 or more.")
        if self.batch_size is not None and self.batch_size < 1:
            raise ValueError(f"`batch_size` is {self.batch_size}; expected 1 or more, or null.")
        if not 0 <= self.held_out < 1:
            raise ValueError(f"`held_out` is {self.held_out}; expected a fraction from 0 to below 1.")
        if not self.free():
            raise ValueError(
                "`optimisers` names no parameter, so nothing could change; name at least `object`."
            )

    def free(self) -> dict[str, AbstractOptimiser]:
        """Dotted name -> optimiser of everything that is not frozen."""
        flat = {}
        for name, entry in self.optimisers.items():
            inner = (
                {f"{name}.{key}": o for key, o in entry.items()} if isinstance(entry, dict) else {name: entry}
            )
            flat.update({key: o for key, o in inner.items() if o is not None})
        return flat


@dataclasses.dataclass(frozen=True)
class Pieces:
    """What `fit` takes, made from a `Reconstruction` and its data."""

    job: Reconstruction
    measurements: dict[str, tuple[Geometry, Measurement]]
    objective: Objective
    parameters: Parameters
    batches: Batches

    def fit(self, state: FitState | None = None) -> Iterator[FitState]:
        """States after every chunk, from the first guess or from `state`."""
        projections = [p for p in self.job.projections.values() if p is not None]
        return fit(
            self.objective,
            self.parameters,
            self.batches,
            self.job.free(),
            epochs=self.job.epochs,
            projections=projections,
            state=state,
        )


def read(job: Reconstruction) -> dict[str, tuple[Geometry, Measurement]]:
    """Measurements by name; a single reader serves the one measurement that the objective names."""
    if isinstance(job.data, dict):
        return {name: reader.read() for name, reader in job.data.items()}
    names = sorted({t.measurement for t in job.objective.terms.values() if isinstance(t, DataTerm)})
    if len(names) != 1:
        raise InputError(f"`data` is one file, but the terms of `objective` name the measurements {names}.")
    return {names[0]: job.data.read()}


def prepare(job: Reconstruction) -> Pieces:
    """Read the data, bind the models to it and make the first guess."""
    measurements = read(job)
    objective = job.objective.bind(measurements)
    dtype = np.float64 if job.precision == "float64" else np.float32
    batches = Batches(
        measurements,
        batch_size=job.batch_size or suitable_batch(measurements),
        order=job.order,
        seed=job.seed,
        devices=job.devices,
        held_out=job.held_out,
        dtype=dtype,
    )
    parameters = first_guess(job, objective, measurements)
    group(parameters, list(job.free()))  # names what is no parameter before anything is written
    return Pieces(job, measurements, objective, parameters, batches)


def first_guess(
    job: Reconstruction, objective: Objective, measurements: Mapping[str, tuple[Geometry, Measurement]]
) -> Parameters:
    """Parameters before the first step, from the first measurement, in the set-up that its bound model asks for."""
    name, (geometry, measurement) = next(iter(measurements.items()))
    models = [t.model for t in objective.terms.values() if isinstance(t, DataTerm) and t.measurement == name]
    wanted = getattr(models[0], "geometry", None) if models else None
    return job.initial(wanted or geometry, measurement, seed=job.seed)


def suitable_batch(measurements: Mapping[str, tuple[Geometry, Measurement]]) -> int:
    """About thirty steps per epoch, 4 to 64 frames each."""
    most = max(measurement.scan_count for _, measurement in measurements.values())
    return int(np.clip(most // 30, 4, 64))


def planned(cfg: Mapping[str, Any]) -> Plan:
    """The checked config, and JAX set up for it."""
    plan = config.plan(cfg, Reconstruction)
    configure(plan.arguments.get("precision", "float32"), plan.arguments.get("devices", 1))
    return plan


def run(composed: config.Composed, *, final: bool = False) -> int:
    """All of a run; returns the exit code. Nothing is written before the config and the data have been found good."""
    plan = planned(composed.cfg)
    run_folder.refuse_if_taken(composed.run_dir)
    pieces = prepare(construct(plan))
    name = composed.experiment or pieces.job.name
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
            return 0
        pieces = prepare(construct(plan))
        state = restored(pieces, path / CHECKPOINT, cfg)
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
    from .outcome import finish

    with StopRequest(final) as stop:
        try:
            folder.status("running", epochs=pieces.job.epochs)
            folder.log("start" if state is None else f"resume at epoch {state.epoch}")
            state = loop(pieces, folder, cfg, stop, state)
            if stop and state.epoch < pieces.job.epochs:
                return stopped(folder, cfg, state, stop)
            finish(pieces, folder, cfg, state)
            folder.log("finished")
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


def stopped(folder: RunFolder, cfg: Mapping[str, Any], state: FitState, stop: StopRequest) -> int:
    """Checkpoint, status and the line that says how to go on."""
    save(folder, cfg, state)
    folder.status("stopped", epoch=state.epoch, epochs=cfg["epochs"], signal=stop.name)
    folder.log(f"stopped by {stop.name} at epoch {state.epoch}")
    command = f"jxrecon resume {shlex.quote(str(folder.path))}"
    print(
        f"stopped by {stop.name} at epoch {state.epoch} of {cfg['epochs']}; go on with: {command}",
        file=sys.stderr,
    )
    return STOPPED


def _failed(folder: RunFolder, error: BaseException) -> None:
    message = " ".join(str(error).split()) or type(error).__name__
    folder.log(f"failed: {message}")
    folder.status("failed", message=message)
