"""The ray transform of this package as a program of the comparison: see `timed_projector.py`.

python experiments/jxrecon_ray_transform.py X.npz [--repeats 5]
"""

import jax
import jax.numpy as jnp
import numpy as np
from timed_projector import arguments, report

import jxrecon
from jxrecon.kernels.ray_transform import back_project, project


def main() -> None:
    a = arguments()
    with np.load(a.data) as file:
        arrays = dict(file)
    size = arrays["volume"].shape[0]
    angle = jnp.asarray(arrays["angle_rad"], jnp.float32)
    volume = jnp.asarray(np.ascontiguousarray(arrays["volume"].transpose(1, 2, 0)))
    forward = jax.jit(lambda volume, angle: project(volume, angle, jnp.zeros_like(angle), width=size))
    backward = jax.jit(lambda p, angle: back_project(p, angle, jnp.zeros_like(angle), shape=(size, size)))
    report(
        arrays,
        lambda volume: jax.block_until_ready(forward(volume, angle)),
        lambda projections: jax.block_until_ready(backward(projections, angle)),
        volume,
        a.repeats,
        lambda projections: np.asarray(projections).transpose(2, 0, 1),
        lambda volume: np.asarray(volume).transpose(2, 0, 1),
        program="jxrecon",
        version=jxrecon.__version__,
        jax=jax.__version__,
        device=jax.devices()[0].device_kind,
    )


if __name__ == "__main__":
    main()
