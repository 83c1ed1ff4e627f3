"""Every kernel and one whole step, lowered for a GPU on a machine without one: no primitive that only a CPU has."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import problems
import pytest

from jxrecon.batches import Batches
from jxrecon.descent import descent_of, group
from jxrecon.kernels.accumulate import accumulate
from jxrecon.kernels.patches import cut_all, paste_all
from jxrecon.numerics.modes import orthogonalise
from jxrecon.optimise import Loop, begin, split
from jxrecon.optimisers import Adam
from jxrecon.projections import ProbePower

CALLBACKS = ("xla_python_cpu_callback", "xla_ffi_python_cpu_callback", "callback")


def lowered(function, *arguments) -> str:
    """StableHLO of `function` for CUDA, on shapes alone."""
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(jnp.shape(x), jnp.result_type(x)), arguments)
    return jax.export.export(jax.jit(function), platforms=["cuda"])(*shapes).mlir_module()


def field(*shape):
    return jnp.ones(shape, jnp.complex64)


CORNERS = jnp.zeros((3, 2), jnp.int32)
KERNELS = {
    "cut_all": (lambda c: cut_all(c, CORNERS, (8, 8)), (field(20, 20),)),
    "paste_all": (lambda c, p: paste_all(c, p, CORNERS), (field(20, 20), field(3, 8, 8))),
    "accumulate": (
        jax.grad(
            lambda c: accumulate(
                lambda p, s, f, d, k: jnp.sum(jnp.abs(p) ** 2), c, CORNERS, {}, {}, {}, window=(8, 8)
            )
        ),
        (field(20, 20),),
    ),
    "orthogonalise": (orthogonalise, (field(3, 8, 8),)),
}


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_lower_for_a_gpu(name):
    function, arguments = KERNELS[name]
    text = lowered(function, *arguments)
    assert "func.func public @main" in text and not any(word in text for word in CALLBACKS)


@pytest.mark.parametrize("regime", ["far_field", "near_field"])
def test_a_whole_chunk_of_steps_lowers_for_a_gpu(regime):
    setup = problems.geometry(regime=regime)
    guess = problems.unknowns(scan=9, dtype=np.float32)
    model = problems.model(guess, setup, group=32)
    data = problems.measurement(np.ones((9, 16, 16), np.float32), np.zeros((9, 2)))
    batches = Batches({"scan": (setup, data)}, batch_size=3)
    optimisers = {name: Adam(start=1) for name in ("object", "probe", "positions", "flux", "background")}
    labels = group(guess, list(optimisers))
    loop = Loop(descent_of(optimisers, labels, 2), (ProbePower(1e4),), None)
    state, chunk = begin(guess, optimisers, 2), next(batches.chunks(0, 1))
    free, frozen = split(guess, labels)
    units = split(state.units, labels)[0]
    clock = jnp.zeros(chunk.steps["scan"].scale.shape[0])
    arguments = (
        problems.objective(model),
        frozen,
        units,
        chunk.blocks,
        chunk.steps,
        clock,
        free,
    )
    arrays, static = eqx.partition((*arguments, state.optimiser), eqx.is_array)

    text = lowered(lambda arrays: loop.run(*eqx.combine(arrays, static)), arrays)
    assert "stablehlo.while" in text and "stablehlo.fft" in text
    assert not any(word in text for word in CALLBACKS)
