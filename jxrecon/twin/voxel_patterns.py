"""Powder patterns of millions of fine voxels, summed: patterns add, widths do not.

    P(x) = sum_r A_r pV(x - x_hkl(a_r, c_r); G, L_r)

pV is the pseudo-Voigt of Thompson, Cox & Hastings with a Gaussian instrument G and a Lorentzian sample L (`lattice_maps`). In
one state the cell of a voxel follows from its expansion dV and the width from dV and the strain eps of c, so that all its
patterns are a family of two parameters. It is computed once on a net of knots, and every voxel is a mean of the four knots
around it (weights of a sparse matrix). The steps, a hundredth of the narrowest width and 3 % of the strain, leave 1e-4 of a
peak's height.

Lorentz factor and polarisation are in the amplitudes. Degrees of 2 theta, angstrom; NumPy, nothing of the reconstruction's.
Thompson, Cox & Hastings, J. Appl. Cryst. 20, 79 (1987), doi 10.1107/S0021889887087090.
"""

import dataclasses

import numpy as np
import scipy.sparse
from jaxtyping import Float, Int
from scipy.interpolate import CubicSpline

from .lattice_maps import REFLECTIONS, lattice, line_width_deg, pseudo_voigt_width, spacing
from .states import State

STEP = 0.01  # of dV: shift of a peak over its width
RATIO = 1.03  # of neighbouring strains
MARGIN = 1e-9
Curve = Float[np.ndarray, "*#shape"]


def two_theta_deg(spacing_angstrom: Curve, wavelength_m: float) -> Float[np.ndarray, "*shape"]:
    return np.degrees(2 * np.arcsin(wavelength_m * 1e10 / (2 * spacing_angstrom)))


def nearer_deg(angle_deg: Curve, nearer: float) -> Float[np.ndarray, "*shape"]:
    """Where a flat detector sees the angle of something that is nearer to it by this part of its distance."""
    return np.degrees(np.arctan((1 - nearer) * np.tan(np.radians(angle_deg))))


def seen_nearer(
    patterns: Float[np.ndarray, "*any channel"], channel_deg: Float[np.ndarray, " channel"], nearer: float
) -> Float[np.ndarray, "*any channel"]:
    """Whole patterns of something that has come nearer to the detector."""
    if nearer == 0:
        return patterns
    true = nearer_deg(channel_deg, nearer / (nearer - 1))
    inside = np.clip(true, channel_deg[0], channel_deg[-1])
    return CubicSpline(channel_deg, patterns, axis=-1)(inside).astype(patterns.dtype)


def pseudo_voigt(distance_deg: Curve, gaussian_deg: Curve, lorentzian_deg: Curve) -> Curve:
    """Of unit area, per degree, with the mixing of Thompson, Cox & Hastings."""
    g, l = np.broadcast_arrays(gaussian_deg, lorentzian_deg)
    width = pseudo_voigt_width(g, l)
    q = l / width
    eta = q * (1.36603 + q * (-0.47719 + q * 0.11116))
    height_l, height_g = 2 / np.pi * eta / width, 2 * np.sqrt(np.log(2) / np.pi) * (1 - eta) / width
    t = (distance_deg / width) ** 2
    return height_l / (1 + 4 * t) + height_g * np.exp(-4 * np.log(2) * t)


@dataclasses.dataclass(frozen=True)
class Optics:
    """What the instrument adds: photons, its Gaussian width, the channels."""

    wavelength_m: float
    instrument_deg: float
    channel_deg: Float[np.ndarray, " channel"]


