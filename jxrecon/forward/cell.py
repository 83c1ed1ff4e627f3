"""Unit cells: what is free in each crystal system, distances of lattice planes, Bragg angles. Float64 on the host.

    1/d^2 = g^T R g,    g_i = h_i / a_i,    R = C^-1,    C_ij = cos(angle between the axes i and j)

which is the reciprocal metric with the lengths taken out, and  lambda = 2 d sin(theta).  Rhombohedral crystals may be given in
their own axes ("rhombohedral") or, as is usual for layered oxides, in hexagonal ones ("trigonal").

Giacovazzo (ed.), Fundamentals of Crystallography, 3rd ed. (2011), chapter 2.
"""

import equinox as eqx
import numpy as np
from jaxtyping import Float, Int

# a, b, c (angstrom), alpha, beta, gamma (degrees): a name stands for a free parameter, twice the same name for a tie.
SYSTEMS = {
    "triclinic": ("a", "b", "c", "alpha", "beta", "gamma"),
    "monoclinic": ("a", "b", "c", 90.0, "beta", 90.0),
    "orthorhombic": ("a", "b", "c", 90.0, 90.0, 90.0),
    "tetragonal": ("a", "a", "c", 90.0, 90.0, 90.0),
    "trigonal": ("a", "a", "c", 90.0, 90.0, 120.0),
    "hexagonal": ("a", "a", "c", 90.0, 90.0, 120.0),
    "rhombohedral": ("a", "a", "a", "alpha", "alpha", "alpha"),
    "cubic": ("a", "a", "a", 90.0, 90.0, 90.0),
}
LENGTHS = ("a", "b", "c")
BETWEEN = ((1, 2), (0, 2), (0, 1))  # alpha, beta and gamma are angles between these axes


class Cell(eqx.Module):
    """A unit cell by its free parameters: lengths in angstrom, then angles in degrees; `Cell("hexagonal", (2.852, 14.24))`."""

    system: str = eqx.field(static=True)
    parameters: tuple[float, ...] = eqx.field(static=True, converter=lambda p: tuple(float(v) for v in p))

    def __check_init__(self):
        if self.system not in SYSTEMS:
            raise ValueError(f"`system` is {self.system!r}; expected one of {', '.join(SYSTEMS)}.")
        if len(self.parameters) != len(self.free):
            raise ValueError(
                f"`parameters` has {len(self.parameters)} numbers; a {self.system} cell takes {', '.join(self.free)}."
            )
        if min(self.lengths_angstrom) <= 0 or np.linalg.det(cosines(self)) <= 0:
            raise ValueError(
                f"`parameters` is {self.parameters}; no {self.system} cell has such lengths and angles."
            )

    @property
    def free(self) -> tuple[str, ...]:
        """Names of the free parameters."""
        return tuple(dict.fromkeys(name for name in SYSTEMS[self.system] if isinstance(name, str)))

    @property
    def six(self) -> tuple[float, ...]:
        """a, b, c, alpha, beta, gamma."""
        value = dict(zip(self.free, self.parameters))
        return tuple(value[entry] if isinstance(entry, str) else entry for entry in SYSTEMS[self.system])

    @property
    def lengths_angstrom(self) -> tuple[float, ...]:
        return self.six[:3]

    @property
    def angles_deg(self) -> tuple[float, ...]:
        return self.six[3:]

    @property
    def volume_cubic_angstrom(self) -> float:
        return float(np.prod(self.lengths_angstrom) * np.sqrt(np.linalg.det(cosines(self))))

    def strained(self, strain: Float[np.ndarray, " free"]) -> "Cell":
        """The cell whose free lengths are longer by these relative changes, and free angles wider by these radians."""
        return Cell(
            self.system,
            tuple(
                value * (1 + float(change)) if name in LENGTHS else value + float(np.degrees(change))
                for name, value, change in zip(self.free, self.parameters, strain, strict=True)
            ),
        )


def ties(cell: Cell) -> Float[np.ndarray, "free six"]:
    """1 where a, b, c, alpha, beta, gamma are a free parameter of the system."""
    return np.array([[float(entry == name) for entry in SYSTEMS[cell.system]] for name in cell.free])


def cosines(cell: Cell) -> Float[np.ndarray, "3 3"]:
    """C: cosines of the angles between the axes."""
    matrix = np.eye(3)
    for angle, (i, j) in zip(cell.angles_deg, BETWEEN):
        # cos 90 and cos 120 degrees without the last digit of pi
        matrix[i, j] = matrix[j, i] = np.round(np.cos(np.radians(angle)), 15)
    return matrix


def inverse_spacing_squared(hkl: Int[np.ndarray, "peak 3"], cell: Cell) -> Float[np.ndarray, " peak"]:
    """1/d^2 in 1/angstrom^2."""
    g = hkl / np.asarray(cell.lengths_angstrom)
    return np.einsum("pi,ij,pj->p", g, np.linalg.inv(cosines(cell)), g)


def spacing_angstrom(hkl: Int[np.ndarray, "peak 3"], cell: Cell) -> Float[np.ndarray, " peak"]:
    """d of the lattice planes."""
    return 1 / np.sqrt(inverse_spacing_squared(hkl, cell))


def bragg_deg(hkl: Int[np.ndarray, "peak 3"], cell: Cell, wavelength_m: float) -> Float[np.ndarray, " peak"]:
    """2 theta of the reflections."""
    sine = 1e10 * wavelength_m / 2 * np.sqrt(inverse_spacing_squared(hkl, cell))
    if np.any(sine >= 1):
        which = " ".join(str(i) for i in hkl[np.argmax(sine)])
        raise ValueError(
            f"the reflection {which} has d = {1e10 * wavelength_m / 2 / sine.max():.4g} angstrom, less than half the wavelength "
            f"of {1e10 * wavelength_m:.4g}: it is never reached; leave it out."
        )
    return np.degrees(2 * np.arcsin(sine))


def cosine_to_c(hkl: Int[np.ndarray, "peak 3"], cell: Cell) -> Float[np.ndarray, " peak"]:
    """cos phi = l d / c, phi the angle between the normal of the planes and the axis c."""
    return hkl[:, 2] * spacing_angstrom(hkl, cell) / cell.lengths_angstrom[2]
