"""What does a call of each prior of a porous solid cost, value and gradient together, and how long does it take to compile?

On 128^3 voxels of the twin (cycled, small; noise of 0.05 e/A^3), float32, as a term of an objective, through the parameters. The
bars are times of straightforward versions (automatic differentiation, complex transforms) on two cores of a machine that others
used as well; compiling is to take less than 10 s. The clock that is compared is CPU time, the sum over all cores, in turns: on a
machine of one's own a call takes that at most, and wall-clock time on a busy one says who else is there. Both stand in the table,
with the fastest wall-clock turn.

    python experiments/speed_priors.py --out speed_priors.json

About 2 minutes; `--fast` is a check of the script itself. `--only NAME ...` for some.
"""

import argparse
import dataclasses
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["JAX_ENABLE_COMPILATION_CACHE"] = "false"

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from answers import Answer
from contest import machine

from jxrecon.lattice import Lattice
from jxrecon.objective import AbstractTerm, Objective
from jxrecon.parameters import Parameters, Positions, Probe, Volume
from jxrecon.priors.air_and_glass import AirAndGlass
from jxrecon.priors.density_cell_coupling import DensityCellCoupling
from jxrecon.priors.directional_total_variation import DirectionalTotalVariation
from jxrecon.priors.double_well import DoubleWell
from jxrecon.priors.euler_number import EulerNumber
from jxrecon.priors.granulometry import Granulometry
from jxrecon.priors.huber_total_variation import HuberTotalVariation
from jxrecon.priors.lineal_path import LinealPath
from jxrecon.priors.local_thickness import LocalThickness
from jxrecon.priors.minimum_pore_size import MinimumPoreSize
from jxrecon.priors.modica_mortola import ModicaMortola
from jxrecon.priors.partial_volume_mixture import PartialVolumeMixture
from jxrecon.priors.radial_profile import RadialProfile
from jxrecon.priors.tikhonov import Tikhonov
from jxrecon.priors.total_variation import TotalVariation
from jxrecon.priors.two_point_correlation import TwoPointCorrelation
from jxrecon.twin.particle import Particle, preset

RADII = (1.0, 2.0, 3.0, 4.0, 5.0)
COMPILE_S = 10.0


@dataclasses.dataclass(frozen=True)
class Contender:
    """bar_ms: what a call may cost; None where nothing was measured before, and next to nothing is expected."""

    prior: Callable[[np.ndarray], AbstractTerm]
    bar_ms: float | None


def sides(mask: np.ndarray) -> AirAndGlass:
    """Air on one side, glass on the other: regions as large as they get."""
    half = np.indices(mask.shape)[0] < mask.shape[0] // 2
    return AirAndGlass(air=jnp.asarray(~mask & half), glass=jnp.asarray(~mask & ~half))


CONTENDERS = {
    "tikhonov": Contender(lambda mask: Tikhonov(), 24),
    "total_variation": Contender(lambda mask: TotalVariation(), 30),
    "huber_total_variation": Contender(lambda mask: HuberTotalVariation(), 40),
    "modica_mortola": Contender(lambda mask: ModicaMortola(), 31),
    "double_well": Contender(lambda mask: DoubleWell(), None),
    "partial_volume_mixture": Contender(lambda mask: PartialVolumeMixture(), 119),
    "minimum_pore_size, 2 voxels": Contender(lambda mask: MinimumPoreSize(radius=2.0), 78),
    "minimum_pore_size, 1.5 voxels": Contender(lambda mask: MinimumPoreSize(), 78),
    "granulometry, 5 radii": Contender(lambda mask: Granulometry(target=np.zeros(5), radii=RADII), 594),
    "local_thickness, 5 radii": Contender(lambda mask: LocalThickness(target=3.0, radii=RADII), 531),
    "two_point_correlation, 16 lags": Contender(lambda mask: TwoPointCorrelation(target=np.zeros(16)), 47),
    "lineal_path, 12 lags": Contender(lambda mask: LinealPath(target=np.zeros(12)), 1317),
    "radial_profile, 20 shells": Contender(lambda mask: RadialProfile(target=np.zeros(20)).within(mask), 20),
    "euler_number": Contender(lambda mask: EulerNumber(target=0.0), 131),
    "air_and_glass": Contender(sides, None),
    "directional_total_variation": Contender(
        lambda mask: DirectionalTotalVariation(of="density", eps=0.01), 199
    ),
    "density_cell_coupling": Contender(lambda mask: DensityCellCoupling(), 10),
}


