"""A run that writes a simulated data set, `data.h5` in the plain layout, instead of reconstructing one."""

from . import config, run_folder
from .config import Composed
from .runtime import configure
from .twin.ptychography import SimulatedPtychography, write_set


def simulate(composed: Composed) -> int:
    """Simulate `composed.cfg["simulation"]` with the seed into a run folder; returns the exit code."""
    cfg = {key: composed.cfg[key] for key in ("name", "seed", "simulation")}
    model = config.build(cfg["simulation"], SimulatedPtychography)
    run_folder.refuse_if_taken(composed.run_dir)
    configure()
    arrays = model.simulate(cfg["seed"])
    folder = run_folder.create(composed.run_dir, cfg["name"], config.dumps(cfg), composed.overrides)
    path = folder.path / "data.h5"
    write_set(path, model.geometry, arrays)
    folder.status("finished")
    folder.release()
    count = len(arrays["positions_px"])
    print(f"{path}: {count} frames; reconstruct with: jxrecon experiment=ptychography data.path={path}")
    return 0