@dataclasses.dataclass(frozen=True)
class Family:
    """All patterns that voxels of a state can have: knots of the expansion, equally spaced, and of c's strain, in geometry."""

    state: State
    optics: Optics
    expansion: Float[np.ndarray, " expansion"]
    strain: Float[np.ndarray, " strain"]

    def patterns(self, hkl: tuple[int, int, int], nearer: float = 0.0) -> Float[np.ndarray, "knot channel"]:
        """Per degree and unit of area, of every knot, strains running fastest."""
        change, strain = (m.ravel() for m in np.meshgrid(self.expansion, self.strain, indexing="ij"))
        cell = lattice(change)
        centre = nearer_deg(two_theta_deg(spacing(hkl, *cell), self.optics.wavelength_m), nearer)
        sample = line_width_deg(
            hkl,
            cell,
            (np.full_like(strain, self.state.microstrain_a), strain),
            crystallite_m=self.state.crystallite_m,
            wavelength_m=self.optics.wavelength_m,
            instrument_deg=0.0,
        )
        distance = (self.optics.channel_deg - centre[:, None]).astype(np.float32)
        g = np.full_like(sample, self.optics.instrument_deg).astype(np.float32)
        return pseudo_voigt(distance, g[:, None], sample.astype(np.float32)[:, None])

    def shift_patterns(
        self, hkl: tuple[int, int, int], step: float = 1e-4
    ) -> Float[np.ndarray, "knot channel"]:
        """Change of every pattern per part of the detector's distance by which it comes nearer."""
        one, other = (self.patterns(hkl, n) for n in (step, -step))
        return (one - other) / np.float32(2 * step)

    def knots(
        self, expansion: Float[np.ndarray, " voxel"], strain: Float[np.ndarray, " voxel"]
    ) -> tuple[Int[np.ndarray, "4 voxel"], Float[np.ndarray, "4 voxel"]]:
        """The four knots about each voxel and their weights."""
        i, p = _between(expansion, self.expansion)
        j, q = _between(np.log(strain), np.log(self.strain))
        up, right = np.minimum(i + 1, len(self.expansion) - 1), np.minimum(j + 1, len(self.strain) - 1)
        n = len(self.strain)
        index = np.stack([i * n + j, i * n + right, up * n + j, up * n + right])
        weight = np.stack([(1 - p) * (1 - q), (1 - p) * q, p * (1 - q), p * q])
        return index.astype(np.int32), weight.astype(np.float32)

    def summed(
        self,
        place: Int[np.ndarray, " voxel"],
        expansion: Float[np.ndarray, " voxel"],
        strain: Float[np.ndarray, " voxel"],
        amount: Float[np.ndarray, " voxel"],
        places: int,
    ) -> scipy.sparse.csr_array:
        """The matrix (place, knot) of amounts: times `patterns`, the sums of the patterns of all voxels at each place."""
        index, weight = self.knots(expansion, strain)
        rows = np.broadcast_to(place.astype(np.int32), index.shape)
        shape = places, len(self.expansion) * len(self.strain)
        values = (weight * amount).ravel().astype(np.float32)
        return scipy.sparse.coo_array((values, (rows.ravel(), index.ravel())), shape=shape).tocsr()


def _between(values: np.ndarray, knots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of the knot below each value and how far it is to the next, 0 to 1."""
    if len(knots) == 1:
        return np.zeros(values.shape, np.int64), np.zeros(values.shape)
    place = np.clip((values - knots[0]) / (knots[1] - knots[0]), 0, len(knots) - 1)
    below = np.minimum(place.astype(np.int64), len(knots) - 2)
    return below, place - below


def family(
    state: State,
    optics: Optics,
    expansion: Float[np.ndarray, " voxel"],
    strain: Float[np.ndarray, " voxel"],
) -> Family:
    """Knots that cover these voxels."""
    low, high = float(expansion.min()), float(expansion.max())
    smallest, largest = float(strain.min()), float(strain.max())
    ends = lattice(np.array([low, high]))
    narrow = np.full(2, state.microstrain_a), np.full(2, smallest)
    moved = 0.0  # of the reflection that moves most, in its own widths
    for hkl in REFLECTIONS.values():
        centre = two_theta_deg(spacing(hkl, *ends), optics.wavelength_m)
        width = line_width_deg(
            hkl,
            ends,
            narrow,
            crystallite_m=state.crystallite_m,
            wavelength_m=optics.wavelength_m,
            instrument_deg=optics.instrument_deg,
        )
        moved = max(moved, float((centre[0] - centre[1]) / width.min()))
    count = 1 + int(np.ceil(moved / STEP))
    strains = 1 + int(np.ceil(np.log(largest / smallest) / np.log(RATIO) - MARGIN))
    return Family(
        state,
        optics,
        np.linspace(low, high, count) if count > 1 else np.array([low]),
        np.geomspace(smallest, largest, strains) if strains > 1 else np.array([smallest]),
    )
