"""Does a specimen of 12 radians come out as well as the same one of 1.2 radians, from nothing, and on the right branch?

The twin's preset `mid` with its densities multiplied until the largest phase of its projections is 12 or 1.2 rad; absorption
grows with it. Alignment and positions are known, the probe nearly; the volume starts from the moments of the frames
(`initial=moment_volume`), and these from nothing. All settings of the fit are relative to the solid's density, so that they are
the same for both; without counting noise the prior keeps its proportion to the data's misfit. Per seed:

    relative RMSE = rms( n_e - truth ) / solid     within the particle, without its 3 outermost voxels, and with them
    wrapped       = share of the projections' pixels whose phase is off by more than pi, as those on a wrong branch are

Questions: thick / thin, the largest of all seeds: at most 1.2 without counting noise, at most 1.0 with that of as many
photons; nothing wrapped. `--flat` adds what happens from a flat volume without the moments, which is no bar.

    python experiments/thick_specimen.py --out thick_specimen.json

About half an hour on 2 cores; a run that was stopped goes on with the cells that are missing. `--fast` is a check of the
script itself.
"""

import argparse
import collections
import dataclasses
import functools
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from answers import Answer
from contest import machine
from jaxtyping import Float
from scipy.ndimage import distance_transform_edt

from jxrecon.config import compose
from jxrecon.kernels.ray_transform import project
from jxrecon.run import planned, prepare
from jxrecon.validate import construct

THICK, THIN = 12.0, 1.2
RIM = 3  # voxels
RATE = 0.03  # of the density, relative to the solid's
NOISY_PRIOR = 3.0  # total variation, nats for a step as high as the solid's
CLEAN_PRIOR = (
    0.1  # the same without noise, at 1.2 rad: it grows as the misfit does, with the square of the phase
)
SMALL = (  # a particle of 32 voxels in a second or two
    "data.simulation.scene.scene.particle.size=32",
    "data.simulation.scene.scene.particle.voxel_m=320e-9",
    "data.simulation.scene.scene.particle.grain_m=600e-9",
    "data.simulation.scene.scene.particle.layer_m=2e-6",
    "data.simulation.scan.count=16",
    "data.simulation.scan.step=8",
    "data.simulation.illumination.outermost_zone_m=720e-9",
    "data.simulation.illumination.defocus_m=16e-3",
    "data.simulation.angles.count=16",
    "initial.start.size=32",
)


@dataclasses.dataclass(frozen=True)
class Cell:
    """One reconstruction: the largest phase (radians), with counting noise or without, one seed, and where it starts."""

    phase: float
    noise: bool
    seed: int
    start: str = "moments"

    @property
    def name(self) -> str:
        noise = "noisy" if self.noise else "noise_free"
        return f"{self.start}_{self.phase:g}rad_{noise}_seed{self.seed}"


def phases(
    density: Float[np.ndarray, "z y x"], angle: np.ndarray, rate: float
) -> Float[np.ndarray, "view u z"]:
    """Of the projections, radians; `rate`: of one e/A^3 in a voxel."""
    volume = np.ascontiguousarray(density.transpose(1, 2, 0), np.float32)
    angle = np.asarray(angle, np.float32)
    return rate * np.asarray(project(volume, angle, np.zeros_like(angle), width=volume.shape[1]))  # pyright: ignore[reportArgumentType]


@functools.cache
def factor_of(phase: float, seed: int, settings: tuple[str, ...]) -> float:
    """By how much the particle of a seed has to be denser for this largest phase."""
    job = construct(
        planned(compose(["experiment=thick_specimen", "data.simulation.scene.factor=1", *settings]).cfg)
    )
    twin = job.data.simulation
    density = twin.scene.matter(seed).electron_density
    angle = np.radians(twin.angles.degrees(seed))
    rate = twin.scene.voxel_m * twin.material.phase_per_density(twin.energy_keV)
    return phase / float(phases(density, angle, rate).max())


def overrides(cell: Cell, factor: float, settings: Sequence[str]) -> list[str]:
    """The experiment of a cell, everything about the density relative to the solid's."""
    solid = factor  # of the preset: 1 e/A^3
    prior = NOISY_PRIOR if cell.noise else CLEAN_PRIOR * (cell.phase / THIN) ** 2
    changes = [
        "experiment=thick_specimen",
        "halves=false",
        f"data.seed={cell.seed}",
        f"data.simulation.scene.factor={factor}",
        f"data.simulation.detector.poisson={str(cell.noise).lower()}",
        f"initial.start.softness={0.02 * solid}",
        f"objective.terms.total_variation.eps={0.02 * solid}",
        f"objective.terms.total_variation.weight={prior / solid}",
        f"optimisers.volume.density.learning_rate={RATE * solid}",
    ]
    return changes + list(settings)


