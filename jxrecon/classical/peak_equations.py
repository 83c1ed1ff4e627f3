"""The least-squares equations of peaks, for a block of patterns at once.

The weighted columns of all patterns - profiles of unit area, background terms, derivatives of the profiles, data - are multiplied
with each other once, G = X^T W X. Sweeping the linear columns of G solves for areas and background at their best (variable
projection) and leaves, of the derivatives and the data, exactly what an iteration needs: curvature, gradient and cost as
functions of places, widths and mixings alone. Derivatives are of unit area and are scaled by the area afterwards.

Golub & Pereyra, SIAM J. Numer. Anal. 10, 413 (1973), doi 10.1137/0710036; Kaufman, BIT 15, 49 (1975), doi 10.1007/BF01932995.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .levenberg_marquardt import Equations
from .peak_channels import Binned, Grid
from .peak_model import AbstractPeaks, pseudo_voigt_and_slopes
from .small_matrices import swept


class Shape(NamedTuple):
    """What is not linear: of every peak, offset from the reference and width (degrees), mixing."""

    offset: Float[Array, "peak pattern"]
    width: Float[Array, "peak pattern"]
    eta: Float[Array, "peak pattern"]


def shape_of(
    model: AbstractPeaks, parameters: Float[Array, "parameter pattern"]
) -> tuple[Shape, Float[Array, "peak place pattern"]]:
    """Shape and the derivatives of its offsets."""
    peaks = len(model.reference_deg)
    offset, tangent = model.offset(parameters[: -2 * peaks])
    return Shape(offset, parameters[-2 * peaks : -peaks], parameters[-peaks:]), tangent


def bounds(model: AbstractPeaks) -> tuple[Float[np.ndarray, " parameter"], Float[np.ndarray, " parameter"]]:
    """Of all parameters that are not linear."""
    peaks, sides = len(model.reference_deg), []
    for side, place in enumerate(model.place_bounds()):
        form = [[r[side]] * peaks for r in (model.profile.fwhm_range_deg, model.profile.eta_range)]
        sides.append(np.concatenate([place, *form]))
    return sides[0], sides[1]


def columns(
    model: AbstractPeaks, grid: Grid, shape: Shape, root: Float[Array, "pattern bin"]
) -> tuple[Float[Array, "pattern linear bin"], Float[Array, "pattern derivative bin"]]:
    """Profiles and background, and the profiles' derivatives (centre, width, eta), times the roots of the weights."""
    x = np.array(grid.two_theta_deg)
    relative = jnp.asarray(x - np.array(model.reference_deg)[:, None], root.dtype)
    offset, width, eta = (s.T[:, :, None] for s in shape)
    value, *slopes = pseudo_voigt_and_slopes(relative - offset, width, eta)
    smooth = jnp.asarray(grid.smooth(model.background), root.dtype)
    weight = root[:, None]
    return (
        jnp.concatenate([value * weight, smooth * weight], axis=1),
        jnp.concatenate([s * weight for s in slopes], axis=1),
    )


def gram(
    model: AbstractPeaks, grid: Grid, parameters: Float[Array, "parameter pattern"], data: Binned
) -> Float[Array, "column column pattern"]:
    """Weighted products of all columns: linear, derivatives, data last."""
    shape, _ = shape_of(model, parameters)
    root = jnp.sqrt(data.weight)
    linear, slopes = columns(model, grid, shape, root)
    every = jnp.concatenate([linear, slopes, (data.value * root)[:, None]], axis=1)
    return jnp.einsum("bik,bjk->bij", every, every).transpose(1, 2, 0)


def linear_part(
    model: AbstractPeaks, products: Float[Array, "column column pattern"]
) -> tuple[Float[Array, "column column pattern"], Float[Array, "linear pattern"]]:
    """The products after the sweep of the linear columns, and their coefficients: areas, then background."""
    peaks = len(model.reference_deg)
    count = peaks + model.background
    done, _ = swept(products, count)
    if model.profile.positive_area:
        keep = jnp.ones(products.shape[::2], products.dtype).at[:peaks].set(done[:peaks, -1] > 0)
        done, _ = swept(products * keep[:, None] * keep[None], count)
    return done, done[:count, -1]


def projected_equations(
    model: AbstractPeaks, grid: Grid, parameters: Float[Array, "parameter pattern"], data: Binned
) -> Equations:
    """Equations of the shape parameters, areas and background at their best for each."""
    products = gram(model, grid, parameters, data)
    done, coefficients = linear_part(model, products)
    peaks, count = len(model.reference_deg), len(coefficients)
    area = jnp.tile(coefficients[:peaks], (3, 1))
    gradient = area * done[count:-1, -1]
    curvature = done[count:-1, count:-1] * area[:, None] * area[None]
    _, tangent = shape_of(model, parameters)
    rounding = 4 * jnp.finfo(gradient.dtype).eps * products[-1, -1] + jnp.finfo(gradient.dtype).tiny
    cost = jnp.maximum(done[-1, -1], rounding)  # below, it is a difference of equal numbers
    return Equations(cost, _pulled(tangent, gradient), pulled_back(tangent, curvature))


