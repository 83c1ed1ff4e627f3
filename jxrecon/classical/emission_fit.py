"""Non-negative amplitudes of known shapes in spectra of counts: maximum likelihood for photon noise, many spectra at once.

    minimise  sum_c m_c - y_c log m_c,     m_c = t_c sum_k a_k T_kc,     a >= 0

Some EM iterations, a <- a T(y/m) / T(t), come close; then Newton's steps with the expected curvature T t (t/m) T', whose bounded
quadratic problems are solved by coordinate descent, each as long as the likelihood allows. The curvature's inverse gives standard
deviations, of amplitudes that do not stand at zero.

Dempster, Laird & Rubin, J. R. Stat. Soc. B 39, 1 (1977), doi 10.1111/j.2517-6161.1977.tb01600.x
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

EM, NEWTON, SWEEPS = 30, 12, 60
STEPS = (1.0, 0.5, 0.2, 0.05, 0.0)
PIXELS = 256  # at once
LEAST = 1e-6  # of the mean count in a channel


def deviance(
    counts: Float[Array, "*any channel"], expected: Float[Array, "*any channel"]
) -> Float[Array, "*any"]:
    """2 sum m - y + y log(y/m)."""
    some = counts > 0
    ratio = jnp.where(some, counts, 1) / jnp.where(some, expected, 1)
    return 2 * jnp.sum(expected - counts + jnp.where(some, counts * jnp.log(ratio), 0), axis=-1)


def _bounded(curvature: Float[Array, "k k"], slope: Float[Array, " k"], start: Float[Array, " k"]) -> Array:
    """min over x >= 0 of 1/2 (x - start)' H (x - start) + slope (x - start)."""
    diagonal = jnp.maximum(jnp.diagonal(curvature), 1e-30)

    def one(k, carry):
        x, gradient = carry
        new = jnp.maximum(x[k] - gradient[k] / diagonal[k], 0)
        return x.at[k].set(new), gradient + curvature[:, k] * (new - x[k])

    def sweep(_, carry):
        return jax.lax.fori_loop(0, start.size, one, carry)

    return jax.lax.fori_loop(0, SWEEPS, sweep, (start, slope))[0]


def _fit_one(counts, exposure, templates):
    least = LEAST * jnp.mean(counts) + 1e-12

    def expected(a):
        return jnp.maximum(exposure * (a @ templates), least)

    whole = jnp.maximum(templates @ exposure, 1e-30)

    def em(_, a):
        return a / whole * (templates @ (exposure * counts / expected(a)))

    def curvature(m):
        return (templates * (exposure**2 / m)) @ templates.T

    def newton(_, a):
        m = expected(a)
        target = _bounded(curvature(m), whole - templates @ (exposure * counts / m), a)
        tried = jnp.stack([a + step * (target - a) for step in STEPS])
        values = jax.vmap(lambda a: deviance(counts, expected(a)))(tried)
        return tried[jnp.nanargmin(values)]

    start = jnp.full(len(templates), jnp.sum(counts) / jnp.sum(whole))
    a = jax.lax.fori_loop(0, NEWTON, newton, jax.lax.fori_loop(0, EM, em, start))
    found = curvature(expected(a))
    free = a > 1e-6 * jnp.max(a)
    inverse = jnp.linalg.inv(jnp.where(free[:, None] & free, found, jnp.eye(len(a)) * jnp.max(found)))
    error = jnp.where(free, jnp.sqrt(jnp.maximum(jnp.diagonal(inverse), 0)), jnp.nan)
    return a, error, deviance(counts, expected(a))


@partial(jax.jit)
def fit_amplitudes(
    counts: Float[Array, "pixel channel"],
    exposure: Float[Array, "pixel channel"],
    templates: Float[Array, "template channel"],
) -> tuple[Float[Array, "pixel template"], Float[Array, "pixel template"], Float[Array, " pixel"]]:
    """(a, their standard deviations (NaN at zero), deviance) of every spectrum; exposure: t of the head."""
    return jax.lax.map(
        lambda pair: _fit_one(pair[0], pair[1], templates), (counts, exposure), batch_size=PIXELS
    )
