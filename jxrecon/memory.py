"""Memory that a reconstruction will take, from shapes alone: the compiled step is asked, nothing is allocated.

    device = arguments + outputs + temporaries - what outputs share with arguments      (XLA's own account)
    host   = blocks of frames on their way to the device, twice (as read, and as arranged)

On a CPU both come from the same memory.
"""

import dataclasses
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from . import optimise
from .batches import Batches, Block, Steps
from .devices import mesh_of
from .geometry import Geometry
from .initial.first_guess import object_shape
from .initial.flat_volume import FlatVolume
from .measurement import Measurement
from .objective import DataTerm, Objective
from .parameters import Alignment, Parameters, Positions, Probe, Volume
from .reconstruction import Reconstruction

PROGRAM = 600 << 20  # bytes of the interpreter with all that a run imports and compiles, before any frame


@dataclasses.dataclass(frozen=True)
class Memory:
    """Bytes: on each device, and of frames on the host; `frames` and `unknowns` are parts of `device`."""

    device: int
    host: int
    frames: int
    unknowns: int

    def total(self, shared: bool) -> int:
        """What counts against the limit; `shared` when device and host are the same memory, as on a CPU."""
        return self.device + self.host + PROGRAM if shared else self.device

    def advice(self) -> str:
        """What to lower first."""
        if self.frames >= max(self.unknowns, self.device // 2):
            return "`data.preprocess.size` or more `data.preprocess.binning`, to have smaller frames"
        if self.unknowns > self.device // 4:
            return "`initial.modes`, the scanned area (is the positions' unit right?) or the frames' size"
        return "`batch_size` or `objective.terms.*.model.group`"


def structs(tree: Any) -> Any:
    """Arrays of a tree as shapes and types only."""
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype) if eqx.is_array(x) else x, tree)


def nbytes(tree: Any) -> int:
    """Bytes of all arrays or shapes of a tree."""
    leaves = [x for x in jax.tree.leaves(tree) if hasattr(x, "dtype")]
    return sum(math.prod(x.shape) * x.dtype.itemsize for x in leaves)


def volume_of(initial: Any, geometry: Geometry, measurement: Measurement) -> tuple[Volume, Alignment] | None:
    """Shapes of the volume and its alignment, None for a first guess without one."""
    flat = getattr(initial, "flat", initial)
    if not isinstance(flat, FlatVolume):
        return None
    shape, views = flat.shape(geometry, measurement), len(measurement.specimen)

    def made() -> tuple[Volume, Alignment]:
        cube, each = jnp.zeros(shape), jnp.zeros(views)
        own = cube if flat.absorption else None
        support = None if flat.support is None else cube
        volume = Volume(cube, own, None if flat.softness is None else jnp.zeros(()), support)
        view = jnp.zeros(measurement.scan_count, jnp.int32)
        tilt = jnp.zeros((views, 2)) if flat.tilts else None
        return volume, Alignment(each, each, jnp.zeros((views, 2)), view, tilt)

    return eqx.filter_eval_shape(made)


def unknowns(initial: Any, geometry: Geometry, measurement: Measurement) -> Parameters:
    """Shapes of the first guess; modes and variations as `initial` says, else as the file's probe has them."""
    in_volume = volume_of(initial, geometry, measurement)
    settings = getattr(initial, "flat", initial)
    settings = getattr(settings, "start", settings)
    modes = getattr(settings, "modes", None) or (1 if measurement.probe is None else len(measurement.probe))
    variations, background = getattr(settings, "variations", 0), getattr(settings, "background", None)
    v, u = geometry.probe_shape
    y, x = object_shape(measurement.positions_px, (v, u))
    n, optics = measurement.scan_count, int(measurement.optics.max()) + 1
    if in_volume is not None:
        optics = getattr(getattr(initial, "flat", initial), "knots", 1)

    def made() -> Parameters:
        real, field = jnp.result_type(float), jnp.result_type(complex)
        more = variations > 0
        probe = Probe(
            jnp.zeros((optics, modes, v, u), field),
            jnp.zeros((optics, variations, modes, v, u), field) if more else None,
            jnp.zeros((n, variations), real) if more else None,
        )
        positions = Positions(jnp.zeros((n, 2), real), jnp.zeros((n, 2), real), jnp.zeros(4, real))
        specimens = int(measurement.specimen.max()) + 1
        dark = None if background is None else jnp.zeros(geometry.frame_shape, real)
        object = None if in_volume else jnp.zeros((specimens, y, x), field)
        return Parameters(object, probe, positions, jnp.zeros(n, real), dark)

    found = eqx.filter_eval_shape(made)
    if in_volume is None:
        return found
    return dataclasses.replace(found, volume=in_volume[0], alignment=in_volume[1])


