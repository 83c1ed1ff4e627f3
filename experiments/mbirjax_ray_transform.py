"""MBIRJAX's parallel-beam projector as a program of the comparison (see `timed_projector.py`), in an interpreter that has it.

Its rows run the other way. `pip install mbirjax`
"""

import importlib.metadata

import jax
import jax.numpy as jnp
import mbirjax  # pyright: ignore[reportMissingImports]
import numpy as np
from timed_projector import arguments, report


def main() -> None:
    a = arguments()
    with np.load(a.data) as file:
        arrays = dict(file)
    depth, _, width = arrays["volume"].shape
    angle = jnp.asarray(arrays["angle_rad"], jnp.float32)
    model = mbirjax.ParallelBeamModel((len(angle), depth, width), angle)
    model.set_params(verbose=0)
    report(
        arrays,
        lambda volume: jax.block_until_ready(model.forward_project(volume)),
        lambda projections: jax.block_until_ready(model.back_project(projections)),
        jnp.asarray(np.ascontiguousarray(arrays["volume"].transpose(1, 2, 0)[::-1])),
        a.repeats,
        lambda found: np.asarray(found).transpose(1, 0, 2),
        lambda found: np.asarray(found)[::-1].transpose(2, 0, 1),
        program="MBIRJAX",
        version=importlib.metadata.version("mbirjax"),
    )


if __name__ == "__main__":
    main()
