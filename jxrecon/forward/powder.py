"""Where the peaks of a strained crystal lie, and its powder pattern.

A peak is at its reference centre, of the unstrained cell and in float64, plus an offset that is small and worked out without a
difference of large numbers. With lengths a_i (1 + e_i), angles that are wider by w, g_i = h_i / a_i and R the inverse of the
matrix C of cosines between the axes (`forward.cell`), 1/d^2 changes by the relative amount

    kappa = d0^2 ( sum_ij R0_ij g_i g_j (s_i s_j - 1) - (s g)^T R (C - C0) R0 (s g) ),      s_i = 1 / (1 + e_i)
    s_i s_j - 1 = -(e_i + e_j + e_i e_j) s_i s_j,         cos(x + w) - cos x = -2 sin(x + w/2) sin(w/2)

and with S = lambda / 2 d0 and K = sqrt(1 - S^2), the sine and cosine of theta_0, and cos theta = sqrt(K^2 - S^2 kappa),

    sin(theta - theta_0) = S kappa ( K / (1 + sqrt(1 + kappa)) + S^2 / (cos theta + K) )

so that in float32 a strain of 1e-6 moves a peak by what it should, and its derivative is right.

Small shifts of all peaks: displacement of a flat specimen, -2 (s/R) cos theta; of a voxel nearer by z to a flat detector at the
distance L, whose rings are smaller, -(z/L) sin 2 theta cos 2 theta. Angles in degrees of 2 theta.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..kernels.profile_sum import Windows, profile_sum, windows_around
from .cell import BETWEEN, LENGTHS, SYSTEMS, Cell, bragg_deg, cosines, inverse_spacing_squared

EXACT = jax.lax.Precision.HIGHEST
SMALLEST = 1e-6  # of cos^2 theta, where a strain would carry a peak past 180 degrees
# Wavelengths in metres and relative intensities, Deslattes et al., Rev. Mod. Phys. 75, 35 (2003), doi 10.1103/RevModPhys.75.35.
COPPER_K_ALPHA = ((1.540593e-10, 1.0), (1.544427e-10, 0.5))
MOLYBDENUM_K_ALPHA = ((0.709317e-10, 1.0), (0.713607e-10, 0.5))


def _weights(hkl: np.ndarray, cell: Cell) -> tuple[np.ndarray, np.ndarray]:
    """d0^2 R0_ij g_i g_j, (peak, 3, 3), and d0 g, (peak, 3)."""
    g = hkl / np.asarray(cell.lengths_angstrom) / np.sqrt(inverse_spacing_squared(hkl, cell))[:, None]
    return np.linalg.inv(cosines(cell)) * g[:, :, None] * g[:, None, :], g


def _by_lengths(lengths: dict[str, Array], hkl: np.ndarray, cell: Cell):
    """d0^2 sum_ij R0_ij g_i g_j (s_i s_j - 1), summed over axes of equal length first."""
    weights, _ = _weights(hkl, cell)
    names = SYSTEMS[cell.system][:3]
    change = 0.0
    for i, one in enumerate(lengths):
        for other in list(lengths)[i:]:
            pairs = [
                weights[:, p, q] for p in range(3) for q in range(3) if {names[p], names[q]} == {one, other}
            ]
            weight = np.sum(pairs, axis=0)
            if np.any(weight):
                e, f = lengths[one], lengths[other]
                pair = -(e + f + e * f) / ((1 + e) * (1 + f))
                change = change + pair[..., None] * jnp.asarray(weight, pair.dtype)
    return change


def _by_angles(lengths: dict[str, Array], wider: dict[str, Array], hkl: np.ndarray, cell: Cell):
    """d0^2 (s g)^T R (C - C0) R0 (s g)."""
    entries = SYSTEMS[cell.system]
    like = next(iter(wider.values()))
    cosine, change = [], []
    for name, angle in zip(entries[3:], cell.angles_deg):
        w = wider[name] if isinstance(name, str) else jnp.zeros_like(like)
        at = np.radians(angle)
        half = np.sin(at) * jnp.cos(w / 2) + np.cos(at) * jnp.sin(w / 2)
        change.append(-2 * half * jnp.sin(w / 2))
        cosine.append(np.round(np.cos(at), 15) + change[-1])
    of_change = _symmetric(change, jnp.zeros_like(like))
    z, y, x = cosine
    diagonal = (1 - z * z, 1 - y * y, 1 - x * x)
    beside = (x * y - z, x * z - y, y * z - x)
    determinant = 1 + 2 * x * y * z - x * x - y * y - z * z
    inverse = _symmetric(beside, *diagonal) / determinant[..., None, None]
    reference = jnp.asarray(np.linalg.inv(cosines(cell)), like.dtype)
    matrix = jnp.matmul(jnp.matmul(inverse, of_change, precision=EXACT), reference, precision=EXACT)
    s = jnp.stack([1 / (1 + lengths[name]) for name in entries[:3]], axis=-1)
    g = s[..., None, :] * jnp.asarray(_weights(hkl, cell)[1], like.dtype)
    return jnp.sum(jnp.matmul(g, matrix, precision=EXACT) * g, axis=-1)


def _symmetric(beside, *diagonal):
    """(..., 3, 3) of the elements between the axes of `BETWEEN`, and those on the diagonal (one for all, or three)."""
    d = diagonal if len(diagonal) == 3 else diagonal * 3
    place = {pair: k for k, pair in enumerate(BETWEEN)}
    rows = [[d[i] if i == j else beside[place[min(i, j), max(i, j)]] for j in range(3)] for i in range(3)]
    return jnp.stack([jnp.stack(row, axis=-1) for row in rows], axis=-2)


def change_of_inverse_square(
    strain: Float[Array, "*voxel free"], hkl: Int[np.ndarray, "peak 3"], cell: Cell
) -> Float[Array, "*voxel peak"]:
    """kappa of the file's head: 1/d^2 is (1 + kappa) times that of the reference."""
    values = {name: strain[..., k] for k, name in enumerate(cell.free)}
    lengths = {name: value for name, value in values.items() if name in LENGTHS}
    wider = {name: value for name, value in values.items() if name not in LENGTHS}
    change = _by_lengths(lengths, hkl, cell)
    return change - _by_angles(lengths, wider, hkl, cell) if wider else change  # pyright: ignore[reportReturnType]