def measure(cell: Cell, settings: tuple[str, ...]) -> dict[str, Any]:
    """The reconstruction of a cell and its errors."""
    factor = factor_of(cell.phase, cell.seed, settings)
    job = construct(planned(compose(overrides(cell, factor, settings)).cfg))
    if cell.start == "flat":
        job = dataclasses.replace(job, initial=job.initial.start)
    truth, begun = job.data.truth(), time.monotonic()
    pieces = prepare(job)
    first = errors(pieces, pieces.parameters, truth, factor)
    state = collections.deque(pieces.fit(), maxlen=1)[0]
    seconds = time.monotonic() - begun
    return {
        **dataclasses.asdict(cell),
        "factor": factor,
        **errors(pieces, state.parameters, truth, factor),
        "first_guess": first,
        "loss": float(np.mean(state.values["total"])),
        "seconds": seconds,
    }


def errors(pieces: Any, parameters: Any, truth: dict[str, np.ndarray], solid: float) -> dict[str, float]:
    """Relative to the solid's density, and phases of the projections in radians."""
    found = np.asarray(parameters.volume.electron_density(), np.float64).transpose(2, 0, 1)
    true, particle = truth["electron_density_true"].astype(np.float64), truth["particle_true"]
    inner = distance_transform_edt(particle) > RIM  # pyright: ignore[reportOperatorIssue]
    difference, angle = found - true, np.asarray(parameters.alignment.angle)
    rate = pieces.objective.terms["ptychography"].model.phase
    wrong = np.abs(phases(difference, angle, rate))
    return {
        "max_phase_rad": float(phases(true, angle, rate).max()),
        "rmse_inner": float(np.sqrt(np.mean(difference[inner] ** 2))) / solid,
        "rmse_with_rim": float(np.sqrt(np.mean(difference[particle] ** 2))) / solid,
        "mean_error": float(difference[inner].mean() / true[inner].mean()),
        "phase_rms_rad": float(np.sqrt(np.mean(wrong**2))),
        "phase_max_rad": float(wrong.max()),
        "wrapped": float(np.mean(wrong > np.pi)),
    }


def ratios(cells: list[dict[str, Any]], noise: bool, figure: str) -> list[float]:
    """Thick over thin, of every seed that has both."""
    chosen = {
        (c["phase"], c["seed"]): c[figure] for c in cells if c["noise"] == noise and c["start"] == "moments"
    }
    seeds = sorted({seed for phase, seed in chosen if phase == THICK and (THIN, seed) in chosen})
    return [chosen[THICK, seed] / chosen[THIN, seed] for seed in seeds]


def answers(cells: list[dict[str, Any]]) -> list[Answer]:
    """The bars, at the worst of all seeds."""
    found = []
    for noise, good, words in ((False, 1.2, "noise-free"), (True, 1.0, "equal photons")):
        for figure, rim, most in (("rmse_inner", "without rim", good), ("rmse_with_rim", "with rim", good)):
            values = ratios(cells, noise, figure)
            if values:
                found.append(
                    Answer(f"{words}, {rim}: 12 rad / 1.2 rad, worst seed", max(values), most, False)
                )
    wrapped = [c["wrapped"] for c in cells if c["start"] == "moments"]
    if wrapped:
        found.append(Answer("share of pixels on a wrong branch, worst cell", max(wrapped), 0.0, False))
    return found


def cells_of(seeds: Sequence[int], flat: bool) -> list[Cell]:
    """All reconstructions, seed by seed."""
    found = [Cell(p, n, s) for s in seeds for n in (False, True) for p in (THIN, THICK)]
    return found + ([Cell(THICK, False, s, "flat") for s in seeds] if flat else [])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("thick_specimen.json"))
    parser.add_argument(
        "--folder", type=Path, help="one file for each cell; default: beside `--out`, with its name"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--flat", action="store_true", help="also from a flat start, without the moments")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="of the experiment's config"
    )
    parser.add_argument("--fast", action="store_true", help="smallest possible run, to check the script")
    return parser.parse_args()


def main() -> None:
    a = arguments()
    settings = (*(SMALL if a.fast else ()), *(("epochs=4",) if a.fast else ()), *a.set)
    folder = a.folder or a.out.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    wanted, cells = cells_of([0], False)[:2] if a.fast else cells_of(a.seeds, a.flat), []
    for cell in wanted:
        path = folder / f"{cell.name}.json"
        if not path.exists():
            part = path.with_suffix(".part")
            part.write_text(json.dumps(measure(cell, settings) | {"settings": settings}, indent=1))
            part.rename(path)
        cells.append(json.loads(path.read_text()))
        shown = (
            f"{k} {cells[-1][k]:.4f}" for k in ("rmse_inner", "rmse_with_rim", "phase_rms_rad", "wrapped")
        )
        print(f"{cell.name}: {'  '.join(shown)}  {cells[-1]['seconds']:.0f} s", flush=True)
    found = answers(cells)
    report = {"machine": machine(), "cells": cells}
    report["answers"] = [dataclasses.asdict(answer) | {"met": answer.met} for answer in found]
    a.out.write_text(json.dumps(report, indent=1))
    print(*found, f"written: {a.out}", sep="\n")


if __name__ == "__main__":
    main()
