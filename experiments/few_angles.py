"""What priors are worth in the joint problem at 15 angles: the pores of a particle of 115 voxels, from frames.

    python experiments/few_angles.py --out DIR          weights on one particle, then the test on others
    python experiments/few_angles.py --out DIR --table  only the table of what is there

`experiment=small_particle` (alignment, positions and probe unknown, truth on voxels half as large, another projector) with 15
angles, an eighth of what the Crowther criterion asks for, and with one of

    none    no prior
    tv      total variation
    well    total variation; then, from its result, a double well beside it
    mix     total variation; then, from its result, the partial-volume mixture beside it, solid level, shares and noise free

All take as many steps: 1000, and 500 more with what is added (or without, in the first two rows). Pore is what has less than
half of the solid's density; scores are those within the particle, on the reconstruction's voxels:

    Dice = 2 |found and true| / (|found| + |true|),      bias = share of pores found - true

Every cell is a file; a sweep that was stopped goes on where it stopped. The weights of the test are those with the best Dice on
the particle `--train`, which is not in the test. About 3 minutes on 2 cores a particle and weight of total variation.
"""

import argparse
import dataclasses
import functools
import json
import sys
from collections.abc import Iterable
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from four_particles import settings
from sequential_rows import last

from jxrecon.analysis.volume_truth import side_by_side
from jxrecon.config import compose
from jxrecon.halves import densities
from jxrecon.objective import AbstractTerm, Objective
from jxrecon.optimise import fit
from jxrecon.optimisers import Adam
from jxrecon.parameters import Morphology, Parameters
from jxrecon.priors.double_well import DoubleWell
from jxrecon.priors.partial_volume_mixture import PartialVolumeMixture
from jxrecon.reconstruction import Pieces, prepare
from jxrecon.run import planned
from jxrecon.storage import write_json_atomically
from jxrecon.truth import finest
from jxrecon.validate import construct

ANGLES, VIEWS, FIRST, MORE = 15, 3, 200, 100
VARIATION = (0.0, 2.0, 4.0, 8.0)
ADDED = {"well": (16.0, 32.0, 64.0), "mix": (0.25, 1.0)}
LEVEL = 0.5  # e/A^3: less is pore
ROWS = ("none", "tv", "well", "mix")


@dataclasses.dataclass(frozen=True)
class Cell:
    """One set of weights on one particle."""

    row: str
    variation: float
    added: float
    seed: int

    @property
    def name(self) -> str:
        return f"{self.row}_{self.variation:g}_{self.added:g}_{self.seed}"


def prepared(variation: float, seed: int, state: str) -> Pieces:
    """The joint problem with total variation alone."""
    changes = [
        *settings(state, ANGLES, seed),
        f"objective.terms.total_variation.weight={variation}",
        f"views_per_step={VIEWS}",
        f"epochs={FIRST}",
        f"optimisers.positions.shift.start={FIRST * 3 // 10}",
    ]
    return prepare(construct(planned(compose(changes).cfg)))


def scores(pieces: Pieces, parameters: Parameters) -> dict[str, float]:
    """Against the truth, which the reconstruction has not seen."""
    truth = pieces.job.data.truth()  # pyright: ignore[reportAttributeAccessIssue]
    _, here, true, inside = side_by_side(densities(parameters), *finest(truth))
    found, pore = (volume[inside] < LEVEL for volume in (here, true))
    return {
        "dice": float(2 * np.sum(found & pore) / (found.sum() + pore.sum())),
        "bias": float(found.mean() - pore.mean()),
        "porosity": float(pore.mean()),
        "rmse": float(np.sqrt(np.mean((here - true)[inside] ** 2))),
    }


