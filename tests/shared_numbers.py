"""Fits of what priors of a porous solid share, at a volume that is held."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from scipy.optimize import minimize

from jxrecon.objective import AbstractTerm
from jxrecon.parameters import Morphology, Parameters


def fitted_numbers(prior: AbstractTerm, parameters: Parameters, start: Morphology) -> Morphology:
    """The numbers that the prior finds most likely."""
    flat, back = ravel_pytree(start)

    @jax.jit
    @jax.value_and_grad
    def per_voxel(numbers):
        here = dataclasses.replace(parameters, morphology=back(numbers))
        return prior(here, {}) / parameters.volume.density.size

    def both(numbers):
        return tuple(np.asarray(v, float) for v in per_voxel(jnp.asarray(numbers, flat.dtype)))

    return back(jnp.asarray(minimize(both, flat, jac=True, method="L-BFGS-B").x, flat.dtype))
