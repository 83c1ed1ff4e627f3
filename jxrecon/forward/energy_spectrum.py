"""What a silicon drift detector makes of an X-ray line: a Gaussian over its channels.

    FWHM(E)^2 = noise^2 + (8 ln 2) F eps E,      share of a channel = Phi((E2 - E) / s) - Phi((E1 - E) / s)

noise in keV, eps = 3.65 eV for a pair of charges in silicon, F = 0.115 the Fano factor, s = FWHM / sqrt(8 ln 2).

Knoll, Radiation Detection and Measurement (2010), ch. 13
"""

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr

PAIR_KEV, FANO = 3.65e-3, 0.115
WIDTHS = np.sqrt(8 * np.log(2))


def line_fwhm_keV(
    energy_keV: Float[np.ndarray, "*line"], noise_keV: float, fano: float = FANO
) -> Float[np.ndarray, "*line"]:
    """Full width at half maximum of lines."""
    return np.asarray(np.sqrt(noise_keV**2 + WIDTHS**2 * fano * PAIR_KEV * energy_keV))


def channel_shares(
    energy_keV: Float[np.ndarray, " line"],
    fwhm_keV: Float[np.ndarray, " line"],
    edges_keV: Float[np.ndarray, " edge"],
) -> Float[np.ndarray, "line channel"]:
    """Share of every line between neighbouring edges."""
    sigma = fwhm_keV / WIDTHS
    return np.diff(ndtr((edges_keV - energy_keV[:, None]) / sigma[:, None]), axis=1)


def window_shares(
    energy_keV: Float[np.ndarray, " line"],
    fwhm_keV: Float[np.ndarray, " line"],
    windows_keV: Float[np.ndarray, "window 2"],
) -> Float[np.ndarray, "window line"]:
    """Share of every line in each window (low, high)."""
    return np.concatenate([channel_shares(energy_keV, fwhm_keV, window) for window in windows_keV], axis=1).T