def _pulled(tangent, rows):
    """Derivatives with respect to the places out of those with respect to the offsets, which come first in `rows`."""
    peaks = len(tangent)
    spread = tangent.reshape(*tangent.shape[:2], *[1] * (rows.ndim - 2), tangent.shape[2])
    return jnp.concatenate([jnp.sum(spread * rows[:peaks][:, None], axis=0), rows[peaks:]])


def pulled_back(
    tangent: Float[Array, "peak place pattern"], matrix: Float[Array, "row row pattern"]
) -> Float[Array, "parameter parameter pattern"]:
    """T^T `matrix` T, where T holds the derivatives of all offsets, widths, mixings; only offsets are not parameters."""
    if tangent.shape[0] == tangent.shape[1]:  # peaks that are free: T = 1
        return matrix
    return _pulled(tangent, jnp.swapaxes(_pulled(tangent, matrix), 0, 1))


def full_curvature(
    model: AbstractPeaks, grid: Grid, parameters: Float[Array, "parameter pattern"], data: Binned
) -> tuple[Float[Array, "every every pattern"], Float[Array, "linear pattern"]]:
    """J^T W J of all parameters, places first, linear last, undamped, whose inverse is the covariance; linear coefficients."""
    products = gram(model, grid, parameters, data)
    _, coefficients = linear_part(model, products)
    peaks, count = len(model.reference_deg), len(coefficients)
    area = jnp.tile(coefficients[:peaks], (3, 1))
    scale = jnp.concatenate([jnp.ones_like(coefficients), area])
    matrix = products[:-1, :-1] * scale[:, None] * scale[None]
    matrix = jnp.roll(matrix, -count, axis=(0, 1))
    _, tangent = shape_of(model, parameters)
    return pulled_back(tangent, matrix), coefficients


def modelled(
    model: AbstractPeaks,
    grid: Grid,
    parameters: Float[Array, "parameter pattern"],
    coefficients: Float[Array, "linear pattern"],
) -> Float[Array, "pattern bin"]:
    """What the model says in every bin."""
    shape, _ = shape_of(model, parameters)
    one = jnp.ones((parameters.shape[1], len(grid.two_theta_deg)), parameters.dtype)
    return jnp.einsum("bik,ib->bk", columns(model, grid, shape, one)[0], coefficients)


def first_parameters(model: AbstractPeaks, grid: Grid, data: Binned) -> Float[Array, "parameter pattern"]:
    """Start: the place in each peak's search range where a box as wide as the peak holds most."""
    form, found, height = model.profile, [], []
    step = grid.step_deg
    half = max(1, round(form.fwhm_deg / step / 2))
    for reference in model.reference_deg:
        here = grid.near(reference, model.search_deg)
        value = jnp.where(data.weight[:, here] > 0, data.value[:, here], 0)
        offset, mean = _strongest(value, np.array(grid.two_theta_deg[here]) - reference, half)
        found.append(offset)
        height.append(mean)
    offset, weight = jnp.stack(found), jnp.stack(height)
    one = jnp.ones_like(offset)
    place = model.place(offset, weight**2 + 1e-6 * jnp.max(weight**2, axis=0) + jnp.finfo(one.dtype).tiny)
    return jnp.concatenate([place, form.fwhm_deg * one, form.eta * one])


def _strongest(value, relative, half):
    """Offset of the fullest box of 2 `half` + 1 channels, by a centroid above the level of the window; its mean above that."""
    level = jnp.min(_box(value, half), axis=1)
    excess = value - level[:, None]
    sums = _box(excess, half)
    middle = jnp.argmax(sums, axis=1)
    x = jnp.asarray(relative, value.dtype)
    near = jnp.abs(jnp.arange(value.shape[1]) - middle[:, None]) <= half
    inside = jnp.where(near, jnp.maximum(excess, 0), 0)
    total = jnp.sum(inside, axis=1)
    centre = jnp.sum(inside * x, axis=1) / jnp.where(total > 0, total, 1)
    return jnp.where(total > 0, centre, 0), total / (2 * half + 1)


def _box(value, half):
    """Mean over 2 `half` + 1 neighbours; fewer at the ends."""
    count = value.shape[1]
    running = jnp.concatenate([jnp.zeros_like(value[:, :1]), jnp.cumsum(value, axis=1)], axis=1)
    low = np.clip(np.arange(count) - half, 0, count)
    high = np.clip(np.arange(count) + half + 1, 0, count)
    return (running[:, high] - running[:, low]) / jnp.asarray(high - low, value.dtype)
