"""Constraints that are met exactly, by projection after every step."""

import abc

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .numerics.modes import rotated, rotation
from .parameters import Parameters


class AbstractProjection(eqx.Module):
    """Nearest parameters that meet a constraint."""

    @abc.abstractmethod
    def __call__(self, parameters: Parameters) -> Parameters:
        """The projected parameters; applying it twice changes nothing more."""


def _with_modes(parameters: Parameters, modes: Array) -> Parameters:
    return eqx.tree_at(lambda p: p.probe.modes, parameters, modes)


class ProbePower(AbstractProjection):
    """Total power of the probe, all modes together, photons per frame."""

    power: Float[Array, ""] = eqx.field(converter=jnp.asarray)

    def __call__(self, parameters):
        modes = parameters.probe.modes
        here = jnp.sum(jnp.abs(modes) ** 2, axis=(1, 2, 3), keepdims=True)
        return _with_modes(parameters, modes * jnp.sqrt(self.power / here).astype(modes.dtype))


class ProbeSupport(AbstractProjection):
    """Probe zero outside of a disc whose diameter is `diameter` times the window's shorter side."""

    diameter: float = 0.9

    def mask(self, shape: tuple[int, ...]) -> Bool[Array, "v u"]:
        v, u = (jnp.arange(n) - n // 2 for n in shape)
        return jnp.hypot(v[:, None], u) <= self.diameter * min(shape) / 2

    def __call__(self, parameters):
        modes = parameters.probe.modes
        return _with_modes(parameters, jnp.where(self.mask(modes.shape[-2:]), modes, 0))


class OrthogonalModes(AbstractProjection):
    """Incoherent modes rotated among themselves until they are orthogonal, strongest first; no intensity changes.

    Their variations from shot to shot turn with them.
    """

    def __call__(self, parameters):
        modes, variations = parameters.probe.modes, parameters.probe.variations
        if modes.shape[1] == 1:
            return parameters
        by = rotation(modes)
        parameters = _with_modes(parameters, rotated(modes, by))
        if variations is None:
            return parameters
        return eqx.tree_at(lambda p: p.probe.variations, parameters, rotated(variations, by[:, None]))


class AmplitudeBound(AbstractProjection):
    """Modulus of the object between two bounds: nothing amplifies."""

    lower: float = 0.0
    upper: float = 1.0

    def __call__(self, parameters):
        objects = parameters.objects()
        modulus = jnp.abs(objects)
        factor = jnp.clip(modulus, self.lower, self.upper) / jnp.maximum(modulus, 1e-12)
        scaled = objects * factor.astype(objects.dtype)
        return eqx.tree_at(lambda p: p.object, parameters, scaled)
