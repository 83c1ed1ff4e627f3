"""What a finished reconstruction leaves: metrics, result, figures, report."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import result, run_folder
from .config import dumps
from .evaluate import example_frames, r_factors
from .figures.draw import draw
from .figures.report import write_report
from .gauge import with_clear_specimen
from .halves import lit
from .objective import DataTerm
from .optimise import FitState
from .parameters import Parameters, Volume
from .projections import OrthogonalModes, ProbePower
from .provenance import provenance
from .result import Result
from .run_folder import RunFolder
from .runtime import peak_memory_mb
from .storage import write_json_atomically
from .truth import against_truth

NOT_TERMS = ("epoch", "chunk", "step", "seconds")


def timing(records: list[dict[str, Any]]) -> dict[str, float]:
    """seconds_per_epoch: median wall time over epochs, without the first chunk (which compiles) when there is another."""
    if not records:
        return {"seconds_per_epoch": float("nan")}
    per_epoch = max(1, round(records[-1]["chunk"] / max(records[-1]["epoch"], 1)))
    seconds = [r["seconds"] for r in records]
    return {"seconds_per_epoch": float(np.median(seconds[1:] or seconds)) * per_epoch}


def losses(records: list[dict[str, Any]]) -> dict[str, float]:
    """Value of every term in the last epoch, as `loss_<term>`."""
    last = records[-1] if records else {}
    return {f"loss_{name}": value for name, value in last.items() if name not in NOT_TERMS}


def fits(pieces: Any, state: FitState) -> dict[str, float]:
    """R-factors: plain names for a single data term, `r_factor_<...>.<term>` for several."""
    found = r_factors(pieces.objective, state.parameters, pieces.batches)
    if len(found) == 1:
        return next(iter(found.values()))
    return {f"{name}.{term}": value for term, values in found.items() for name, value in values.items()}


def tidied(parameters: Parameters, power_is_known: bool) -> Parameters:
    """The same frames from modes that are orthogonal and sorted by power, and from a specimen in its own terms: a volume in
    e/A^3, an object that is 1 where it is clearest."""
    parameters = OrthogonalModes()(parameters)
    if parameters.volume is not None:
        volume = parameters.volume
        physical = Volume(volume.electron_density(), volume.absorbing_density())
        return dataclasses.replace(parameters, volume=physical)
    return parameters if power_is_known else with_clear_specimen(parameters, lit(parameters))


def resolution(parameters: Parameters, correlation: Any, pixel_m: float) -> dict[str, float]:
    """Of two halves, by rings of an object or by shells of a volume; nan where they were not made."""
    if parameters.volume is None:
        return {"frc_half_bit_px": float("nan")} if correlation is None else correlation.metrics(pixel_m)
    if correlation is None:
        return {"resolution_half_bit_voxels": float("nan")}
    found = {name: correlation.half_period_px(bits) for name, bits in (("half_bit", 0.5), ("one_bit", 1.0))}
    voxels = {f"resolution_{name}_voxels": half for name, half in found.items()}
    return voxels | {f"resolution_{name}_nm": half * pixel_m * 1e9 for name, half in found.items()}


def history(records: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """metrics.jsonl as curves."""
    names = [name for name in (records[-1] if records else {}) if name not in ("chunk", "seconds")]
    return {n: np.asarray([r.get(n) if r.get(n) is not None else np.nan for r in records]) for n in names}


def finish(
    pieces: Any, folder: RunFolder, cfg: Mapping[str, Any], state: FitState, correlation: Any
) -> Result:
    """Write result.h5, figures, report.html and metrics.json, in this order."""
    held = any(isinstance(p, ProbePower) for p in pieces.job.projections.values())
    state = dataclasses.replace(state, parameters=tidied(state.parameters, held))
    records = run_folder.read_metrics(folder.path)
    geometry, measurement = next(iter(pieces.measurements.values()))
    term = next(t for t in pieces.objective.terms.values() if isinstance(t, DataTerm))
    true = against_truth(pieces.job.data, state.parameters)
    numbers, measured, predicted = example_frames(term, state.parameters, pieces.batches)
    metrics = {
        "epochs": state.epoch,
        **fits(pieces, state),
        **resolution(state.parameters, correlation, float(np.mean(geometry.pixel_size_m))),
        **true.metrics,
        **losses(records),
        **timing(records),
    }
    metrics["peak_memory_mb"] = peak_memory_mb()
    made = Result(
        parameters=state.parameters,
        geometry=getattr(term.model, "geometry", None) or geometry,
        metrics=metrics,
        history=history(records),
        frc={} if correlation is None else correlation.curves(),
        images={"measured": measured, "predicted": predicted, **true.images},
        config=dumps(cfg),
        provenance=provenance(cfg.get("seed"), example_frames=[int(n) for n in numbers]),
        source=measurement.source,
    )
    result.write(made, folder.path / "result.h5")
    show(made, folder.path)
    write_json_atomically(folder.path / "metrics.json", metrics)
    return made


def show(made: Result, folder: Path) -> None:
    """Figures and report of a result, into its run folder."""
    pictures = draw(made, folder / "figures")
    write_report(dataclasses.replace(made, path=str(folder / "result.h5")), pictures, folder / "report.html")
