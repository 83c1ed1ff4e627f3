"""Nonlinear least squares for thousands of small problems at once, each with its own damping: Levenberg and Marquardt.

The cost of every problem is C(p) = sum_k r_k(p)^2. With the Jacobian J = dr/dp, the gradient is g = -J^T r and the curvature
H = J^T J, both of C/2 (the gradient points downhill); a step solves

    (H + mu diag H) s = g                predicted decrease of C:  s^T (g + mu diag(H) s)

A step that lowers C is taken, any other is not. mu falls when C did what was predicted and rises when it did not: by the factor
1 - (2 gain - 1)^3 of Nielsen (gain: actual over predicted decrease). A problem is done when the predicted decrease is
less than `tolerance` times C: its last step is still taken, so that the error left is far below what the tolerance says. It
is also done when a step changes no digit. A parameter on a bound, with the downhill direction pointing out, is held there.

The batch is the last axis of every array, `parameter problem`: the steps of all problems are computed side by side.

Nielsen, Damping parameter in Marquardt's method, IMM-REP-1999-05, DTU (1999).
Marquardt, J. SIAM 11, 431 (1963), doi 10.1137/0111030; Moré, Lect. Notes Math. 630, 105 (1978), doi 10.1007/BFb0067700.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .small_matrices import inverse, solved

FIRST_DAMPING, LEAST_DAMPING, MOST_DAMPING = 0.1, 1e-8, 1e8
EASE, BRAKE = 0.1, 4.0  # least and largest change of the damping by one step


class Equations(NamedTuple):
    """Cost, gradient (downhill) and curvature of C/2 at one point."""

    cost: Float[Array, " problem"]
    gradient: Float[Array, "parameter problem"]
    curvature: Float[Array, "parameter parameter problem"]


class Descent(NamedTuple):
    """Where the problems stand: everything that is needed to go on, or to read the answer."""

    parameters: Float[Array, "parameter problem"]
    equations: Equations
    damping: Float[Array, " problem"]
    done: Bool[Array, " problem"]
    steps: Int[Array, " problem"]


def normal_equations(
    residuals_and_jacobian: Callable[
        ..., tuple[Float[Array, "channel problem"], Float[Array, "channel parameter problem"]]
    ],
) -> Callable[..., Equations]:
    """The equations of a function that returns residuals and their Jacobian."""

    def equations(parameters: Float[Array, "parameter problem"], *data: Any) -> Equations:
        residual, jacobian = residuals_and_jacobian(parameters, *data)
        gradient = -jnp.einsum("kpb,kb->pb", jacobian, residual)
        return Equations(
            jnp.sum(residual**2, axis=0), gradient, jnp.einsum("kpb,kqb->pqb", jacobian, jacobian)
        )

    return equations


def descend(
    equations: Callable[..., Equations],
    start: Float[Array, "parameter problem"],
    *data: Any,
    lower: Float[np.ndarray, " parameter"] | None = None,
    upper: Float[np.ndarray, " parameter"] | None = None,
    tolerance: float | Float[Array, " problem"] = 1e-6,
    steps: int | Int[Array, ""] = 50,
    damping: Float[Array, " problem"] | None = None,
) -> Descent:
    """`levenberg_marquardt` for callers that know the equations themselves. `damping`: of an earlier descent, to go on."""
    dtype = start.dtype
    infinite = jnp.full(len(start), jnp.inf, dtype)
    low, high = (
        infinite * sign if bound is None else jnp.asarray(bound, dtype)
        for bound, sign in ((lower, -1), (upper, 1))
    )
    low, high = low[:, None], high[:, None]
    begin = jnp.clip(start, low, high)
    if damping is None:
        damping = jnp.full(start.shape[1], FIRST_DAMPING, dtype)
    zero = jnp.zeros(start.shape[1], int)
    first = Descent(begin, equations(begin, *data), damping, zero > 0, zero)

    def body(loop):
        count, state = loop
        return count + 1, _step(equations, state, data, low, high, tolerance)

    return jax.lax.while_loop(lambda loop: (loop[0] < steps) & ~jnp.all(loop[1].done), body, (0, first))[1]


def _step(equations, state: Descent, data, low, high, tolerance) -> Descent:
    """One trial for every problem that is not done."""
    p, (cost, gradient, curvature), mu, done, steps = state
    held = ((p <= low) & (gradient <= 0)) | ((p >= high) & (gradient >= 0))
    downhill = jnp.where(held, 0, gradient)
    diagonal = jnp.stack([curvature[i, i] for i in range(len(p))])
    on_diagonal = jnp.eye(len(p), dtype=p.dtype)[:, :, None]
    kept = jnp.where(held[:, None] | held[None], 0, curvature) + on_diagonal * jnp.where(
        held, 1, mu * diagonal
    )
    step, _ = solved(kept, downhill)
    trial = jnp.clip(p + step, low, high)
    new = equations(trial, *data)
    predicted = jnp.sum(step * (downhill + mu * diagonal * step), axis=0)
    # Near the end a step may raise C by what does not count any more: there C is known to rounding only.
    slack = jnp.where(predicted < 10 * tolerance * cost, 0.1 * tolerance * cost, 0)
    better = (new.cost <= cost + slack) & jnp.isfinite(new.cost)
    taken = better & ~done

    def chosen(new, old):
        return jnp.where(taken, new, old)

    resting = jnp.all(jnp.abs(trial - p) <= 4 * jnp.finfo(p.dtype).eps * jnp.abs(p), axis=0)
    small = ((predicted <= tolerance * cost) | resting) & (mu <= 1)
    stuck = ~better & (mu >= MOST_DAMPING)
    gain = (cost - new.cost) / jnp.where(predicted > 0, predicted, 1)
    change = jnp.where(better, jnp.clip(1 - (2 * gain - 1) ** 3, EASE, BRAKE), BRAKE)
    eased = jnp.clip(mu * change, LEAST_DAMPING, MOST_DAMPING)
    return Descent(
        chosen(trial, p),
        jax.tree.map(chosen, new, state.equations),
        jnp.where(done, mu, eased),
        done | small | stuck,
        steps + ~done,
    )


class Solution(NamedTuple):
    """What `levenberg_marquardt` found. `errors`: roots of the diagonal of H^-1, for residuals that are divided by their standard
    deviations; infinite where the data say nothing of a parameter."""

    parameters: Float[Array, "parameter problem"]
    errors: Float[Array, "parameter problem"]
    cost: Float[Array, " problem"]
    converged: Bool[Array, " problem"]
    steps: Int[Array, " problem"]


def levenberg_marquardt(
    residuals_and_jacobian: Callable[
        ..., tuple[Float[Array, "channel problem"], Float[Array, "channel parameter problem"]]
    ],
    start: Float[Array, "parameter problem"],
    *data: Any,
    lower: Float[np.ndarray, " parameter"] | None = None,
    upper: Float[np.ndarray, " parameter"] | None = None,
    tolerance: float | Float[Array, " problem"] = 1e-6,
    steps: int | Int[Array, ""] = 50,
) -> Solution:
    """Least squares of `residuals_and_jacobian(parameters, *data)`, for all problems at once; works under `jit`.

    tolerance: predicted relative decrease of the cost at which a step is the last.
    """
    state = descend(
        normal_equations(residuals_and_jacobian),
        start,
        *data,
        lower=lower,
        upper=upper,
        tolerance=tolerance,
        steps=steps,
    )
    covariance, _ = inverse(state.equations.curvature)
    variance = jnp.stack([covariance[i, i] for i in range(len(start))])
    return Solution(
        state.parameters,
        jnp.sqrt(jnp.where(variance > 0, variance, jnp.inf)),
        state.equations.cost,
        converged(state),
        state.steps,
    )


def converged(state: Descent) -> Bool[Array, " problem"]:
    """Done for the reason that nothing is to be gained any more."""
    return state.done & jnp.isfinite(state.equations.cost) & (state.damping < MOST_DAMPING)
