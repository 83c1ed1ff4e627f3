"""Structure factors, and relative intensities of powder reflections from the atoms of a crystal.

    F(h) = sum_atoms n (f0(s) + f' + i f'') exp(-B s^2) sum_images exp(2 pi i h x),          s = sin(theta) / lambda = 1 / 2d
    I    = sum_families m |F|^2 L P / V^2

over the families of equivalent reflections at one distance (multiplicity m; (333) and (511) of a cubic crystal are two). f0 is
that of neutral atoms after Waasmaier & Kirfel, Acta Cryst. A 51, 416 (1995), doi 10.1107/S0108767394013292, from
periodictable's table; f' and f'' are of Henke's (see `material`), where an energy is given: up to 30 keV. With f'' the squares
of F(h) and F(-h) are averaged, which a powder does.
"""

import functools

import numpy as np
from jaxtyping import Complex, Float, Int

from ..errors import InputError
from .cell import Cell, inverse_spacing_squared, spacing_angstrom
from .crystals import Crystal, orbit
from .intensities import lorentz
from .material import HIGHEST_KEV, LOWEST_KEV
from .reflections import reflections

SAME_DISTANCE = 1e-7  # relative


def _element(symbol: str):
    import periodictable  # only where atoms are wanted

    name = symbol.rstrip("0123456789+-")
    try:
        return periodictable.elements.symbol(name)
    except ValueError:
        raise InputError(f"`{symbol}` is no element; expected a symbol like Mn or O2-.") from None


def form_factor(symbol: str, s: Float[np.ndarray, " peak"]) -> Float[np.ndarray, " peak"]:
    """f0 of the neutral atom, s in 1/angstrom; charges (`O2-`) are left out, as they hardly count beyond s = 0.2."""
    from periodictable.cromermann import fxrayatstol

    return np.asarray(fxrayatstol(_element(symbol).symbol, s), float)


@functools.lru_cache(maxsize=256)
def anomalous(symbol: str, energy_keV: float) -> complex:
    """f' + i f''."""
    if not LOWEST_KEV <= energy_keV <= HIGHEST_KEV:
        raise InputError(
            f"`energy_keV` is {energy_keV:g}; anomalous scattering is tabulated from {LOWEST_KEV} to {HIGHEST_KEV} keV."
        )
    element = _element(symbol)
    f1, f2 = np.array(element.xray.scattering_factors(energy=energy_keV), float).reshape(2).tolist()
    return complex(f1 - element.number, f2)


def structure_factor(
    crystal: Crystal, hkl: Int[np.ndarray, "peak 3"], energy_keV: float | int | None = None
) -> Complex[np.ndarray, " peak"]:
    """F(h) in electrons; energy_keV None: without anomalous scattering."""
    square = inverse_spacing_squared(hkl, crystal.cell) / 4
    total = np.zeros(len(hkl), complex)
    for atom in crystal.atoms:
        f = form_factor(atom.element, np.sqrt(square)).astype(complex)
        f += 0 if energy_keV is None else anomalous(atom.element, float(energy_keV))
        images = orbit(atom.site, crystal.space_group)
        phases = np.exp(2j * np.pi * (hkl @ images.T)).sum(axis=1)
        total += atom.occupancy * f * np.exp(-atom.b_iso * square) * phases
    return total


def relative_intensities(
    crystal: Crystal,
    cell: Cell,
    hkl: Int[np.ndarray, "peak 3"],
    wavelength_m: float,
    *,
    energy_keV: float | int | None = None,
) -> Float[np.ndarray, " peak"]:
    """m |F|^2 L / V^2 at the distances of these planes of `cell`; the light's polarisation is not in it (see `intensities`)."""
    wanted = spacing_angstrom(hkl, cell)
    found = reflections(crystal.space_group, cell, smallest_angstrom=float(wanted.min()) * (1 - 1e-9))
    moved = Crystal(crystal.name, crystal.space_group, cell, crystal.atoms)
    square = np.abs(structure_factor(moved, found.hkl, energy_keV)) ** 2
    if energy_keV is not None:
        square = (square + np.abs(structure_factor(moved, -found.hkl, energy_keV)) ** 2) / 2
    same = np.abs(found.spacing_angstrom / wanted[:, None] - 1) < SAME_DISTANCE
    sums = same @ (found.multiplicity * square)
    two_theta = np.degrees(2 * np.arcsin(1e10 * wavelength_m / 2 / wanted))
    return sums * lorentz(two_theta) / cell.volume_cubic_angstrom**2
