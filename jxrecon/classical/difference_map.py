"""Difference map: exit waves that satisfy the measured moduli and the overlap of their windows.

With the modulus constraint F (`engine.constrained`) and the overlap constraint V, which replaces all exit waves by the nearest
ones of the form P_m(r - fraction_j) O(r + corner_j),

    psi <- beta [ psi + F(2 V(psi) - psi) - V(psi) ] + (1 - beta) F(V(psi)).

beta = 1 is the difference map of the papers. Counting noise leaves the two constraints without a common point, and the map then
wanders for ever; the second part, plain alternating projections, holds it near the least misfit (relaxed reflections: Luke,
Inverse Problems 21, 37 (2005), doi 10.1088/0266-5611/21/1/004).

V has no closed form; object and probe are improved in turn,

    O(r)   = sum_jm conj(P_jm) psi_jm / sum_jm |P_jm|^2,
    P_m(r) += sum_j [conj(O_j) (psi_jm - P_jm O_j)](r + fraction_j) / sum_j |O_j|^2,

a few times. Where nothing shines, the object keeps its old value. All exit waves are stored: frames x modes.

Thibault et al., Science 321, 379 (2008), doi 10.1126/science.1158573; Ultramicroscopy 109, 338 (2009),
doi 10.1016/j.ultramic.2008.12.011.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Int

from ..kernels.patches import paste_all
from ..numerics.safe import intensity
from .engine import AbstractEngine, Misfit, Scan, constrained, moved, window

DAMPING = 1e-4  # of the largest illumination: below it the old value holds
GROUP = 16  # frames computed at once


def _each_frame(function, *arguments):
    """`function` of every frame, a group at a time."""
    count = jax.tree.leaves(arguments)[0].shape[0]
    size = next(n for n in range(min(GROUP, count), 0, -1) if count % n == 0)
    groups = jax.tree.map(lambda x: x.reshape(-1, size, *x.shape[1:]), arguments)
    results = jax.lax.map(lambda xs: jax.vmap(function)(*xs), groups)
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), results)


def model_waves(
    scan: Scan, object: Complex[Array, "y x"], probe: Complex[Array, "mode v u"]
) -> Complex[Array, "scan mode v u"]:
    """P_m(r - fraction_j) O(r + corner_j) of every frame."""
    return _each_frame(lambda f: moved(probe, f.fractions) * window(object, f), scan)


def overlapped_object(
    scan: Scan,
    waves: Complex[Array, "scan mode v u"],
    object: Complex[Array, "y x"],
    probe: Complex[Array, "mode v u"],
) -> Complex[Array, "y x"]:
    """The object nearest to the exit waves for this probe."""

    def contribution(frame, psi):
        here = moved(probe, frame.fractions)
        return jnp.sum(jnp.conj(here) * psi, axis=0), jnp.sum(intensity(here), axis=0)

    overlaps, shines = _each_frame(contribution, scan, waves)
    total = paste_all(jnp.zeros_like(object), overlaps, scan.corners)
    illumination = paste_all(jnp.zeros_like(object.real), shines, scan.corners)
    damping = DAMPING * jnp.max(illumination)
    return (total + damping * object) / (illumination + damping)


def overlapped_probe(
    scan: Scan,
    waves: Complex[Array, "scan mode v u"],
    object: Complex[Array, "y x"],
    probe: Complex[Array, "mode v u"],
) -> Complex[Array, "mode v u"]:
    """The probe nearest to the exit waves for this object, exactly where |O| is uniform and to first order elsewhere."""

    def body(sums, xs):
        frame, psi = xs
        patch = window(object, frame)
        missing = jnp.conj(patch) * (psi - moved(probe, frame.fractions) * patch)
        return (sums[0] + moved(missing, -frame.fractions), sums[1] + intensity(patch)), None

    zeros = jnp.zeros_like(probe), jnp.zeros_like(probe[0].real)
    (total, weight), _ = jax.lax.scan(body, zeros, (scan, waves))
    return probe + total / (weight + DAMPING * jnp.max(weight))


def overlap(scan, waves, object, probe, sweeps: int, update_probe):
    """Object and probe nearest to the exit waves, by `sweeps` alternations."""

    def hold(object, probe):
        return probe

    def improve(object, probe):
        return overlapped_probe(scan, waves, object, probe)

    def sweep(_, pair):
        object = overlapped_object(scan, waves, *pair)
        return object, jax.lax.cond(update_probe, improve, hold, object, pair[1])

    return jax.lax.fori_loop(0, sweeps, sweep, (object, probe))


def reflected(
    scan: Scan,
    waves: Complex[Array, "scan mode v u"],
    object: Complex[Array, "y x"],
    probe: Complex[Array, "mode v u"],
    beta: float | Float[Array, ""],
) -> tuple[Complex[Array, "scan mode v u"], Misfit]:
    """The next exit waves, by the equation above, and the misfit of the model."""

    def step(frame, psi):
        model = moved(probe, frame.fractions) * window(object, frame)
        both = jnp.stack([2 * model - psi, model])
        (reflected, projected), misfits = jax.vmap(constrained, (0, None))(both, frame)
        misfit = jax.tree.map(lambda x: x[1], misfits)
        return beta * (psi + reflected - model) + (1 - beta) * projected, misfit

    return _each_frame(step, scan, waves)


def difference_map(
    scan: Scan,
    object: Complex[Array, "y x"],
    probe: Complex[Array, "mode v u"],
    *,
    iterations: int,
    probe_start: int | Int[Array, ""] = 2,
    sweeps: int = 2,
    beta: float | Float[Array, ""] = 0.75,
) -> tuple[Complex[Array, "y x"], Complex[Array, "mode v u"], Float[Array, " iteration"]]:
    """Object and probe after `iterations`, the probe fixed before `probe_start`, and the R-factor met in each."""

    def body(state, iteration):
        waves, object, probe = state
        object, probe = overlap(scan, waves, object, probe, sweeps, iteration >= probe_start)
        waves, misfit = reflected(scan, waves, object, probe, beta)
        return (waves, object, probe), misfit.r_factor

    start = model_waves(scan, object, probe), object, probe
    (_, object, probe), history = jax.lax.scan(body, start, jnp.arange(iterations))
    return object, probe, history


class DifferenceMap(AbstractEngine):
    """The difference map; `beta` = 1 without relaxation. `sweeps`: alternations of object and probe in every overlap."""

    iterations: int = 100
    probe_start: int = 2
    sweeps: int = 2
    beta: float = 0.75

    def __check_init__(self):
        if not 0 < self.beta <= 1 or self.sweeps < 1 or self.iterations < 1:
            raise ValueError(
                f"`beta` = {self.beta}, `sweeps` = {self.sweeps}, `iterations` = {self.iterations}; "
                "expected 0 < beta <= 1 and at least one sweep and iteration."
            )

    def __call__(
        self,
        scan: Scan,
        object: Complex[Array, "y x"],
        probe: Complex[Array, "mode v u"],
        *,
        seed: int = 0,
    ) -> tuple[Complex[Array, "y x"], Complex[Array, "mode v u"], Float[Array, " iteration"]]:
        run = eqx.filter_jit(difference_map)
        return run(
            scan,
            object,
            probe,
            iterations=self.iterations,
            probe_start=jnp.asarray(self.probe_start),
            sweeps=self.sweeps,
            beta=jnp.asarray(self.beta, object.real.dtype),
        )