def chunk(batches: Batches, name: str) -> tuple[Block, Steps]:
    """Shapes of a block of frames and of the steps through it."""
    _, measurement = batches.measurements[name]
    frames = -(-batches.block_frames(name) // batches.devices) * batches.devices
    v, u = measurement.frames.shape[1:]
    most = max(np.bincount(measurement.view)) if len(measurement.specimen) > 1 else frames
    size, together = min(batches.batch_size, int(most)), batches.views_per_step
    count = -(-frames // (size * together))

    def made() -> tuple[Block, Steps]:
        block = Block(
            intensity=jnp.zeros((frames, v, u), batches.dtype),
            mask=jnp.zeros((v, u), bool),
            fold=jnp.zeros((v, u), jnp.int32),
            folds=jnp.zeros((), jnp.int32),
            level=jnp.zeros((), batches.dtype),
        )
        row = jnp.zeros((count, together, size), jnp.int32)
        weight, scale = jnp.zeros(row.shape, batches.dtype), jnp.zeros(count, batches.dtype)
        return block, Steps(row[..., 0], row, row, weight, scale)

    return eqx.filter_eval_shape(made)


def predict(job: Reconstruction, objective: Objective, batches: Batches) -> Memory:
    """Memory of one chunk of steps of a bound objective."""
    name, (geometry, measurement) = next(iter(batches.measurements.items()))
    models = [t.model for t in objective.terms.values() if isinstance(t, DataTerm) and t.measurement == name]
    geometry = getattr(models[0], "geometry", None) or geometry
    parameters = unknowns(job.initial, geometry, measurement)
    chunks = {n: chunk(batches, n) for n in batches.measurements}
    blocks, steps = ({n: pair[i] for n, pair in chunks.items()} for i in (0, 1))
    kept, memory = _arguments(job, objective, batches, parameters, blocks, steps)
    arrays, static = eqx.partition((kept, memory), lambda x: isinstance(x, jax.ShapeDtypeStruct))

    def step(kept: Any, memory: Any) -> Any:
        return optimise.run_chunk(*eqx.combine((kept, memory), static))

    account = jax.jit(step, donate_argnums=1).lower(*arrays).compile().memory_analysis()
    assert account is not None, "this JAX backend gives no account of its memory"
    device = (
        account.argument_size_in_bytes
        + account.output_size_in_bytes
        + account.temp_size_in_bytes
        - account.alias_size_in_bytes
    )
    return Memory(device, 2 * nbytes(blocks), nbytes(blocks), nbytes((parameters, memory)))


def _arguments(
    job: Reconstruction, objective: Objective, batches: Batches, parameters: Any, blocks: Any, steps: Any
) -> tuple[Any, Any]:
    """What the compiled loop is called with, as shapes: (everything that is kept, the optimisers' memory)."""
    optimisers = job.free()
    state = eqx.filter_eval_shape(optimise.begin, parameters, optimisers, job.epochs)
    labels = optimise.group(parameters, list(optimisers))
    free, frozen = optimise.split(parameters, labels)
    projections = tuple(p for p in job.projections.values() if p is not None)
    descent = optimise.descent_of(optimisers, labels, job.epochs)
    loop = optimise.Loop(descent, structs(projections), mesh_of(batches.devices))
    count = next(iter(steps.values())).scale.shape
    clock = jax.ShapeDtypeStruct(count, batches.dtype)
    units = optimise.split(state.units, labels)[0]
    return (loop, structs(objective), frozen, units, blocks, steps, clock, free), state.optimiser
