"""What lies under the peaks of a scan: air and glass around the specimen, its own diffuse scattering, a second phase.

Air is the same for every ray and falls with the angle; the glass of a capillary has the broad halo of silica at q = 1.5 per
angstrom and follows the way through its wall; diffuse scattering follows the electron density. The second phase is a spinel
LiMn2O4, as layered oxides become at surfaces and cracks: its (111) lies under the (003) of the layers. Spectra are relative to
their value at 8.6 degrees at 17.3 keV; degrees of 2 theta, angstrom.

Thackeray et al., Mater. Res. Bull. 18, 461 (1983), doi 10.1016/0025-5408(83)90138-1 (spinel); Mozzi & Warren, J. Appl. Cryst.
2, 164 (1969), doi 10.1107/S0021889869006868 (glass).
"""

import numpy as np
from jaxtyping import Float

from .cracks import sigmoid
from .voxel_patterns import Optics, pseudo_voigt, two_theta_deg

AT = 1.33  # 1/A, of (003)
SPINEL_ANGSTROM, SPINEL_M = 8.247, 50e-9
SPINEL = {(1, 1, 1): 1.0, (3, 1, 1): 0.4, (2, 2, 2): 0.08, (4, 0, 0): 0.45}
SURFACE, SURFACE_WIDTH = 0.93, 0.03  # of the radius

Spectrum = Float[np.ndarray, " channel"]


def _q(optics: Optics) -> Spectrum:
    return 4 * np.pi / (optics.wavelength_m * 1e10) * np.sin(np.radians(optics.channel_deg) / 2)


def air(optics: Optics) -> Spectrum:
    """Falls to a third over 1.5 per angstrom."""
    return np.exp(-(_q(optics) - AT) / 1.4)


def glass(optics: Optics) -> Spectrum:
    """The halo, on a slowly falling ground."""

    def halo(q):
        return 0.15 + np.exp(-((q - 1.52) ** 2) / (2 * 0.35**2))

    return halo(_q(optics)) / halo(AT)


def diffuse(optics: Optics) -> Spectrum:
    return 0.6 + 0.4 * np.exp(-(_q(optics) - AT) / 2)


def spinel(optics: Optics) -> Spectrum:
    """Per degree; the strongest reflection has unit area."""
    found = np.zeros(len(optics.channel_deg))
    for hkl, amount in SPINEL.items():
        centre = two_theta_deg(np.array([SPINEL_ANGSTROM / np.linalg.norm(hkl)]), optics.wavelength_m)
        width = np.degrees(0.9 * optics.wavelength_m / SPINEL_M / np.cos(np.radians(centre) / 2))
        distance = optics.channel_deg - centre
        found += amount * pseudo_voigt(distance, np.array([optics.instrument_deg]), width)
    return found


def spinel_share(
    radius: Float[np.ndarray, " voxel"], crack_proximity: Float[np.ndarray, " voxel"]
) -> Float[np.ndarray, " voxel"]:
    """Where the second phase is: 1 at the surface and at cracks."""
    return np.maximum(sigmoid((radius - SURFACE) / SURFACE_WIDTH), crack_proximity)
