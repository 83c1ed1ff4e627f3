"""Shifts of all projections from their agreement with one volume; the centre of mass is the start.

The centre of mass of a projection lies at u = A + B cos(angle) + C sin(angle): B and C are the particle's own centre, A is the
offset of the rotation axis, and what is left is the shift of the view. It needs the whole particle, and air that is zero.

Projection matching then repeats, on projections binned 4, 2 and 1 times:
 - the volume by a few SIRT iterations, x <- max(0, x + C A' R (p - A x)), from the volume of the pass before, where R and C are
   one over the length of each ray and over the light that each voxel met;
 - every view's shift s by one Gauss-Newton step on  p - D_s A x  (D_s moves by s), high-passed, so that ramps and offsets which
   the air left do not pull; with g = grad D_s A x,  s -= <g g'>^-1 <g (p - D_s A x)>.

Positivity is what makes few views enough. A translation of the volume is free: steps lose their parts cos(angle) and
sin(angle) along u and 1 along v. The part 1 along u is the rotation axis, which the data do know.

Guizar-Sicairos et al., Opt. Express 23, 3345 (2015), doi 10.1364/OE.23.003345; Gürsoy et al., Sci. Rep. 7, 11818 (2017),
doi 10.1038/s41598-017-12141-9.
"""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from scipy import ndimage

from ..kernels.ray_transform import back_project, project
from .views import binned, each_view, lit_pixels

FIRST, NEXT = 20, 3  # SIRT iterations before the first pass of a level and before every other
HIGH_PASS = 1 / 8  # of the field's width: the Gaussian that is subtracted
LARGEST_STEP = 1.0  # binned pixels
STILL = 0.005  # binned pixels rms: a level ends where shifts move by less
SMALLEST = 16  # binned pixels along u


@dataclasses.dataclass(frozen=True)
class ProjectionMatching:
    """shift (view, 2) along v, u in pixels, how far the content is displaced; one entry for each pass in all else.

    residual (pass,): rms of high-passed projection less reprojection, relative to the projections'; step_px (pass,): rms change
    of the shifts; factor (pass,): binning.
    """

    shift: np.ndarray
    residual: np.ndarray
    step_px: np.ndarray
    factor: np.ndarray


def centre_of_mass_shift(
    path: Float[np.ndarray, "view v u"],
    weight: Float[np.ndarray, "..."] | Bool[np.ndarray, "..."],
    angle: Float[np.ndarray, " view"],
) -> Float[np.ndarray, " view"]:
    """Shift of every view along u, A included, that its centre of mass tells."""
    lit = lit_pixels(each_view(weight, path.shape))
    u = np.arange(path.shape[2]) - (path.shape[2] - 1) / 2
    mass = np.where(lit, path, 0).sum(1)
    total = mass.sum(1)
    floor = 1e-3 * np.abs(total).max(initial=np.finfo(float).tiny)
    centre = mass @ u / np.maximum(total, floor)
    design = np.stack([np.ones_like(angle), np.cos(angle), np.sin(angle)], axis=1)
    swing = np.linalg.lstsq(design, centre, rcond=None)[0][1:]
    return centre - design[:, 1:] @ swing


def without_translation(
    shift: Float[np.ndarray, "view 2"], angle: Float[np.ndarray, " view"]
) -> Float[np.ndarray, "view 2"]:
    """Shifts (v, u) without the part that a translation of the volume would take up."""
    swing = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    along_u = shift[:, 1] - swing @ np.linalg.lstsq(swing, shift[:, 1], rcond=None)[0]
    return np.stack([shift[:, 0] - shift[:, 0].mean(), along_u], axis=1)


def horizontal_alignment(
    path: Float[np.ndarray, "view v u"],
    weight: Float[np.ndarray, "..."] | Bool[np.ndarray, "..."],
    angle: Float[np.ndarray, " view"],
    vertical_shift: Float[np.ndarray, " view"],
    *,
    factors: tuple[int, ...] = (4, 2, 1),
    passes: int = 20,
) -> ProjectionMatching:
    """Projection matching from the centres of mass and from vertical shifts that are roughly known."""
    start = np.stack([vertical_shift, centre_of_mass_shift(path, weight, angle)], axis=1)
    return projection_matching(path, weight, angle, start, factors=factors, passes=passes)


