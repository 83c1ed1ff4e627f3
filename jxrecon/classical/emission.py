"""Maximum likelihood of photon counts by expectation maximisation (MLEM), all channels of all patterns at once.

    x <- x / (A'1)  A'( y / (A x) ),       x >= 0

for y Poisson distributed about A x. Noise comes back last: stopping early, at some thirty iterations, regularises it.

Shepp & Vardi, IEEE Trans. Med. Imaging 1, 113 (1982), doi:10.1109/TMI.1982.4307558
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..kernels.ray_transform import back_project, project

LEAST = 1e-3  # of the best-lit voxel: what is met by less is left dark; of the mean count: what a ray cannot fall below


@partial(jax.jit, static_argnames=("iterations", "size"))
def mlem(
    counts: Float[Array, "view u channel"],
    angle: Float[Array, " view"],
    shift: Float[Array, " view"],
    *,
    iterations: int = 30,
    size: int | None = None,
) -> Float[Array, "y x channel"]:
    """Counts per voxel, on `size` rows and columns (by default as many as rays). Negative counts were not measured.

    A slice is what a group of channels is: several may stand side by side in the last axis. Angles in radians.
    """
    width = counts.shape[1]
    shape = (size or width, size or width)
    measured = counts >= 0
    y = jnp.where(measured, counts, 0)
    back = partial(back_project, angle=angle, shift=shift, shape=shape)
    whole = back(measured.astype(y.dtype))
    dark = whole <= LEAST * jnp.max(whole)
    inverse = jnp.where(dark, 0, 1 / jnp.where(dark, 1, whole))
    mean = jnp.mean(y, axis=(0, 1))
    least = LEAST * jnp.maximum(jnp.mean(mean), jnp.finfo(y.dtype).tiny)

    def step(_, volume):
        expected = project(volume, angle, shift, width=width)
        return volume * inverse * back(y / jnp.maximum(expected, least))

    start = jnp.broadcast_to(jnp.maximum(mean, least) / width, (*shape, y.shape[2]))
    return jax.lax.fori_loop(0, iterations, step, start)
