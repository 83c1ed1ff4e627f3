"""Shares of the elements in each voxel, by atoms, and how even they are.

share_e = (rho_e / M_e) / sum_k (rho_k / M_k)
"""

import numpy as np
from jaxtyping import Bool, Float

from ..forward.material import Material

LEAST = 0.25  # of the densest voxel: what holds less has no shares
BODY = 0.5  # of the usual density: what holds more is the specimen
USUAL = 90  # percentile


def atoms(
    amount: Float[np.ndarray, "*grid element"], elements: tuple[str, ...]
) -> Float[np.ndarray, "*grid element"]:
    """mol/cm^3 of concentrations in g/cm^3."""
    return np.asarray(amount, np.float64) / [Material(element).molar_mass_g() for element in elements]


def atom_shares(
    amount: Float[np.ndarray, "*grid element"], elements: tuple[str, ...]
) -> Float[np.ndarray, "*grid element"]:
    """See the head; NaN where there is hardly anything."""
    number = atoms(amount, elements)
    total = number.sum(-1, keepdims=True)
    enough = total > LEAST * np.max(total)
    return np.where(enough, number / np.where(enough, total, 1), np.nan)


def body(amount: Float[np.ndarray, "*grid element"], elements: tuple[str, ...]) -> Bool[np.ndarray, "*grid"]:
    """Where the specimen is, by its own maps."""
    total = atoms(amount, elements).sum(-1)
    return total > BODY * np.percentile(total[total > LEAST * np.max(total)], USUAL)


def spread(
    shares: Float[np.ndarray, "*grid element"], where: Bool[np.ndarray, "*grid"]
) -> tuple[Float[np.ndarray, " element"], Float[np.ndarray, " element"]]:
    """Mean and coefficient of variation of every share over some voxels."""
    inside = shares[where]
    mean = np.nanmean(inside, axis=0)
    return mean, np.nanstd(inside, axis=0) / mean