def projection_matching(
    path: Float[np.ndarray, "view v u"],
    weight: Float[np.ndarray, "..."] | Bool[np.ndarray, "..."],
    angle: Float[np.ndarray, " view"],
    shift: Float[np.ndarray, "view 2"],
    *,
    factors: tuple[int, ...] = (4, 2, 1),
    passes: int = 20,
    together: bool = False,
) -> ProjectionMatching:
    """Shifts along v and u of line integrals (positive, zero in air), improved from `shift` in at most `passes` a level.

    `together`: one step along u for all views, which is the offset of the rotation axis; shifts along v stay.
    """
    lit = lit_pixels(each_view(weight, path.shape))
    turns = jnp.asarray(angle, jnp.float32)
    history = []
    for factor in [f for f in factors if f == min(factors) or path.shape[2] // f >= SMALLEST]:
        # A few rows are not binned along v.
        scale = np.array([factor if path.shape[1] >= SMALLEST * factor else 1, factor])
        level = _level(path, lit, (int(scale[0]), factor))
        volume = jnp.zeros((level[0].shape[1],) * 2 + level[0].shape[2:])
        for turn in range(passes):
            iterations, now = FIRST if turn == 0 else NEXT, jnp.asarray(shift / scale, jnp.float32)
            volume, normal, slope, residual = _pass(volume, *level, turns, now, iterations)
            step = _common_step(normal, slope) if together else _steps(normal, slope, angle)
            shift = shift + scale * step
            rms = float(np.sqrt(np.mean(step**2)))
            history.append((residual, factor * rms, factor))
            if rms < STILL:
                break
    residual, step_px, used = (np.array(h) for h in zip(*history))
    return ProjectionMatching(shift, residual, step_px, used)


def _steps(normal, slope, angle) -> Float[np.ndarray, "view 2"]:
    """Each view's Gauss-Newton step, not too long, without the translation of the volume."""
    ridge = 1e-6 * normal.trace(axis1=1, axis2=2).max() + 1e-30
    step = np.linalg.solve(normal + ridge * np.eye(2), slope[..., None])[..., 0]
    return without_translation(np.clip(step, -LARGEST_STEP, LARGEST_STEP), angle)


def _common_step(normal, slope) -> Float[np.ndarray, "view 2"]:
    """The Gauss-Newton step that all views make along u."""
    step = np.clip(slope[:, 1].sum() / (normal[:, 1, 1].sum() + 1e-30), -LARGEST_STEP, LARGEST_STEP)
    return np.tile([0.0, step], (len(slope), 1))


def _level(
    path: Float[np.ndarray, "view v u"], lit: Bool[np.ndarray, "view v u"], factors: tuple[int, int]
) -> tuple[Float[Array, "view p q"], Float[Array, "view p q"]]:
    """Binned projections (view, u, z), zero where not lit, and how much each pixel counts."""
    inner = np.stack([ndimage.binary_erosion(m, iterations=2, border_value=1) for m in lit])
    # A bin that the rim of the lit region cuts holds too little: it does not count.
    whole = (binned(inner.astype(np.float32), factors) > 0.99).astype(np.float32)
    mean = binned(np.where(inner, path, 0).astype(np.float32), factors) * whole
    return jnp.asarray(mean.transpose(0, 2, 1)), jnp.asarray(whole.transpose(0, 2, 1))


def _along_z(images: Float[Array, "view u z"], shift: Float[Array, " view"]) -> Float[Array, "view u z"]:
    """Content moved to larger z by `shift`, by cubic convolution (Keys, doi 10.1109/TASSP.1981.1163711)."""
    count = images.shape[2]
    at = jnp.arange(count) - shift[:, None]
    first = jnp.floor(at)
    t = at - first
    weights = (
        ((-0.5 * t + 1) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1,
        ((-1.5 * t + 2) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    )
    total = jnp.zeros_like(images)
    for k, w in enumerate(weights):
        index = jnp.clip(first.astype(int) + k - 1, 0, count - 1)
        total = total + w[:, None, :] * jnp.take_along_axis(images, index[:, None, :], axis=2)
    return total


# Compiled one by one: one program of all of a pass takes many times longer to compile.
_project = jax.jit(project, static_argnames="width")
_back_project = jax.jit(back_project, static_argnames="shape")


def _sirt(volume, path, lit, angle, shift, iterations: int):
    """Some iterations of SIRT with positivity; `lit` weighs the rays."""
    shape, width = volume.shape[:2], path.shape[1]
    rays = lit / _ray_lengths(angle, shift, width)
    light = _back_project(lit, angle, shift, shape=shape)
    for _ in range(iterations):
        left = _weighted(rays, path, _project(volume, angle, shift, width=width))
        volume = _added(volume, _back_project(left, angle, shift, shape=shape), light)
    return volume


@jax.jit
def _weighted(rays, path, model):
    return rays * (path - model)


@jax.jit
def _added(volume, change, light):
    return jnp.maximum(volume + change / jnp.maximum(light, 1.0), 0)


@partial(jax.jit, static_argnames="width")
def _ray_lengths(angle, shift, width: int) -> Float[Array, "view u 1"]:
    """Length of every ray in a square of side `width`, at least 1."""
    cos, sin = (jnp.abs(f(angle))[:, None] for f in (jnp.cos, jnp.sin))
    away = jnp.abs(jnp.arange(width) - (width - 1) / 2 - shift[:, None])
    through_corner = (width / 2 * (cos + sin) - away) / jnp.maximum(cos * sin, 1e-6)
    return jnp.clip(through_corner, 1.0, width / jnp.maximum(cos, sin))[..., None]


def _high_passed(images: Float[Array, "view u z"]) -> Float[Array, "view u z"]:
    """Without what a Gaussian of an eighth of the width leaves; at the edges the Gaussian is cut and keeps its sum."""
    low = images
    width = HIGH_PASS * images.shape[1]
    for axis in (1, 2):
        at = jnp.arange(images.shape[axis])
        blur = jnp.exp(-0.5 * ((at[:, None] - at) / width) ** 2)
        low = jnp.moveaxis(jnp.tensordot(low, blur / blur.sum(1, keepdims=True), (axis, 1)), -1, axis)
    return images - low


def _pass(volume, path, lit, angle, shift, iterations: int):
    """The next volume; normal matrix and right side of every view's Gauss-Newton step (v, u); the relative misfit."""
    along_v, along_u = shift[:, 0], shift[:, 1]
    level, light = _levelled(path, lit, along_v)
    volume = _sirt(volume, level, light, angle, along_u, iterations)
    reprojected = _project(volume, angle, along_u, width=path.shape[1])
    normal, slope, misfit = (np.asarray(x, np.float64) for x in _compared(path, lit, reprojected, along_v))
    return volume, normal, slope, float(misfit)


@jax.jit
def _levelled(path, lit, along_v) -> tuple[Array, Array]:
    """Projections and their light with the vertical shifts taken out."""
    return _along_z(path, -along_v), jnp.maximum(_along_z(lit, -along_v), 0)


@jax.jit
def _compared(path, lit, reprojected, along_v):
    """Normal matrix (view, 2, 2) and right side (view, 2) of the shifts (v, u), and the relative misfit."""
    model = _along_z(reprojected, along_v)
    left, seen = lit * _high_passed(lit * (path - model)), _high_passed(model)
    tangents = [-lit * jnp.gradient(seen, axis=k) if seen.shape[k] > 1 else 0 * lit for k in (2, 1)]
    normal = jnp.stack([jnp.stack([jnp.sum(a * b, (1, 2)) for b in tangents], -1) for a in tangents], -1)
    slope = jnp.stack([jnp.sum(a * left, (1, 2)) for a in tangents], -1)
    scale = jnp.sum((lit * _high_passed(path)) ** 2)
    return normal, slope, jnp.sqrt(jnp.sum(left**2) / jnp.maximum(scale, 1e-30))
