"""Everything that can be known before a run: config, data file, devices, predicted memory. Reads little, allocates nothing.

  jxrecon check experiment=NAME data.path=FILE key=value ...

Exits with 2, and one line, when the run could not work.
"""

import argparse
from pathlib import Path
from typing import Any

from ..cli import Parser, config_options
from ..errors import InputError


def options(made: Parser) -> None:
    config_options(made)


def main(options: argparse.Namespace) -> int:
    from ..config import compose

    composed = compose(options.overrides, [Path(folder) for folder in options.config_dir])
    from ..run_folder import refuse_if_taken

    if "task" in composed.cfg:
        from ..perform import built, settings

        task = built(settings(composed))
        refuse_if_taken(composed.run_dir)
        print(f"config   fine: {type(task).__name__} of {getattr(task.data, 'path', 'data')}")
        return 0
    from ..run import planned
    from ..validate import blamed_on_input, construct

    plan = planned(composed.cfg)
    refuse_if_taken(composed.run_dir)
    with blamed_on_input():
        job = construct(plan)
        lines = report(job)
    terms, free = len(job.objective.terms), ", ".join(job.free())
    print(f"config   fine: {terms} term(s), free {free}, {job.epochs} epochs", *lines, sep="\n")
    return 0


def report(job: Any) -> list[str]:
    """Lines on data, devices and memory; raises `InputError` when the memory does not suffice."""
    import jax

    from ..memory import predict
    from ..reconstruction import batches_of, read
    from ..runtime import memory_bytes

    measurements = read(job)
    lines = [_described(name, *pair) for name, pair in measurements.items()]
    lines.append(
        f"devices  {job.devices} of {len(jax.devices())} {jax.devices()[0].platform}, {job.precision}"
    )
    objective = job.objective.bind(measurements)
    memory, limit = predict(job, objective, batches_of(job, measurements)), memory_bytes()
    needed = memory.total(shared=jax.devices()[0].platform == "cpu")
    lines.append(
        f"memory   {_gib(needed)} of {_gib(limit)}: frames {_gib(memory.frames)}, "
        f"unknowns and their optimisers {_gib(memory.unknowns)}, step {_gib(memory.device)} in all"
    )
    if needed > limit:
        raise InputError(f"needs {_gib(needed)} of memory, there are {_gib(limit)}; lower {memory.advice()}.")
    return lines


def _described(name: str, geometry: Any, measurement: Any) -> str:
    n, v, u = measurement.frames.shape
    pixel = " x ".join(f"{p * 1e9:.4g}" for p in geometry.pixel_size_m)
    good = 100 * measurement.mask.mean()
    return (
        f"data     {name}: {n} frames of {v} x {u}, {geometry.regime.replace('_', ' ')}, {geometry.energy_keV:.4g} keV, "
        f"object pixel {pixel} nm, {good:.1f} % of the pixels good ({measurement.source})"
    )


def _gib(nbytes: int) -> str:
    return f"{nbytes / 2**30:.3g} GiB" if nbytes >= 1 << 30 else f"{nbytes / 2**20:.3g} MiB"
