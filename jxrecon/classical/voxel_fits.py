"""One cell, widths and areas for each of many patterns of voxels: values alone, as a start of something better.

The least squares of `peak_fit` with equal weights, without what makes that one fast for ten thousands of patterns and sound for
the last of them: blocks take a fixed number of steps, in one small program that compiles in a third of the time.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .levenberg_marquardt import descend
from .peak_channels import Grid, binned, make_grid
from .peak_equations import bounds, first_parameters, gram, linear_part, projected_equations
from .peak_model import LatticePeaks

BLOCK, STEPS = 128, 12


class VoxelFits(NamedTuple):
    """strain: as in `lattice`; areas in the unit of the patterns times degrees."""

    strain: Float[np.ndarray, "pattern free"]
    fwhm_deg: Float[np.ndarray, "pattern peak"]
    area: Float[np.ndarray, "pattern peak"]


@partial(jax.jit, static_argnames=("peaks", "grid"))
def _fitted(
    patterns: Float[Array, "block pattern channel"], peaks: LatticePeaks, grid: Grid
) -> tuple[Float[Array, "block parameter pattern"], Float[Array, "block linear pattern"]]:
    lower, upper = bounds(peaks)

    def one(values):
        # Of the size of one each, or single precision would not see the end.
        square = jnp.mean(values**2, axis=1, keepdims=True)
        data = binned(grid, values, jnp.broadcast_to(1 / jnp.where(square > 0, square, 1), values.shape))

        def equations(p):
            return projected_equations(peaks, grid, p, data)

        begin = first_parameters(peaks, grid, data)
        state = descend(equations, begin, lower=lower, upper=upper, tolerance=1e-4, steps=STEPS)
        _, linear = linear_part(peaks, gram(peaks, grid, state.parameters, data))
        return state.parameters, linear

    return jax.lax.map(one, patterns)


def voxel_fits(
    patterns: Float[np.ndarray, "pattern channel"],
    two_theta_deg: Float[np.ndarray, " channel"],
    peaks: LatticePeaks,
) -> VoxelFits:
    """Patterns that hold nothing give anything."""
    grid = make_grid(two_theta_deg, peaks.reference_deg, peaks.search_deg + peaks.profile.fwhm_deg)
    count = len(patterns)
    full = np.pad(np.asarray(patterns, np.float32), ((0, -count % BLOCK), (0, 0)))
    parameters, linear = _fitted(full.reshape(-1, BLOCK, full.shape[1]), peaks, grid)
    shape, areas = (
        np.moveaxis(np.asarray(v, np.float64), 1, -1).reshape(full.shape[0], -1) for v in (parameters, linear)
    )
    number = len(peaks.reference_deg)
    places = shape.shape[1] - 2 * number
    return VoxelFits(shape[:count, :places], shape[:count, places : places + number], areas[:count, :number])
