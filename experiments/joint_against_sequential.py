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
from collections.abc import Iterator
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from jxrecon.analysis.volume_truth import alignment_residue
from jxrecon.classical.views import moved
from jxrecon.config import compose
from jxrecon.errors import InputError
from jxrecon.forward.projection_misfit import ProjectionMisfit
from jxrecon.halves import densities
from jxrecon.initial.chain import Chain
from jxrecon.initial.flat_volume import FlatVolume
from jxrecon.initial.views import Views
from jxrecon.objective import Objective
from jxrecon.optimise import fit
from jxrecon.optimisers import Adam, Optimisers
from jxrecon.parameters import Parameters
from jxrecon.reconstruction import Pieces, prepare
from jxrecon.run import planned
from jxrecon.storage import write_json_atomically
from jxrecon.truth import compare_finely, displacement, true_displacement
from jxrecon.twin.projector import project as footprints
from jxrecon.validate import construct

CHAIN_EPOCHS = 300  # of the ptychography of single views, a step each: it converges slowly at low frequencies
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


def last(states: Iterator) -> Parameters:
    """Unknowns after the last epoch."""
    parameters = None
    for state in states:
        parameters = state.parameters
    assert parameters is not None
    return parameters


@dataclasses.dataclass(frozen=True)
class Aligned:
    """Line integrals of the density (view v u), their inverse variances, and where the chain believes the projections lay."""

    path: np.ndarray
    inverse_variance: np.ndarray
    where: np.ndarray


def fitted(pieces: Pieces, aligned: Aligned, free: tuple[str, ...], rounds: int = 2) -> Parameters:
    """Volume, and what else is `free`, that fit the projections with the joint problem's prior, optimisers and steps.

    The variances of projections that went through a chain hold more than the photons' noise. What the fit of a round leaves
    tells by how much, so that the next one weighs data and prior as they deserve.
    """
    start, job = pieces.parameters, pieces.job
    assert start.alignment is not None
    shift = jnp.zeros_like(start.alignment.shift)
    start = dataclasses.replace(start, alignment=dataclasses.replace(start.alignment, shift=shift))
    optimisers = {name: o for name, o in job.free().items() if name in free}
    prior, variance, found = pieces.objective.terms["total_variation"], aligned.inverse_variance, start
    for _ in range(rounds):
        misfit = ProjectionMisfit(jnp.asarray(aligned.path, jnp.float32), jnp.asarray(variance, jnp.float32))
        objective = Objective({"projections": misfit, "total_variation": prior})
        found = last(fit(objective, start, pieces.batches, optimisers, epochs=job.epochs))
        excess = 2 * float(misfit(found, {})) / np.count_nonzero(variance)
        variance = variance / max(excess, 1.0)
    return found


def cropped(images: np.ndarray, size: int) -> np.ndarray:
    """The middle of images (view v u), padded with zeros where they are smaller."""
    for axis in (1, 2):
        n = images.shape[axis]
        first = (n - size) // 2
        if first >= 0:
            images = np.take(images, np.arange(first, first + size), axis=axis)
        else:
            pad = [(0, 0)] * 3
            pad[axis] = (-first, size - n + first)
            images = np.pad(images, pad)
    return images


def errors(pieces: Pieces, volume: np.ndarray, found: np.ndarray | None) -> dict[str, float]:
    """Density and alignment against the truth."""
    truth = pieces.job.data.truth()  # pyright: ignore[reportAttributeAccessIssue]
    compared = compare_finely(volume, truth).metrics()
    record = {"rmse": compared["density_rmse"], "resolution": compared["fsc_truth_voxels"]}
    record["mean_error"] = compared["density_mean_error"]
    if found is not None:
        assert pieces.parameters.alignment is not None
        angle = np.asarray(pieces.parameters.alignment.angle, np.float64)
        true = true_displacement(truth, pieces.parameters)
        record["alignment_px"] = alignment_residue(found, true, angle).rms_px
    return record


def joint_row(pieces: Pieces) -> dict[str, float]:
    joint = last(pieces.fit())
    return errors(pieces, densities(joint), displacement(joint))


