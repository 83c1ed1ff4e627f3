"""Which prior when? Restoration of a piece of a particle by every prior, weights chosen on one particle and tried on others.

    python experiments/priors.py --out DIR          weights on one particle, then the test on two others
    python experiments/priors.py --out DIR --table  only the table of what is there

The specimen is a cube of 64^3 voxels of 20 nm from the twin's cycled small particle, core to surface; it is measured on voxels
half as large. Two tasks, each also with a solid that follows composition and unit cell (about 0.87 instead of 1 e/A^3) and
weights from the solid of 1 e/A^3:

    deblur   every voxel, behind a blur of 35 nm FWHM, noise 0.10 e/A^3
    angles   projections from 24 angles (100 by the Crowther criterion), other projector, noise 0.5 e/A^3 times a voxel: what
             1.2e4 photons a pixel leave

Found by Adam in the common loop, 120 steps or 300 (angles). `level` is the solid's: `free` starts at 1 e/A^3 and is learnt,
`1.0` stays there. Weights are those with the least RMSE on the particle `--train`. Columns: RMSE in e/A^3; Dice of the pores,
less than half of the solid's density; bias of their share; half period in nm where the Fourier shell correlation with the truth
is 0.5 (20 is Nyquist); all without the outermost 4 voxels. Every fit is a file; a sweep that was stopped goes on. Half an hour
on 2 cores.
"""

import argparse
import dataclasses
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from restoration import TASKS, measured, scores, start
from sequential_rows import last

from jxrecon.batches import Batches
from jxrecon.objective import AbstractTerm, Objective
from jxrecon.optimise import fit
from jxrecon.optimisers import Adam
from jxrecon.priors.double_well import DoubleWell
from jxrecon.priors.huber_total_variation import HuberTotalVariation
from jxrecon.priors.minimum_pore_size import MinimumPoreSize
from jxrecon.priors.modica_mortola import ModicaMortola
from jxrecon.priors.partial_volume_mixture import PartialVolumeMixture
from jxrecon.priors.tikhonov import Tikhonov
from jxrecon.priors.total_variation import TotalVariation
from jxrecon.storage import write_json_atomically

STEPS = {"deblur": 120, "angles": 300}  # Adam, from nothing


@dataclasses.dataclass(frozen=True)
class Row:
    """One prior: its terms for weights (first, second); those that are tried; whether it learns a level; whose weights it has."""

    make: Callable[[float, float], dict[str, AbstractTerm]]
    first: tuple[float, ...] = (0.0,)
    second: tuple[float, ...] = (0.0,)
    learns: bool = False
    like: str | None = None


def _tv(w: float) -> dict[str, AbstractTerm]:
    return {"tv": TotalVariation(weight=jnp.asarray(w), eps=jnp.asarray(0.01))}


def _mixture(w: float) -> PartialVolumeMixture:
    return PartialVolumeMixture(weight=jnp.asarray(w), noise=jnp.asarray(0.05))


def _with_mixture(v: float, w: float) -> dict[str, AbstractTerm]:
    return {**_tv(v), "mixture": _mixture(w)}


def _with_well(v: float, w: float) -> dict[str, AbstractTerm]:
    return {**_tv(v), "well": DoubleWell(weight=jnp.asarray(w))}


def _with_size(v: float, w: float) -> dict[str, AbstractTerm]:
    return {**_tv(v), "size": MinimumPoreSize(weight=jnp.asarray(w))}


def _modica(w: float, _: float) -> dict[str, AbstractTerm]:
    return {"modica": ModicaMortola(weight=jnp.asarray(w))}