def continued(pieces: Pieces, parameters: Parameters, cell: Cell) -> Parameters:
    """500 steps more, with what the cell adds."""
    terms: dict[str, AbstractTerm] = dict(pieces.objective.terms)
    free = dict(pieces.job.free())
    if cell.row == "well":
        terms["double_well"] = DoubleWell(weight=jnp.asarray(cell.added))
    if cell.row == "mix":
        terms["mixture"] = PartialVolumeMixture(weight=jnp.asarray(cell.added))
        learnt = Morphology(
            solid_level=jnp.asarray(1.0),
            shares=jnp.log(jnp.asarray([0.1, 0.8, 0.1])),
            log_noise=jnp.log(jnp.asarray(0.1)),
        )
        parameters = dataclasses.replace(parameters, morphology=learnt)
        free["morphology"] = Adam(learning_rate=0.02)
    steps = fit(Objective(terms), parameters, pieces.batches, awake(free), epochs=MORE)
    return last(steps)


def awake(free: dict) -> dict:
    """Optimisers that do not wait: what they wait for has been found."""
    return {name: dataclasses.replace(o, start=0) if hasattr(o, "start") else o for name, o in free.items()}


def sweep(folder: Path, cells: Iterable[Cell], state: str) -> None:
    """All cells that are missing; those that begin alike begin together."""

    @functools.lru_cache(maxsize=1)
    def begun(variation: float, seed: int) -> tuple[Pieces, Parameters]:
        pieces = prepared(variation, seed, state)
        return pieces, last(pieces.fit())

    for cell in sorted(cells, key=lambda c: (c.seed, c.variation, c.row, c.added)):
        path = folder / f"{cell.name}.json"
        if path.exists():
            continue
        pieces, first = begun(cell.variation, cell.seed)
        record = scores(pieces, continued(pieces, first, cell))
        write_json_atomically(path, {**dataclasses.asdict(cell), **record})
        print(f"{cell.name}: {record}", file=sys.stderr, flush=True)


def records(folder: Path, seeds: Iterable[int]) -> list[dict]:
    """What is there of these particles."""
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("*_*.json"))]
    return [record for record in found if record["seed"] in set(seeds)]


def training(seed: int) -> list[Cell]:
    """The weights of total variation, by themselves."""
    return [Cell("tv" if w else "none", w, 0.0, seed) for w in VARIATION]


def best(found: list[dict], row: str) -> dict:
    """By its Dice."""
    return max((r for r in found if r["row"] == row), key=lambda r: r["dice"])


def table(folder: Path, train: int, test: list[int]) -> str:
    """Best weights of the training, and what they give on each particle of the test."""
    lines = ["row    weights      particle  Dice   bias     RMSE e/A^3"]
    chosen = {row: best(records(folder, [train]), row) for row in ROWS}
    for seed in (train, *test):
        there = {(r["row"], r["variation"], r["added"]): r for r in records(folder, [seed])}
        for row, weights in chosen.items():
            r = there[row, weights["variation"], weights["added"]]
            label = f"{seed} ({'weights' if seed == train else 'test'})"
            lines.append(
                f"{row:6s} {r['variation']:g}, {r['added']:<8g} {label:12s} {r['dice']:.3f}  {r['bias']:+.4f}  {r['rmse']:.3f}"
            )
    return "\n".join(lines)


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--state", default="cycled_small")
    arguments.add_argument("--train", type=int, default=5)
    arguments.add_argument("--test", type=int, nargs="+", default=[3, 4])
    arguments.add_argument("--table", action="store_true", help="only print the table")
    a = arguments.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    if not a.table:
        sweep(a.out, training(a.train), a.state)
        variation = best(records(a.out, [a.train]), "tv")["variation"]
        added = [Cell(row, variation, w, a.train) for row, weights in ADDED.items() for w in weights]
        sweep(a.out, added, a.state)
        chosen = [best(records(a.out, [a.train]), row) for row in ROWS]
        cells = [Cell(r["row"], r["variation"], r["added"], seed) for seed in a.test for r in chosen]
        sweep(a.out, cells, a.state)
    print(table(a.out, a.train, a.test))


if __name__ == "__main__":
    main()
