"""Least-squares maximum likelihood: steepest descent in mini-batches with step lengths in closed form.

chi_jm = psi'_jm - psi_jm is what the exit waves lack (psi' of `engine.constrained`: a step of the amplitude likelihood).
A batch gives one direction for the object and one for the probe, each divided by its illumination,

    dO   = sum_jm conj(P_jm) chi_jm / (sum_jm |P_jm|^2 + d max),   dP_m = sum_j conj(O_j) chi_jm / (sum_j |O_j|^2 + d max),

and every frame the real steps (a_j, b_j) that use them best,

    minimise  sum_m | chi_jm - a_j dO_j P_jm - b_j dP_jm O_j |^2        (2 x 2 normal equations).

The object moves by dO times the mean of a_j weighted with |P_j|^2, the probe by dP times the mean of b_j. Momentum after each
epoch: as long as successive epochs point the same way, a fraction of the running mean of their changes is added.

Odstrcil, Menzel & Guizar-Sicairos, Opt. Express 26, 3108 (2018), doi 10.1364/OE.26.003108.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Int

from ..kernels.patches import cut_all, paste_all
from ..numerics.safe import intensity
from .engine import AbstractEngine, Misfit, Scan, constrained, moved, random_orders


class Settings(eqx.Module):
    """relaxation: multiplies the best steps. damping: d above. coupling: ridge of the 2 x 2 system, relative to its trace."""

    relaxation: float = 0.9
    damping: float = 0.05
    coupling: float = 1e-3
    momentum: float = 0.5


def best_steps(
    missing: Complex[Array, "mode v u"],
    by_object: Complex[Array, "mode v u"],
    by_probe: Complex[Array, "mode v u"],
    ridge: float = 0.0,
) -> Float[Array, "2"]:
    """Real (a, b) that minimise |missing - a by_object - b by_probe|^2 + ridge * trace * (a^2 + b^2)."""
    direction = jnp.stack([by_object.ravel(), by_probe.ravel()])
    matrix = (jnp.conj(direction) @ direction.T).real
    trace = matrix[0, 0] + matrix[1, 1]
    # A frame without light, or padding, has no direction at all: its steps are then 0.
    tiny = jnp.finfo(matrix.dtype).tiny * 1e6
    matrix = matrix + (ridge * trace + tiny) * jnp.eye(2, dtype=matrix.dtype)
    side = (jnp.conj(direction) @ missing.ravel()).real
    determinant = matrix[0, 0] * matrix[1, 1] - matrix[0, 1] ** 2
    adjugate = jnp.stack(
        [
            matrix[1, 1] * side[0] - matrix[0, 1] * side[1],
            matrix[0, 0] * side[1] - matrix[0, 1] * side[0],
        ]
    )
    return jnp.where(determinant > 0, adjugate / jnp.where(determinant > 0, determinant, 1), 0)


def _damped(total, weight, damping):
    return total / (weight + damping * jnp.max(weight))


def directions(frames: Scan, weight, object, probe, damping: float):
    """(dO, dP, illumination), and of every frame: probe, window of the object, brightness, what it lacks, misfit."""
    shape = frames.intensity.shape[-2:]
    patches = cut_all(object, frames.corners, shape)[:, None]  # pyright: ignore[reportArgumentType]
    probes = jax.vmap(moved, (None, 0))(probe, frames.fractions)
    waves = probes * patches
    target, misfit = jax.vmap(constrained)(waves, frames)
    missing = (target - waves) * weight[:, None, None, None]
    shines = jnp.sum(intensity(probes), axis=1) * weight[:, None, None]
    illumination = paste_all(jnp.zeros_like(object.real), shines, frames.corners)
    d_patches = jnp.sum(jnp.conj(probes) * missing, axis=1)
    d_object = paste_all(jnp.zeros_like(object), d_patches, frames.corners)
    back = jax.vmap(moved)(jnp.conj(patches) * missing, -frames.fractions)
    transmitted = jnp.sum(intensity(patches[:, 0]) * weight[:, None, None], axis=0)
    d_object = _damped(d_object, illumination, damping)
    d_probe = _damped(jnp.sum(back, axis=0), transmitted, damping)
    return (d_object, d_probe, illumination), (probes, patches, shines, missing, misfit)


def lsq_ml_update(
    frames: Scan,
    weight: Float[Array, " frame"],
    object: Complex[Array, "y x"],
    probe: Complex[Array, "mode v u"],
    settings: Settings,
    update_probe: Float[Array, ""],
) -> tuple[Complex[Array, "y x"], Complex[Array, "mode v u"], Misfit]:
    """Object and probe after one batch; weight: 1 for a frame, 0 for padding; update_probe: 1, or 0 to hold it fixed."""
    merged, each = directions(frames, weight, object, probe, settings.damping)
    (d_object, d_probe, illumination), (probes, patches, shines, missing, misfit) = merged, each
    d_probe = d_probe * update_probe
    shape = frames.intensity.shape[-2:]
    by_object = cut_all(d_object, frames.corners, shape)[:, None] * probes  # pyright: ignore[reportArgumentType]
    by_probe = jax.vmap(moved, (None, 0))(d_probe, frames.fractions) * patches
    ridge = settings.coupling
    steps = jax.vmap(lambda c, a, b: best_steps(c, a, b, ridge))(missing, by_object, by_probe)
    steps = settings.relaxation * steps
    weighted = paste_all(jnp.zeros_like(object.real), steps[:, 0, None, None] * shines, frames.corners)
    object = object + d_object * weighted / jnp.maximum(illumination, 1e-6 * jnp.max(illumination))
    probe = probe + d_probe * jnp.sum(steps[:, 1] * weight) / jnp.sum(weight)
    misfit = Misfit(misfit.difference * weight, misfit.amplitude * weight)
    return object, probe, misfit


def _accelerated(new, change, previous, velocity, momentum: float):
    """(`new` plus momentum, the velocity): heavy ball, weighted with the cosine between successive changes."""
    norm = jnp.sqrt(jnp.sum(intensity(change)) * jnp.sum(intensity(previous)))
    cosine = jnp.vdot(change, previous).real / jnp.where(norm > 0, norm, 1)
    velocity = momentum * jnp.maximum(cosine, 0) * (velocity + change)
    return new + velocity, velocity


def batches(
    orders: Int[Array, "iteration scan"], size: int
) -> tuple[Int[Array, "iteration batch frame"], Float[Array, "batch frame"]]:
    """Frame numbers and weights; the last batch is filled up with frames of weight 0."""
    iterations, count = orders.shape
    rows = -(-count // size)
    padded = jnp.concatenate([orders, orders[:, : rows * size - count]], axis=1)
    weight = jnp.asarray(jnp.arange(rows * size) < count, jnp.result_type(float))
    return padded.reshape(iterations, rows, size), weight.reshape(rows, size)


def lsq_ml(
    scan: Scan,
    object: Complex[Array, "y x"],
    probe: Complex[Array, "mode v u"],
    settings: Settings,
    index: Int[Array, "iteration batch frame"],
    weight: Float[Array, "batch frame"],
    *,
    probe_start: int | Int[Array, ""],
) -> tuple[Complex[Array, "y x"], Complex[Array, "mode v u"], Float[Array, " iteration"]]:
    """Object and probe after a pass over the `batches` of each iteration, and the R-factor met in each."""
    real = object.real.dtype

    def epoch(state, xs):
        iteration, index = xs
        old, previous, velocity = state
        free = jnp.asarray(iteration >= probe_start, real)

        def body(here, batch):
            numbers, weight = batch
            *changed, misfit = lsq_ml_update(scan[numbers], weight, here[0], here[1], settings, free)
            return tuple(changed), misfit

        new, misfit = jax.lax.scan(body, old, (index, weight.astype(real)))
        change = jax.tree.map(jnp.subtract, new, old)
        moved_on = [
            _accelerated(*leaves, settings.momentum)
            for leaves in zip(new, change, previous, velocity, strict=True)
        ]
        new, velocity = (tuple(part) for part in zip(*moved_on, strict=True))
        return (new, change, velocity), misfit.r_factor

    zeros = jax.tree.map(jnp.zeros_like, (object, probe))
    start = (object, probe), zeros, zeros
    ((object, probe), *_), history = jax.lax.scan(epoch, start, (jnp.arange(index.shape[0]), index))
    return object, probe, history


class LsqMl(AbstractEngine):
    """LSQ-ML with random mini-batches; the fields are explained in `Settings`."""

    iterations: int = 100
    batch_size: int = 10
    probe_start: int = 2
    relaxation: float = 0.9
    damping: float = 0.05
    coupling: float = 1e-3
    momentum: float = 0.5

    def __check_init__(self):
        if not 0 <= self.momentum < 1 or not 0 < self.relaxation <= 1 or self.batch_size < 1:
            raise ValueError(
                f"`momentum` = {self.momentum}, `relaxation` = {self.relaxation}, `batch_size` = {self.batch_size}; "
                "expected 0 <= momentum < 1, 0 < relaxation <= 1 and batch_size >= 1."
            )

    def __call__(
        self,
        scan: Scan,
        object: Complex[Array, "y x"],
        probe: Complex[Array, "mode v u"],
        *,
        seed: int = 0,
    ) -> tuple[Complex[Array, "y x"], Complex[Array, "mode v u"], Float[Array, " iteration"]]:
        settings = Settings(self.relaxation, self.damping, self.coupling, self.momentum)
        count = scan.corners.shape[0]
        orders = random_orders(self.iterations, count, seed)
        index, weight = batches(orders, min(self.batch_size, count))
        run = eqx.filter_jit(lsq_ml)
        return run(scan, object, probe, settings, index, weight, probe_start=jnp.asarray(self.probe_start))