def offset_deg(
    strain: Float[Array, "*voxel free"], hkl: Int[np.ndarray, "peak 3"], cell: Cell, wavelength_m: float
) -> Float[Array, "*voxel peak"]:
    """How far a strain moves each peak. `strain` follows `cell.free`: relative changes of lengths, radians of angles."""
    kappa = change_of_inverse_square(strain, hkl, cell)
    half = np.radians(bragg_deg(hkl, cell, wavelength_m)) / 2
    sine, cosine = (jnp.asarray(f(half), kappa.dtype) for f in (np.sin, np.cos))
    now = jnp.sqrt(jnp.maximum(cosine**2 - sine**2 * kappa, SMALLEST))
    difference = sine * kappa * (cosine / (1 + jnp.sqrt(1 + kappa)) + sine**2 / (now + cosine))
    return jnp.degrees(2 * jnp.arcsin(difference))


def displacement_deg(
    two_theta_deg: Float[np.ndarray, " peak"], displacement: Float[Array, "*voxel"]
) -> Float[Array, "*voxel peak"]:
    """Shift by a flat specimen that lies `displacement` radii of the goniometer away from the source and the counter."""
    factors = -2 * np.degrees(np.cos(np.radians(two_theta_deg) / 2))
    return displacement[..., None] * jnp.asarray(factors, displacement.dtype)


def parallax_deg(
    two_theta_deg: Float[np.ndarray, " peak"], nearer: Float[Array, "*voxel"]
) -> Float[Array, "*voxel peak"]:
    """Shift of what lies nearer to a flat detector by the part `nearer` of its distance, to first order."""
    double = np.radians(two_theta_deg)
    return nearer[..., None] * jnp.asarray(-np.degrees(np.sin(double) * np.cos(double)), nearer.dtype)


class Powder(eqx.Module):
    """Patterns of one phase: `profile_sum` at the places where strain moves the peaks to, for one wavelength or several.

    lines: wavelengths in metres and their relative intensities, such as COPPER_K_ALPHA; widths are those of the first.
    """

    cell: Cell
    hkl: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    lines: tuple[tuple[float, float], ...] = eqx.field(static=True)
    windows: Windows

    def __init__(
        self,
        cell: Cell,
        hkl: Int[np.ndarray, "peak 3"],
        two_theta_deg: Float[np.ndarray, " channel"],
        lines: float | tuple[tuple[float, float], ...],
        half_width_deg: float | int,
    ):
        """`lines` may be the wavelength; `half_width_deg` says how far a peak reaches, its shifts included."""
        self.cell, self.hkl = cell, tuple(tuple(h) for h in np.asarray(hkl).tolist())
        self.lines = lines if isinstance(lines, tuple) else ((float(lines), 1.0),)
        reference = [bragg_deg(np.asarray(hkl), cell, wavelength) for wavelength, _ in self.lines]
        self.windows = windows_around(two_theta_deg, np.concatenate(reference), half_width_deg)

    @property
    def reference_deg(self) -> Float[np.ndarray, " peak"]:
        """Centres of the unstrained cell, for the first line."""
        return np.asarray(self.windows.reference_deg[: len(self.hkl)])

    def offset_deg(self, strain: Float[Array, "*voxel free"]) -> Float[Array, "*voxel peak"]:
        """Of the first line."""
        return offset_deg(strain, np.array(self.hkl), self.cell, self.lines[0][0])

    def __call__(
        self,
        strain: Float[Array, "*voxel free"],
        width: Float[Array, "*#voxel #peak"],
        mixing: Float[Array, "*#voxel #peak"],
        area: Float[Array, "*#voxel #peak"],
        shift: Float[Array, "*#voxel #peak"] | float = 0.0,
    ) -> Float[Array, "*voxel channel"]:
        """Counts per degree, for areas in counts times degrees; `shift` in degrees comes on top (zero of the scale, ...)."""
        shape = (*strain.shape[:-1], len(self.hkl))
        offsets = [
            offset_deg(strain, np.array(self.hkl), self.cell, wavelength) for wavelength, _ in self.lines
        ]
        offset = jnp.concatenate([o + shift for o in offsets], axis=-1)
        areas = jnp.concatenate([jnp.broadcast_to(area, shape) * weight for _, weight in self.lines], axis=-1)
        width, mixing = (
            jnp.concatenate([jnp.broadcast_to(p, shape)] * len(self.lines), axis=-1) for p in (width, mixing)
        )
        return profile_sum(offset, width, mixing, areas, windows=self.windows)
