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
    patterns: Float[Array, "pattern channel"], peaks: LatticePeaks, grid: Grid
) -> tuple[Float[Array, "parameter pattern"], Float[Array, "linear pattern"]]:
    lower, upper = bounds(peaks)
    # Of the size of one each, or single precision would not see the end.
    square = jnp.mean(patterns**2, axis=1, keepdims=True)
    weight = jnp.broadcast_to(1 / jnp.where(square > 0, square, 1), patterns.shape)
    data = binned(grid, patterns, weight)

    def equations(p):
        return projected_equations(peaks, grid, p, data)

    begin = first_parameters(peaks, grid, data)
    state = descend(equations, begin, lower=lower, upper=upper, tolerance=1e-4, steps=STEPS)
    _, linear = linear_part(peaks, gram(peaks, grid, state.parameters, data))
    return state.parameters, linear


def voxel_fits(
    patterns: Float[np.ndarray, "pattern channel"],
    two_theta_deg: Float[np.ndarray, " channel"],
    peaks: LatticePeaks,
) -> VoxelFits:
    """Patterns that hold nothing give anything."""
    grid = make_grid(two_theta_deg, peaks.reference_deg, peaks.search_deg + peaks.profile.fwhm_deg)
    count, number = len(patterns), len(peaks.reference_deg)
    full = np.pad(np.asarray(patterns, np.float32), ((0, -count % BLOCK), (0, 0)))
    # All of one shape, however many they are.
    found = [_fitted(full[i : i + BLOCK], peaks, grid) for i in range(0, len(full), BLOCK)]
    if not found:
        empty = np.zeros((0, number))
        return VoxelFits(np.zeros((0, len(peaks.cell.free))), empty, empty)
    shape, linear = (np.concatenate(part, axis=1).T.astype(float)[:count] for part in zip(*found))
    places = shape.shape[1] - 2 * number
    return VoxelFits(shape[:, :places], shape[:, places : places + number], linear[:, :number])
