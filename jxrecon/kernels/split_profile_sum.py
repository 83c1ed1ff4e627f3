"""Patterns of split pseudo-Voigts: peaks whose halves have widths of their own, summed over windows of channels.

    y(x) = sum_k 2 area_k / (l_k + r_k) S(u_k),     u_k = (x - x_k - offset_k) / (l_k below the centre, r_k above it)

with the S of `profile_sum`: of area area_k (half of it times l, r over their mean on either side), continuous at the centre with
its slope. Derivatives are JAX's own, exact, in every mode; on the way back the peaks are worked out again, so that nothing of the
size voxel x channel x peak is kept. With l = r it is `profile_sum`, whose hand-written derivatives are faster.

Toraya, J. Appl. Cryst. 23, 485 (1990), doi 10.1107/S002188989000704X.
"""

import jax
import jax.numpy as jnp
import numpy as np

from .profile_sum import Pattern, Peaks, Windows, _added, pseudo_voigt


def _peak(x, offset, left, right, mixing, area):
    distance = x - offset
    width = jnp.where(distance < 0, left, right)
    return area * 2 * width / (left + right) * pseudo_voigt(distance, width, mixing)


def split_profile_sum(
    offset: Peaks, left: Peaks, right: Peaks, mixing: Peaks, area: Peaks, *, windows: Windows
) -> Pattern:
    """Peaks at `offset` from their reference centres; `left` and `right`: twice the half widths at half maximum of the sides."""
    peaks = offset, left, right, mixing, area

    def peak_between(k, first, stop):
        x = jnp.asarray(windows.distance_deg(k, first, stop), area.dtype)
        return jax.checkpoint(_peak)(x, *(p[..., k, None] for p in peaks))

    nothing = jnp.zeros((*offset.shape[:-1], windows.channels), offset.dtype)
    return _added(nothing, windows, peak_between)


def split_profile_sum_reference(
    offset: Peaks, left: Peaks, right: Peaks, mixing: Peaks, area: Peaks, *, windows: Windows
) -> Pattern:
    """As `split_profile_sum`, all peaks in all channels at once."""
    channel = np.arange(windows.channels)
    inside = (channel >= np.asarray(windows.first)[:, None]) & (channel < np.asarray(windows.stop)[:, None])
    distance = np.asarray(windows.two_theta_deg) - np.asarray(windows.reference_deg)[:, None]
    x = jnp.asarray(distance, area.dtype)
    peaks = _peak(x, *(p[..., None] for p in (offset, left, right, mixing, area)))
    return jnp.sum(jnp.where(inside, peaks, 0), axis=-2)
