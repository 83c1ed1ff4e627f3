"""What the analysis reads off reconstructions of the four states, beside what it reads off their truths.

    python experiments/four_particles.py --out DIR     first
    python experiments/particles_found.py --runs DIR --out particles_found.json

The same analysis (`jxrecon.analysis.morphology`) is made of both: of the reconstruction with a mask of its own, and of the
truth, averaged over the reconstruction's voxels where these lie. Pores that are smaller than the resolution that the run's halves
gave are not counted, in neither; at a half period of more than a voxel the truth is blurred by as much. Densities from 60
angles, porosity and diameters from 180. Tolerances are twice those of the twin's table: 0.01 e/A^3 for the mean, 0.04 for core
and shell, 0.01 for the porosity and 4 nm for the mean diameter. A minute per run on 2 cores.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from four_particles import STATES
from scipy.ndimage import gaussian_filter

from jxrecon import config
from jxrecon.analysis.morphology import morphology_of
from jxrecon.analysis.particle_mask import dice
from jxrecon.analysis.volume_truth import side_by_side
from jxrecon.halves import densities
from jxrecon.result import load
from jxrecon.run import planned
from jxrecon.storage import write_json_atomically
from jxrecon.truth import finest
from jxrecon.validate import construct

DENSITY: dict[str, float | None] = {"density_mean": 0.01, "density_core": 0.04, "density_shell": 0.04}
PORES: dict[str, float | None] = {
    "porosity": 0.01,
    "pore_mean_nm": 4.0,
    "pore_p95_nm": None,
    "pore_largest_nm": None,
}
FLAT = 0.02  # e/A^3


def volumes(run: Path) -> tuple[np.ndarray, np.ndarray, float, dict]:
    """Reconstruction and truth on its voxels, the voxel in metres, the run's metrics."""
    result, job = load(run), construct(planned(config.load(run / "config.yaml")))
    _, here, true, _ = side_by_side(densities(result.parameters), *finest(job.data.truth()))
    metrics = json.loads((run / "metrics.json").read_text())
    return here, true, job.data.simulation.scene.voxel_m, metrics


def compared(run: Path) -> dict[str, dict]:
    """Numbers of the analysis, by `found` and `true`."""
    here, true, voxel_m, metrics = volumes(run)
    half_period = float(metrics["resolution_half_bit_voxels"] or 1.0)
    if half_period > 1:
        true = gaussian_filter(true, np.sqrt(half_period**2 - 1) / 2.355)
    resolution_m = half_period * voxel_m
    found, truth = (
        morphology_of(v, voxel_m, resolution_m=resolution_m, look_for_cracks=False) for v in (here, true)
    )
    return {
        "found": found.metrics(),
        "true": truth.metrics(),
        "run": {
            "resolution_nm": 1e9 * resolution_m,
            "mask_dice": dice(found.particle.mask, truth.particle.mask),
        },
    }


def lines(state: str, record: dict[str, dict], names: dict[str, float | None]) -> list[str]:
    """One number each, and whether it lies within the tolerance."""
    found = []
    for name, tolerance in names.items():
        here, true = record["found"][name], record["true"][name]
        verdict = "" if tolerance is None else "met" if abs(here - true) <= tolerance else "SHORT"
        found.append(f"{state:13s} {name:24s} {here:9.4f} {true:9.4f}  {verdict}")
    return found


def sign(state: str, record: dict[str, dict]) -> str:
    """Whether the shell is denser or thinner than the core, as in truth; where neither by much, within that much."""
    here, true = (record[which]["density_shell_less_core"] for which in ("found", "true"))
    met = abs(here - true) <= 2 * FLAT and (here * true > 0 or abs(true) < FLAT)
    return f"{state:13s} {'density_shell_less_core':24s} {here:9.4f} {true:9.4f}  {'met' if met else 'SHORT'}"


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--runs", type=Path, required=True)
    arguments.add_argument("--out", type=Path, required=True)
    a = arguments.parse_args()
    records, text = {}, [f"{'state':13s} {'quantity':24s} {'found':>9s} {'true':>9s}"]
    for angles, names in ((60, DENSITY), (180, PORES)):
        for state in STATES:
            record = records[f"{state}_{angles}"] = compared(a.runs / f"{state}_{angles}")
            text += [f"{angles} angles", *lines(state, record, names)]
            text += [sign(state, record)] if angles == 60 else []
    write_json_atomically(a.out, records)
    print("\n".join(text))


if __name__ == "__main__":
    main()