def chain_rows(pieces: Pieces) -> dict[str, dict]:
    """The rows `paper` and `fair`, or why there are none."""
    flat, (geometry, measurement) = pieces.job.initial, next(iter(pieces.measurements.values()))
    assert isinstance(flat, FlatVolume) and pieces.parameters.volume is not None
    chain = Chain(Views(optimisers=chain_optimisers(), epochs=CHAIN_EPOCHS), flat)
    try:
        chained = chain.chained(geometry, measurement)
    except InputError as error:
        return {"failed": {"why": str(error)}}
    found, lag = {}, -chained.aligned.shift
    where = displacement(chained.parameters)
    found["paper"] = errors(pieces, densities(chained.parameters), where)
    size = pieces.parameters.volume.density.shape[0]
    path = cropped(moved(chained.aligned.path, lag), size)
    photons = np.maximum(cropped(moved(chained.photons, lag), size), 0)
    aligned = Aligned(path, inverse_variance(pieces, photons), where)
    fair = fitted(pieces, aligned, ("volume.density", "alignment.shift"))
    assert fair.alignment is not None
    found["fair"] = errors(pieces, densities(fair), where + np.asarray(fair.alignment.shift))
    return found


def oracle_row(cell: Cell, pieces: Pieces) -> dict[str, float]:
    truth = pieces.job.data.truth()  # pyright: ignore[reportAttributeAccessIssue]
    assert pieces.parameters.alignment is not None
    angle, density = np.asarray(pieces.parameters.alignment.angle), truth["electron_density_true"]
    size, count = density.shape[0], next(iter(pieces.measurements.values()))[1].scan_count
    true = np.stack([footprints(density, float(t), 0.0, size) for t in angle])
    photons = np.full(true.shape, cell.photons * count / len(angle) / lit_area(cell))
    aligned = Aligned(true, inverse_variance(pieces, photons), np.zeros((len(angle), 2)))
    return errors(pieces, densities(fitted(pieces, aligned, ("volume.density",), rounds=1)), None)


def inverse_variance(pieces: Pieces, photons: np.ndarray) -> np.ndarray:
    """Of line integrals whose pixels were lit by so many photons."""
    model = pieces.objective.terms["ptychography"].model  # pyright: ignore[reportAttributeAccessIssue]
    return 4 * model.phase**2 * photons


def rows_of(cell: Cell) -> dict[str, dict]:
    """All four rows of a cell."""
    pieces = cell.pieces()
    return {"joint": joint_row(pieces), **chain_rows(pieces), "oracle": oracle_row(cell, pieces)}


def lit_area(cell: Cell) -> float:
    """Pixels over which the photons of a view are spread: a disc as wide as the scan and the beam."""
    radius = (5.5 if cell.preset == "tiny" else 9.5) * np.sqrt(25 / np.pi) + (
        4 if cell.preset == "tiny" else 8.5
    )
    return float(np.pi * radius**2)


def chain_optimisers() -> Optimisers:
    """Of the ptychography of single views, as in configs/initial/views."""
    return {
        "object": Adam(learning_rate=0.05, b2=0.9),
        "probe": {"modes": Adam(learning_rate=0.03, b2=0.9)},
        "positions": {"shift": Adam(learning_rate=0.05, b2=0.9, start=20)},
    }


def table(folder: Path) -> str:
    """Mean and spread over the seeds, and what that says of joint against fair."""
    cells: dict[tuple, list[dict]] = {}
    for path in sorted(folder.glob("*_*.json")):
        preset, angles, photons, _ = path.stem.split("_")
        cells.setdefault((preset, -int(angles), float(photons)), []).append(json.loads(path.read_text()))
    lines = [
        "preset angles photons | rmse of paper, fair, joint, oracle (mean +- spread, e/A^3) | joint against fair"
    ]
    for (preset, angles, photons), found in sorted(cells.items()):
        texts, means = [], {}
        for row in ROWS:
            values = np.array([record[row]["rmse"] for record in found if row in record])
            means[row] = (values.mean(), values.std()) if len(values) else (np.nan, np.nan)
            texts.append(f"{means[row][0]:.3f} +- {means[row][1]:.3f} ({len(values)})")
        gain, spread = means["fair"][0] - means["joint"][0], max(means["fair"][1], means["joint"][1])
        verdict = "better" if gain > spread else "tie" if abs(gain) <= spread else "worse or not known"
        lines.append(f"{preset:5s} {-angles:3d} {photons:8g} | {', '.join(texts)} | {verdict}")
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
