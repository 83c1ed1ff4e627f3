"""The four states of the particle from simulated frames: what there is to measure pores and densities on.

    python experiments/four_particles.py --out DIR          two joint reconstructions of every state, at 60 and at 180 angles

Each is a run of `experiment=small_particle` (128^3 voxels of 20 nm, alignment, positions and probe unknown) in a folder of its
own, DIR/STATE_ANGLES: what is finished stays, what was stopped goes on. About 4 minutes per state at 60 angles and 6 at 180 on
2 cores, the halves for the resolution included. `--states`, `--angles` and `--changes` do a part of it or something else.
"""

import argparse
import sys
from pathlib import Path

from jxrecon import run, run_folder
from jxrecon.config import compose

STATES = ("pristine", "delithiated", "cycled_large", "cycled_small")
SEED = 3
STEPS = {60: (150, 10), 180: (75, 15)}
"""Epochs, and views of a step: 900 steps either way."""


def weight(angles: int) -> float:
    """Of total variation, in nats: 4 at 60 angles; it grows with the root of what is measured."""
    return 4.0 * (angles / 60) ** 0.5


def settings(state: str, angles: int, seed: int = SEED) -> list[str]:
    """What one of these runs changes in the experiment."""
    epochs, views = STEPS.get(angles, (900 * (angles // 6) // angles, angles // 6))
    return [
        "experiment=small_particle",
        f"data.simulation.scene.particle.state={state}",
        f"data.simulation.angles.count={angles}",
        f"data.seed={seed}",
        f"objective.terms.total_variation.weight={weight(angles):.3g}",
        f"epochs={epochs}",
        f"views_per_step={views}",
        f"optimisers.positions.shift.start={epochs // 3}",
    ]


def reconstruct(folder: Path, changes: list[str]) -> int:
    """A run in this folder, or the rest of it; returns the exit code."""
    if folder.exists() and run_folder.read_status(folder).get("state"):
        return run.resume(folder, {})
    return run.run(compose([*changes, f"hydra.run.dir={folder}"]))


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--states", nargs="+", choices=STATES, default=STATES)
    arguments.add_argument("--angles", type=int, nargs="+", default=tuple(STEPS))
    arguments.add_argument("--seed", type=int, default=SEED)
    arguments.add_argument("--changes", nargs="*", default=[], help="further settings, KEY=VALUE")
    a = arguments.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    for angles in a.angles:
        for state in a.states:
            code = reconstruct(a.out / f"{state}_{angles}", [*settings(state, angles, a.seed), *a.changes])
            if code:
                sys.exit(code)


if __name__ == "__main__":
    main()
