"""Peaks of thousands of powder patterns at once: areas, places, widths, mixings, cells, each with its standard error.

Weighted least squares with what the noise is known to be:

    poisson    counts; weights from the model itself, refined until they stand: the maximum of the Poisson likelihood, without
               the bias that weights from low counts have
    gaussian   weights 1 / variance; without `variance`, 1 / max(counts, 1)
    unknown    all channels alike; the errors come from the scatter of the residuals (reconstructed values, for instance)

Areas and background are solved for at every step (`peak_equations`); Levenberg and Marquardt move the rest. Patterns go in
blocks that fit into the cache, and those not done after a few steps are collected into fewer blocks that go on. The errors
are the square roots of the diagonal of (J^T W J)^-1, of all parameters together and without damping.
"""

import numpy as np
from jaxtyping import Array, Float

from .peak_blocks import Noise, fit_part
from .peak_channels import make_grid, single_channels
from .peak_model import AbstractPeaks
from .peak_result import PeakFit, named

AT_ONCE = 8192  # patterns in memory besides the caller's


def peak_fit(
    patterns: Float[np.ndarray, "*map channel"] | Float[Array, "*map channel"],
    two_theta_deg: Float[np.ndarray, " channel"],
    model: AbstractPeaks,
    *,
    noise: Noise = "poisson",
    variance: Float[np.ndarray, "*map channel"] | Float[np.ndarray, " channel"] | None = None,
) -> PeakFit:
    """Fits every pattern. Channels that are not a number, or of no or infinite variance, or - if no variance is given and noise
    is not `unknown` - negative, were not measured."""
    if noise == "poisson" and variance is not None:
        raise ValueError(
            "`variance` is given, and noise 'poisson' takes it from the model; choose 'gaussian'."
        )
    flat = np.asarray(patterns).reshape(-1, patterns.shape[-1])
    spread = None if variance is None else np.broadcast_to(variance, patterns.shape).reshape(flat.shape)
    x = np.asarray(two_theta_deg, float)
    _check_range(model, x)
    grid = make_grid(x, model.reference_deg, model.search_deg + model.profile.fwhm_deg)
    whole, parts = single_channels(x), []
    for i in range(0, len(flat), AT_ONCE):
        here = slice(i, i + AT_ONCE)
        parts.append(
            fit_part(model, grid, whole, noise, flat[here], None if spread is None else spread[here])
        )
    found = {name: np.concatenate([part[name] for part in parts], axis=0) for name in parts[0]}
    return named(model, found, patterns.shape[:-1])


def _check_range(model: AbstractPeaks, x: Float[np.ndarray, " channel"]) -> None:
    outside = [c for c in model.reference_deg if not x[0] <= c <= x[-1]]
    if outside:
        raise ValueError(
            f"a peak is expected at {outside[0]:.3f} degrees, the patterns cover {x[0]:.3f} to {x[-1]:.3f}: leave it out."
        )
