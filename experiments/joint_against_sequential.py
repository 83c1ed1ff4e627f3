"""Joint reconstruction against the step-by-step chain on the same frames: what the coupling is worth.

    python experiments/joint_against_sequential.py --out DIR                    the whole grid on the tiny particle, three seeds
    python experiments/joint_against_sequential.py --out DIR --preset mini --seeds 0
    python experiments/joint_against_sequential.py --out DIR --table            only the table of what is there

Four rows for every number of angles, photons per frame and seed:

    paper    ptychography of every view, phases without ramps, unwrapped, aligned (mass fluctuation, projection matching), then
             filtered back-projection with a Hann filter: the paper's chain
    fair     the same projections and alignment, but volume and shifts are fitted with the prior, optimisers, rates and epochs of
             the joint problem, weighed by what the fit leaves: only the coupling to the frames is missing
    joint    frames straight to the volume, from a flat start
    oracle   as `fair`, from true, noiseless, aligned projections

All use the same likelihood and position refinement; frames are simulated on a finer grid with another projector. The prior's
weight follows the photons: w = 2.25 sqrt(photons / 1e5) nats. Every cell is a file, written when it is done: a sweep
that was stopped goes on where it stopped. On 2 cores a cell takes from half a minute (tiny) to two minutes (mini).
"""

import argparse
import dataclasses
import json
import sys
import time
from pathlib import Path

import numpy as np
from sequential_rows import chain_rows, joint_row, oracle_row

from jxrecon.config import compose
from jxrecon.reconstruction import Pieces, prepare
from jxrecon.run import planned
from jxrecon.storage import write_json_atomically
from jxrecon.validate import construct

ANGLES, PHOTONS = (60, 30, 15), (1e4, 1e5, 1e6)
ROWS = ("paper", "fair", "joint", "oracle")
TINY = [
    "data.simulation.scene.particle.size=32",
    "data.simulation.scene.particle.voxel_m=60e-9",
    "data.simulation.scene.particle.radius_m=0.85e-6",
    "data.simulation.frame_shape=[16,16]",
    "data.simulation.illumination.outermost_zone_m=90e-9",
    "data.simulation.illumination.defocus_m=0.24e-3",
    "data.simulation.scan.step=5.5",
    "initial.size=32",
]


@dataclasses.dataclass(frozen=True)
class Cell:
    """One combination; its name is its file's."""

    preset: str
    angles: int
    photons: float
    seed: int

    @property
    def name(self) -> str:
        return f"{self.preset}_{self.angles}_{self.photons:g}_{self.seed}"

    def weight(self) -> float:
        return 2.25 * float(np.sqrt(self.photons / 1e5))

    def epochs(self) -> int:
        """As many steps whatever the number of angles; the tiny particle has time for twice as many."""
        return (300 if self.preset == "tiny" else 150) * 60 // self.angles

    def pieces(self, *changes: str) -> Pieces:
        """The joint experiment of this cell."""
        settings = [
            "experiment=joint_ptychotomography",
            *(TINY if self.preset == "tiny" else []),
            f"data.simulation.angles.count={self.angles}",
            f"data.simulation.photons={self.photons}",
            f"data.seed={self.seed}",
            f"objective.terms.total_variation.weight={self.weight()}",
            f"views_per_step={max(2, self.angles // 6)}",
            f"epochs={self.epochs()}",
            f"optimisers.positions.shift.start={self.epochs() // 3}",
        ]
        return prepare(construct(planned(compose([*settings, *changes]).cfg)))


def rows_of(cell: Cell) -> dict[str, dict]:
    """All four rows of a cell."""
    pieces = cell.pieces()
    count = next(iter(pieces.measurements.values()))[1].scan_count
    photons = cell.photons * count / cell.angles / lit_area(cell)
    return {"joint": joint_row(pieces), **chain_rows(pieces), "oracle": oracle_row(pieces, photons)}


def lit_area(cell: Cell) -> float:
    """Pixels over which the photons of a view are spread: a disc as wide as the scan and the beam."""
    radius = (5.5 if cell.preset == "tiny" else 9.5) * np.sqrt(25 / np.pi) + (
        4 if cell.preset == "tiny" else 8.5
    )
    return float(np.pi * radius**2)


def records(folder: Path) -> dict[tuple[str, int, float], list[dict]]:
    """All cells that are done, by preset, angles (most first) and photons; one record for each seed."""
    found: dict[tuple[str, int, float], list[dict]] = {}
    for path in folder.glob("*_*.json"):
        preset, angles, photons, _ = path.stem.split("_")
        found.setdefault((preset, int(angles), float(photons)), []).append(json.loads(path.read_text()))
    return dict(sorted(found.items(), key=lambda item: (item[0][0], -item[0][1], item[0][2])))


def spread(cells: list[dict], row: str, name: str) -> tuple[float, float, int]:
    """Mean and standard deviation over the seeds, and how many there are."""
    values = np.array([cell[row][name] for cell in cells if name in cell.get(row, {})])
    return (float(values.mean()), float(values.std()), len(values)) if len(values) else (np.nan, np.nan, 0)


def table(folder: Path) -> str:
    """Mean and spread over the seeds, and what that says of joint against fair."""
    lines = [
        "preset angles photons | rmse in e/A^3, half period in voxels, alignment residue in px | joint against fair"
    ]
    for (preset, angles, photons), cells in records(folder).items():
        (fair, a, _), (joint, b, _) = (spread(cells, row, "rmse") for row in ("fair", "joint"))
        verdict = (
            "better" if fair - joint > max(a, b) else "tie" if abs(fair - joint) <= max(a, b) else "worse"
        )
        lone = " (one seed, no spread known)" if len(cells) == 1 else ""
        texts = []
        for row in ROWS:
            (rmse, around, count), *rest = (
                spread(cells, row, n) for n in ("rmse", "resolution", "alignment_px")
            )
            others = ", ".join(f"{mean:.2f}" for mean, _, n in rest if n)
            texts.append(f"{row} {rmse:.3f} +- {around:.3f} ({others}; {count})")
        lines.append(f"{preset:6s} {angles:<4d} {photons:<7g} | {' | '.join(texts)} | {verdict}{lone}")
    return "\n".join(lines)


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--preset", choices=["tiny", "mini"], default="tiny")
    arguments.add_argument("--angles", type=int, nargs="+", default=ANGLES)
    arguments.add_argument("--photons", type=float, nargs="+", default=PHOTONS)
    arguments.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2))
    arguments.add_argument("--table", action="store_true", help="only print the table")
    a = arguments.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    cells = [Cell(a.preset, n, p, s) for s in a.seeds for p in a.photons for n in a.angles]
    for cell in [] if a.table else cells:
        path = a.out / f"{cell.name}.json"
        if path.exists():
            continue
        began = time.monotonic()
        found = rows_of(cell)
        write_json_atomically(path, found)
        print(f"{cell.name}: {time.monotonic() - began:.0f} s, {found}", file=sys.stderr)
    print(table(a.out))


if __name__ == "__main__":
    main()
