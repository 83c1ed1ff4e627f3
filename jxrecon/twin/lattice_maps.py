"""What diffraction and fluorescence would find in a voxel: unit cell, strain, size, line widths, intensities, elements.

The unit cell of R-3m (hexagonal setting) grows by dV, of which c takes the share 0.4:

    c = c0 (1 + dV)^0.4,   a = a0 (1 + dV)^0.3,   V = sqrt(3)/2 a^2 c
    1/d^2 = 4/3 (h^2 + hk + k^2) / a^2 + l^2 / c^2

A reflection is as wide as the instrument (Gaussian) and the sample (Lorentzian: size D and strain) make it together,

    Gamma_L = (180/pi) (0.9 lambda / (D cos theta) + 4 eps tan theta),   eps^2 = eps_a^2 sin^4 phi + eps_c^2 cos^4 phi,

phi the angle between d* and c*, cos phi = l d / c. The relative intensities of (101), (104), (003) stand out in shells, from the
core outwards. Angstrom, degrees of 2 theta.

Thompson, Cox & Hastings, J. Appl. Cryst. 20, 79 (1987), doi 10.1107/S0021889887087090 (pseudo-Voigt).
"""

import numpy as np
from jaxtyping import Float

from .cracks import sigmoid
from .states import State

A_ANGSTROM, C_ANGSTROM = 2.852, 14.24  # pristine
SHARE_OF_C = 0.4
FORMULA = {"manganese": 0.54, "cobalt": 0.10, "nickel": 0.19}
METALS = sum(FORMULA.values())
REFLECTIONS = {"003": (0, 0, 3), "104": (1, 0, 4), "101": (1, 0, 1)}
FLOOR = 0.22  # of a reflection's intensity, outside of its shell
SHELL_WIDTH, STRAIN_WIDTH = 0.04, 0.06  # of steps, relative to the radius

Map = Float[np.ndarray, "*grid"]


def lattice(volume_change: Float[np.ndarray, "*grid"]) -> tuple[Map, Map]:
    """a and c in Angstrom."""
    growth = np.log1p(volume_change)
    return A_ANGSTROM * np.exp((1 - SHARE_OF_C) / 2 * growth), C_ANGSTROM * np.exp(SHARE_OF_C * growth)


def cell_volume(
    a_angstrom: Float[np.ndarray, "*grid"], c_angstrom: Float[np.ndarray, "*grid"]
) -> Float[np.ndarray, "*grid"]:
    return np.sqrt(3) / 2 * a_angstrom**2 * c_angstrom


def spacing(hkl: tuple[int, int, int], a_angstrom: Map, c_angstrom: Map) -> Float[np.ndarray, "*grid"]:
    """Distance of lattice planes in Angstrom."""
    h, k, l = hkl
    return 1 / np.sqrt(4 / 3 * (h * h + h * k + k * k) / a_angstrom**2 + l * l / c_angstrom**2)


def microstrain(
    state: State, radius: Float[np.ndarray, "*grid"], crack_proximity: Float[np.ndarray, "*grid"]
) -> tuple[Map, Map]:
    """Of a and of c: c's grows towards the core and towards cracks."""
    base, core, crack = state.microstrain_c
    in_core = 1 - sigmoid((radius - state.shells[0]) / STRAIN_WIDTH)
    return np.full_like(radius, state.microstrain_a), base + core * in_core + crack * crack_proximity


def intensities(
    state: State, electron_density: Float[np.ndarray, "*grid"], radius: Float[np.ndarray, "*grid"]
) -> dict[str, Map]:
    """Of (003), (104), (101), in e/A^3 of crystal that scatters into them."""
    inner, outer = (sigmoid((radius - edge) / SHELL_WIDTH) for edge in state.shells)
    shells = {"003": outer, "104": np.maximum(inner - outer, 0), "101": 1 - inner}
    crystal = state.crystallinity * electron_density
    return {
        name: crystal * (state.amplitude_003 if name == "003" else 1.0) * (FLOOR + (1 - FLOOR) * shell)
        for name, shell in shells.items()
    }


def elements(electron_density: Float[np.ndarray, "*grid"]) -> dict[str, Map]:
    """Manganese, cobalt, nickel, homogeneous: their shares of the metals times the density."""
    return {name: electron_density * (share / METALS) for name, share in FORMULA.items()}


def pseudo_voigt_width(
    gaussian: Float[np.ndarray, "*grid"], lorentzian: Float[np.ndarray, "*grid"]
) -> Float[np.ndarray, "*grid"]:
    """Full width at half maximum of a Voigt profile from those of its parts (Thompson, Cox & Hastings)."""
    g, l = gaussian, lorentzian
    powers = (
        g**5 + 2.69269 * g**4 * l + 2.42843 * g**3 * l**2 + 4.47163 * g**2 * l**3 + 0.07842 * g * l**4 + l**5
    )
    return powers**0.2


def line_width_deg(
    hkl: tuple[int, int, int],
    cell: tuple[Map, Map],
    strain: tuple[Map, Map],
    *,
    crystallite_m: float,
    wavelength_m: float,
    instrument_deg: float,
) -> Float[np.ndarray, "*grid"]:
    """Full width at half maximum in degrees of 2 theta; `cell` is a, c in Angstrom, `strain` that of a and of c."""
    d = spacing(hkl, *cell)
    theta = np.arcsin(wavelength_m * 1e10 / (2 * d))
    cos2 = (hkl[2] * d / cell[1]) ** 2
    eps = np.hypot(strain[0] * (1 - cos2), strain[1] * cos2)
    sample = np.degrees(0.9 * wavelength_m / (crystallite_m * np.cos(theta)) + 4 * eps * np.tan(theta))
    return pseudo_voigt_width(np.full_like(sample, instrument_deg), sample)
