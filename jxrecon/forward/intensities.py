"""What angle and polarisation do to the intensity of a powder reflection, apart from its structure factor.

    I = multiplicity |F|^2 L P

    L = 1 / (sin^2 theta cos theta)          of the same piece of every Debye-Scherrer cone, in transmission and in reflection:
                                             a counter, or a ring averaged over its circumference, which is as sin 2 theta
    L = 1 / sin theta                        of rings that are summed

    P = (1 + A cos^2 2 theta) / (1 + A)      tube; A = cos^2 2 theta_M with a monochromator of Bragg angle theta_M, 1 without
    P = f + (1 - f) cos^2 2 theta            synchrotron; f the part of the light that is polarised across the plane of
                                             diffraction, 0.5 for the mean over a whole ring

Azaroff, Acta Cryst. 8, 701 (1955); Kahn et al., J. Appl. Cryst. 15, 330 (1982), doi 10.1107/S0021889882012060.
"""

import numpy as np
from jaxtyping import Float

Angles = Float[np.ndarray, " peak"]


def lorentz(two_theta_deg: Angles, *, summed: bool = False) -> Angles:
    """L; `summed` where rings are summed, not averaged."""
    theta = np.radians(two_theta_deg) / 2
    return 1 / np.sin(theta) if summed else 1 / (np.sin(theta) ** 2 * np.cos(theta))


def polarisation_of_tube(two_theta_deg: Angles, monochromator_two_theta_deg: float | int = 0.0) -> Angles:
    """P of an unpolarised source; 2 theta_M of the monochromator's reflection (26.6 degrees for graphite and copper)."""
    share = np.cos(np.radians(monochromator_two_theta_deg)) ** 2
    return (1 + share * np.cos(np.radians(two_theta_deg)) ** 2) / (1 + share)


def polarisation_of_synchrotron(two_theta_deg: Angles, across: float | int = 0.5) -> Angles:
    """P of polarised light, `across` the plane of diffraction by this part."""
    return across + (1 - across) * np.cos(np.radians(two_theta_deg)) ** 2
