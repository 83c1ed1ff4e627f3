"""A run that writes a simulated data set, `data.h5` in the plain layout, instead of reconstructing one."""

from . import config, run_folder
from .config import Composed
from .data.write import write_plain
from .runtime import configure
from .twin.simulation import AbstractSimulation


def simulate(composed: Composed) -> int:
    """Simulate `composed.cfg["simulation"]` with the seed into a run folder; returns the exit code."""
    cfg = {key: composed.cfg[key] for key in ("name", "seed", "simulation")}
    model = config.build(cfg["simulation"], AbstractSimulation)
    run_folder.refuse_if_taken(composed.run_dir)
    configure()
    geometry, measurement, truth = model.measured(cfg["seed"])
    folder = run_folder.create(composed.run_dir, cfg["name"], config.dumps(cfg), composed.overrides)
    path = folder.path / "data.h5"
    write_plain(path, geometry, measurement, **truth)
    folder.status("finished")
    folder.release()
    how = f"; reconstruct with: jxrecon experiment={model.experiment} data.path={path}"
    print(f"{path}: {measurement.scan_count} frames{how if model.experiment else ''}")
    return 0