def specimen(particle: Particle) -> tuple[Parameters, np.ndarray]:
    """The noisy twin with strain on voxels eight times as large, and its mask."""
    maps, rng = particle.maps(3), np.random.default_rng(0)
    density = np.asarray(maps.electron_density) + 0.05 * rng.normal(size=maps.radius.shape)
    coarse = tuple(max(n // 8, 2) for n in density.shape)
    one, none, number = jnp.ones(()), jnp.zeros((1, *coarse)), jnp.zeros(1)
    strain = jnp.asarray(3e-3 * rng.normal(size=(2, *coarse)), jnp.float32)
    lattice = Lattice(strain, none, none, number, none, number[None], one, one, one)
    positions = Positions(jnp.zeros((1, 2)), jnp.zeros((1, 2)), jnp.zeros(4))
    volume = Volume(jnp.asarray(density, jnp.float32))
    probe = Probe(jnp.ones((1, 1, 2, 2), jnp.complex64))
    return Parameters(None, probe, positions, jnp.ones(1), volume=volume, lattice=lattice), np.asarray(
        maps.particle
    )


def clocks() -> np.ndarray:
    return np.array([time.perf_counter(), time.process_time()])


def measured(prior: AbstractTerm, parameters: Parameters, repeats: int) -> dict[str, float]:
    """Seconds to compile, and milliseconds of calls."""

    @eqx.filter_jit
    @eqx.filter_value_and_grad
    def value(density: jax.Array, objective: Objective, others: Parameters) -> jax.Array:
        return objective(dataclasses.replace(others, volume=Volume(density)), {})[0]

    density = parameters.volume.density  # pyright: ignore[reportOptionalMemberAccess]
    arguments = density, Objective({"prior": prior}), dataclasses.replace(parameters, volume=None)
    start = clocks()
    program = value.lower(*arguments).compile()
    compiling = clocks() - start
    jax.block_until_ready(program(*arguments))
    turns = []
    for _ in range(repeats):
        start = clocks()
        jax.block_until_ready(program(*arguments))
        turns.append(1e3 * (clocks() - start))
    wall, cpu = np.array(turns).T
    return {
        "cpu_ms": float(np.median(cpu)),
        "least_cpu_ms": float(cpu.min()),
        "wall_ms": float(np.median(wall)),
        "least_wall_ms": float(wall.min()),
        "compile_cpu_s": float(compiling[1]),
        "compile_wall_s": float(compiling[0]),
        "load1": os.getloadavg()[0],
    }


def table(records: dict[str, dict[str, Any]]) -> str:
    heads = ("bar ms", "CPU ms", "least", "wall ms", "least", "compile CPU s", "wall s", "load")
    keys = (
        "bar_ms",
        "cpu_ms",
        "least_cpu_ms",
        "wall_ms",
        "least_wall_ms",
        "compile_cpu_s",
        "compile_wall_s",
        "load1",
    )
    lines = [f"  {'value and gradient':<32}" + "".join(head.rjust(14) for head in heads)]
    for name, record in records.items():
        cells = ["" if record[key] is None else f"{record[key]:.3g}" for key in keys]
        lines.append(f"  {name:<32}" + "".join(cell.rjust(14) for cell in cells))
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("speed_priors.json"))
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--only", nargs="+", choices=list(CONTENDERS), metavar="NAME")
    parser.add_argument("--fast", action="store_true", help="smallest possible run, to check the script")
    return parser.parse_args()


def main() -> None:
    a = arguments()
    small = Particle("cycled_small", size=40, voxel_m=40e-9, radius_m=0.7e-6)
    parameters, mask = specimen(small if a.fast else preset("small", state="cycled_small"))
    records: dict[str, dict[str, Any]] = {}
    answers: list[Answer] = []
    for name in a.only or CONTENDERS:
        contender = CONTENDERS[name]
        found = measured(contender.prior(mask), parameters, 2 if a.fast else a.repeats)
        records[name] = {"bar_ms": contender.bar_ms} | found
        if contender.bar_ms is not None:
            answers.append(Answer(f"{name}: CPU ms", found["cpu_ms"], contender.bar_ms, False))
        answers.append(Answer(f"{name}: compile, CPU s", found["compile_cpu_s"], COMPILE_S, False))
    report = {"machine": machine(), "voxels": mask.shape, "priors": records}
    report["answers"] = [dataclasses.asdict(answer) | {"met": answer.met} for answer in answers]
    a.out.write_text(json.dumps(report, indent=1))
    print(table(records), "", *answers, f"written: {a.out}", sep="\n")


if __name__ == "__main__":
    main()
