"""A run that writes a simulated data set, `data.h5` in the plain layout, instead of reconstructing one."""

from . import config, run_folder
from .config import Composed
from .data.assemble import assemble
from .data.instrument import Instrument
from .data.preprocess import Preprocess
from .data.write import write_plain
from .runtime import configure
from .twin.ptychography import SimulatedPtychography
from .twin.reader import scan_of


def simulate(composed: Composed) -> int:
    """Simulate `composed.cfg["simulation"]` with the seed into a run folder; returns the exit code."""
    cfg = {key: composed.cfg[key] for key in ("name", "seed", "simulation")}
    model = config.build(cfg["simulation"], SimulatedPtychography)
    run_folder.refuse_if_taken(composed.run_dir)
    configure()
    arrays = model.simulate(cfg["seed"])
    geometry, measurement = assemble(scan_of(arrays), Preprocess(), Instrument(), "simulated")
    folder = run_folder.create(composed.run_dir, cfg["name"], config.dumps(cfg), composed.overrides)
    truth = {name: value for name, value in arrays.items() if name.endswith("_true")}
    path = folder.path / "data.h5"
    write_plain(path, geometry, measurement, **truth)
    folder.status("finished")
    folder.release()
    print(
        f"{path}: {measurement.scan_count} frames; reconstruct with: jxrecon experiment=ptychography data.path={path}"
    )
    return 0
