"""Shifts of all projections from their agreement with one volume; the centre of mass is the start.

The centre of mass of a projection lies at u = A + B cos(angle) + C sin(angle): B and C are the particle's own centre, A is the
offset of the rotation axis, and what is left is the shift of the view. It needs the whole particle, and air that is zero.

Projection matching then repeats, on projections binned 4, 2 and 1 times:
 - the volume A x = p by a few iterations more (`matching_volume`);
 - every view's shift s by one Gauss-Newton step on  p - D_s A x  (D_s moves by s), weighted by the light and high-passed, so that
   ramps and offsets which the air left do not pull; with g = grad D_s A x,  s -= <g g'>^-1 <g (p - D_s A x)>.

Where the field of view cuts the particle, or air is hardly there, mass says nothing: the mean image of all views is the other
start (`mean_image_alignment`), and the one from which a volume explains more is taken.

A translation of the volume is free: steps lose their parts cos(angle) and sin(angle) along u and 1 along v. The part 1 along u
is the rotation axis, which the data do know.

Guizar-Sicairos et al., Opt. Express 23, 3345 (2015), doi 10.1364/OE.23.003345; Gürsoy et al., Sci. Rep. 7, 11818 (2017),
doi 10.1038/s41598-017-12141-9.
"""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .matching_volume import along_z, forward, improved, levelled
from .mean_image_alignment import mean_image_shift
from .views import binned, each_view, lit_middle, lit_pixels

FIRST, NEXT = 20, 3  # SIRT iterations before the first pass of a level and before every other
HIGH_PASS, NARROWEST = 1 / 12, 2.0  # of the field's width, and pixels: the Gaussian that is subtracted
LARGEST_STEP = 1.0  # binned pixels
STILL = 0.003  # binned pixels rms: a level ends where shifts move by less
SMALLEST = 24  # binned pixels along u
FARTHEST = 1 / 4  # of the width: no centre of mass lies beyond


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
    """Shift of every view along u, A included, that its centre of mass tells; at most `FARTHEST` of the width.

    What was hardly seen, or lies on air that is not zero, has no centre of mass: a view counts as heavy as half the median.
    """
    lit = lit_pixels(each_view(weight, path.shape))
    u = np.arange(path.shape[2]) - (path.shape[2] - 1) / 2
    mass = np.where(lit, path, 0).sum(1)
    total = mass.sum(1)
    floor = max(np.median(total) / 2, 1e-3 * np.abs(total).max(initial=0), np.finfo(float).tiny)
    centre = np.clip(mass @ u / np.maximum(total, floor), -FARTHEST * u.size, FARTHEST * u.size)
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
    """Projection matching from the best of four starts: along either axis by mass (as given along v), or by the mean image."""
    mass = np.stack([vertical_shift, centre_of_mass_shift(path, weight, angle)], axis=1)
    image = without_translation(mean_image_shift(path, weight), angle)
    image[:, 1] += np.mean(mass[:, 1])  # the mean image knows no axis
    coarsest = {"factors": (max(_usable(factors, path.shape[2])),), "passes": 1}
    best, start = np.inf, mass
    for columns in itertools.product((mass[:, 0], image[:, 0]), (mass[:, 1], image[:, 1])):
        trial = np.stack(columns, axis=1)
        residual = projection_matching(path, weight, angle, trial, **coarsest).residual[0]
        if residual < best:
            best, start = residual, trial
    return projection_matching(path, weight, angle, start, factors=factors, passes=passes)


def _usable(factors: tuple[int, ...], width: int) -> list[int]:
    """Those that leave enough pixels, and the smallest."""
    return [f for f in factors if f == min(factors) or width // f >= SMALLEST]


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
    path, light = lit_middle(path, each_view(weight, path.shape))
    turns = jnp.asarray(angle, jnp.float32)
    history, farthest = [], np.array(path.shape[1:]) / 2
    for factor in _usable(factors, path.shape[2]):
        # A few rows are not binned along v.
        scale = np.array([factor if path.shape[1] >= SMALLEST * factor else 1, factor])
        level = _level(path, light, (int(scale[0]), factor))
        volume = jnp.zeros((level[0].shape[1],) * 2 + level[0].shape[2:])
        for turn in range(passes):
            iterations, now = FIRST if turn == 0 else NEXT, jnp.asarray(shift / scale, jnp.float32)
            volume, normal, slope, residual = _pass(volume, *level, turns, now, iterations)
            step = _common_step(normal, slope) if together else _steps(normal, slope, angle)
            shift = np.clip(shift + scale * step, -farthest, farthest)
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
    path: Float[np.ndarray, "view v u"], light: Float[np.ndarray, "view v u"], factors: tuple[int, int]
) -> tuple[Float[Array, "view p q"], Float[Array, "view p q"]]:
    """Binned projections (view, u, z) and how much each pixel counts."""
    # A bin that the rim of the lit region cuts holds too little: it does not count.
    whole = binned((light > 0).astype(np.float32), factors) > 0.99
    images = (binned(x.astype(np.float32), factors) * whole for x in (path, light))
    mean, counts = (jnp.asarray(x.transpose(0, 2, 1)) for x in images)
    return mean, counts


def _high_passed(images: Float[Array, "view u z"]) -> Float[Array, "view u z"]:
    """Without what a wide Gaussian leaves; at the edges the Gaussian is cut and keeps its sum."""
    width = max(HIGH_PASS * images.shape[1], NARROWEST)
    along_u, along_z = (_blur(n, width) for n in images.shape[1:])
    return images - jnp.einsum("aus,wu,zs->awz", images, along_u, along_z)


def _blur(size: int, width: float) -> Float[Array, "n n"]:
    at = jnp.arange(size)
    weights = jnp.exp(-0.5 * ((at[:, None] - at) / width) ** 2)
    return weights / weights.sum(1, keepdims=True)


def _pass(volume, path, light, angle, shift, iterations: int):
    """The next volume; normal matrix and right side of every view's Gauss-Newton step (v, u); the relative misfit."""
    along_v, along_u = shift[:, 0], shift[:, 1]
    level, counts = levelled(path, light, along_v)
    volume = improved(volume, level, counts, angle, along_u, iterations)
    reprojected = forward(volume, angle, along_u, width=path.shape[1])
    normal, slope, misfit = (np.asarray(x, np.float64) for x in _compared(path, light, reprojected, along_v))
    return volume, normal, slope, float(misfit)


@jax.jit
def _compared(path, light, reprojected, along_v):
    """Normal matrix (view, 2, 2) and right side (view, 2) of the shifts (v, u), and the relative misfit."""
    model = along_z(reprojected, along_v)
    seen = _high_passed(model)
    left = light * _high_passed(jnp.where(light > 0, path - model, 0))
    tangents = [-jnp.gradient(seen, axis=k) if seen.shape[k] > 1 else 0 * seen for k in (2, 1)]  # pyright: ignore[reportOperatorIssue]
    normal = jnp.stack(
        [jnp.stack([jnp.sum(light * a * b, (1, 2)) for b in tangents], -1) for a in tangents], -1
    )
    slope = jnp.stack([jnp.sum(a * left, (1, 2)) for a in tangents], -1)
    misfit, scale = jnp.sum(left**2), jnp.sum((light * _high_passed(path)) ** 2)
    return normal, slope, jnp.sqrt(misfit / jnp.maximum(scale, 1e-30))
