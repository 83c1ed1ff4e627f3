"""What the data cannot tell, kept still: the one place where the gauge of a reconstruction is removed.

- A common shift of all positions is a translation of the object: shifts keep their mean.
- An affine map of the positions can be written as shifts too: with the map free, shifts keep their linear part.
- A shift of a whole view can be written as its alignment: with that free, shifts keep their mean in every view. They keep their
  linear part too: the scan's scale and the probe's defocus are nearly interchangeable, and a tilt series has one stage, whose
  scale is `positions.affine`'s to find.
- A translation of the volume moves its projections by a constant along the axis and by a cos + b sin of the angle across it, and
  a rotation turns all views alike: alignments keep these parts. (A constant across the axis is the axis's own place: it is seen.)
- A common factor on all shots belongs to the probe: flux keeps its mean.
- A factor on the object and its inverse on the probe change nothing: when all is done, the clearest part of a specimen gets
  the transmission 1 (`with_clear_specimen`), unless the probe's power is known and held.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .parameters import Parameters


def without_trend(
    change: Float[Array, "scan 2"], nominal: Float[Array, "scan 2"], linear: bool
) -> Float[Array, "scan 2"]:
    """`change` less its mean and, with `linear`, less its least-squares linear map of the nominal positions."""
    change = change - jnp.mean(change, axis=0)
    if not linear:
        return change
    centred = nominal - jnp.mean(nominal, axis=0)
    moments = centred.T @ centred
    # A scan along one line has no second direction: the small ridge keeps the system solvable.
    ridge = 1e-6 * jnp.trace(moments) * jnp.eye(2, dtype=moments.dtype)
    return change - centred @ jnp.linalg.solve(moments + ridge, centred.T @ change)


def without_view_means(
    change: Float[Array, "scan 2"], view: Int[Array, " scan"], count: int
) -> Float[Array, "scan 2"]:
    """`change` less its mean in each of `count` views."""
    total = jnp.zeros((count, 2), change.dtype).at[view].add(change)
    frames = jnp.zeros(count, change.dtype).at[view].add(1)
    return change - (total / jnp.maximum(frames, 1)[:, None])[view]


def without_translation(
    change: Float[Array, "view 2"], angle: Float[Array, " view"]
) -> Float[Array, "view 2"]:
    """Shifts (v, u) of views less what a translation of the volume would do to them."""
    basis = jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=1)
    moments = basis.T @ basis
    # A single view, or views of one angle, leave one of the two directions without a meaning.
    ridge = 1e-6 * jnp.trace(moments) * jnp.eye(2, dtype=moments.dtype)
    across = change[:, 1] - basis @ jnp.linalg.solve(moments + ridge, basis.T @ change[:, 1])
    return jnp.stack([change[:, 0] - jnp.mean(change[:, 0]), across], axis=1)


def without_alignment_gauge(updates: Parameters, parameters: Parameters) -> Parameters:
    """Updates of the alignment that leave the volume where it is."""
    change, here = updates.alignment, parameters.alignment
    if change is None or here is None:
        return updates
    if change.shift is not None:
        shift = without_translation(change.shift, here.angle + here.rotation)
        updates = eqx.tree_at(lambda u: u.alignment.shift, updates, shift)
    if change.rotation is not None:
        rotation = change.rotation - jnp.mean(change.rotation)
        updates = eqx.tree_at(lambda u: u.alignment.rotation, updates, rotation)
    return updates


def without_gauge(updates: Parameters, parameters: Parameters) -> Parameters:
    """Updates of the free parameters (None where frozen) that leave the gauge where it is."""
    updates = without_alignment_gauge(updates, parameters)
    shift, flux = updates.positions.shift, updates.flux
    if shift is not None:
        here = parameters.alignment
        aligned = here is not None and updates.alignment is not None and updates.alignment.shift is not None
        linear = aligned or updates.positions.affine is not None
        shift = without_trend(shift, parameters.positions.nominal, linear)
        if aligned and here is not None:
            shift = without_view_means(shift, here.view, here.angle.shape[0])
        updates = eqx.tree_at(lambda u: u.positions.shift, updates, shift)
    if flux is not None:
        updates = eqx.tree_at(lambda u: u.flux, updates, flux - jnp.mean(flux))
    return updates


def with_clear_specimen(parameters: Parameters, region: Bool[np.ndarray, "y x"]) -> Parameters:
    """The same frames from an object whose 95th percentile of the modulus in `region` (first specimen) is 1."""
    if not region.any():
        return parameters
    clear = float(np.percentile(np.abs(np.asarray(parameters.objects()[0]))[region], 95))
    if not clear > 0:
        return parameters
    probe = parameters.probe
    variations = None if probe.variations is None else probe.variations * clear
    probe = eqx.tree_at(
        lambda p: (p.modes, p.variations),
        probe,
        (probe.modes * clear, variations),
        is_leaf=lambda x: x is None,
    )
    return eqx.tree_at(lambda p: (p.object, p.probe), parameters, (parameters.objects() / clear, probe))