WEIGHTS, BESIDE = (0.5, 1.0, 2.0, 4.0, 8.0), (0.5, 1.0)
"""Of a first term alone, and as parts of the weight that total variation alone has best."""
MIXED, WELLS = (0.1, 0.2, 0.4, 0.8), (2.0, 4.0, 8.0, 16.0)
ROWS = {
    "none": Row(lambda _, __: {}),
    "Tikhonov": Row(lambda w, _: {"tikhonov": Tikhonov(weight=jnp.asarray(w))}, (2.0, 4.0, 8.0, 16.0)),
    "TV": Row(lambda w, _: _tv(w), WEIGHTS),
    "Huber TV": Row(lambda w, _: {"huber": HuberTotalVariation(weight=jnp.asarray(w))}, WEIGHTS[1:]),
    "Modica-Mortola, free": Row(_modica, WEIGHTS, learns=True),
    "mixture, free": Row(lambda w, _: {"mixture": _mixture(w)}, MIXED[1:], learns=True),
    "TV + mixture, free": Row(_with_mixture, BESIDE, MIXED, learns=True),
    "TV + mixture, 1.0": Row(_with_mixture, like="TV + mixture, free"),
    "TV + well, free": Row(_with_well, BESIDE, WELLS, learns=True),
    "TV + well, 1.0": Row(_with_well, like="TV + well, free"),
    "TV + pore size": Row(_with_size, BESIDE, (0.25, 0.5, 1.0)),
}


def restored(row: Row, weights: tuple[float, float], data: AbstractTerm, steps: int) -> np.ndarray:
    """The density, z y x."""
    free = {"volume.density": Adam(learning_rate=0.05)}
    if row.learns:
        free["morphology"] = Adam(learning_rate=0.01)
    objective = Objective({"data": data, **row.make(*weights)})
    found = last(fit(objective, start(row.learns), Batches({}), free, epochs=steps))
    assert found.volume is not None
    return np.asarray(found.volume.electron_density(), np.float64).transpose(2, 0, 1)


def cell(
    folder: Path, task: str, name: str, weights: tuple[float, float], seed: int, chemistry: bool
) -> dict:
    """One fit's scores, from its file or made."""
    label = "".join(c if c.isalnum() else "_" for c in name)
    path = folder / f"{task}_{label}_{weights[0]:g}_{weights[1]:g}_{seed}_{int(chemistry)}.json"
    if not path.exists():
        record = scores(
            restored(ROWS[name], weights, measured(task, seed, chemistry), STEPS[task]), seed, chemistry
        )
        write_json_atomically(path, {**record, "weights": list(weights)})
    return json.loads(path.read_text())


def chosen(folder: Path, task: str, name: str, seed: int) -> tuple[float, float]:
    """The weights of least RMSE on the particle that they are chosen on."""
    row = ROWS[name]
    if row.like is not None:
        return chosen(folder, task, row.like, seed)
    unit = chosen(folder, task, "TV", seed)[0] if row.first == BESIDE else 1.0
    tried = [(unit * v, w) for v in row.first for w in row.second]
    return min(tried, key=lambda weights: cell(folder, task, name, weights, seed, False)["rmse"])


def table(folder: Path, train: int, test: Iterable[int]) -> str:
    """Means over the particles of the test."""
    lines = []
    for task in TASKS:
        for chemistry in (False, True):
            lines.append(f"{task}, {'chemistry' if chemistry else 'solid of 1 e/A^3'}")
            lines.append(f"{'prior, level':24s}{'weights':12s}  RMSE   Dice   bias    half period (nm)")
            for name in ROWS:
                weights = chosen(folder, task, name, train)
                found = [cell(folder, task, name, weights, seed, chemistry) for seed in test]
                r = {k: float(np.mean([f[k] for f in found])) for k in found[0] if k != "weights"}
                label = f"{weights[0]:g}, {weights[1]:g}"
                lines.append(
                    f"{name:24s}{label:12s}  {r['rmse']:.4f} {r['dice']:.3f}  {r['bias']:+.4f}  {r['half_period_nm']:.1f}"
                )
    return "\n".join(lines)


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--train", type=int, default=5)
    arguments.add_argument("--test", type=int, nargs="+", default=[3, 4])
    a = arguments.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    print(table(a.out, a.train, a.test))


if __name__ == "__main__":
    main()
