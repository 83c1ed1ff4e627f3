"""Lists of reflections: which a space group allows, and how many planes share each distance.

A symmetry operation x -> M x + t sends the reflection h to h M with the phase 2 pi h t. Where h M = h the structure factor equals
itself times exp(2 pi i h t): the reflection is absent unless h t is an integer, which covers centrings, glide planes and screw
axes alike. Its multiplicity in a powder pattern is the number of different h M and -h M.

A group is given by generators as in the International Tables for Crystallography A (2016), doi 10.1107/97809553602060000114, and
closed here; names that are not in the table are looked up with gemmi, where it is installed. Special positions may extinguish
further reflections (222 of silicon is nearly absent).
"""

import dataclasses
import itertools
from fractions import Fraction

import numpy as np
from jaxtyping import Bool, Float, Int

from ..errors import InputError
from .cell import Cell, inverse_spacing_squared, spacing_angstrom

PARTS = 24  # translations are counted in these parts of an axis

R_CENTRED = ("x+2/3,y+1/3,z+1/3",)
F_CENTRED = ("x,y+1/2,z+1/2", "x+1/2,y,z+1/2")
CUBIC = ("z,x,y", "-x,-y,z", "-x,y,-z", "-x,-y,-z")
GENERATORS = {
    "P1": (),
    "P-1": ("-x,-y,-z",),
    "C2/m": ("x+1/2,y+1/2,z", "-x,y,-z", "-x,-y,-z"),
    "Pnma": ("-x+1/2,-y,z+1/2", "-x,y+1/2,-z", "-x,-y,-z"),
    "I41/amd": ("x+1/2,y+1/2,z+1/2", "-y+1/4,x+3/4,z+1/4", "-x+1/2,y,-z+1/2", "-x,-y,-z"),
    "R-3m": (*R_CENTRED, "-y,x-y,z", "y,x,-z", "-x,-y,-z"),
    "R-3c": (*R_CENTRED, "-y,x-y,z", "y,x,-z+1/2", "-x,-y,-z"),
    "P63mc": ("-y,x-y,z", "-x,-y,z+1/2", "-y,-x,z"),
    "P63/mmc": ("-y,x-y,z", "-x,-y,z+1/2", "y,x,-z", "-x,-y,-z"),
    "Pm-3m": (*CUBIC, "y,x,-z"),
    "Im-3m": ("x+1/2,y+1/2,z+1/2", *CUBIC, "y,x,-z"),
    "Fm-3m": (*F_CENTRED, *CUBIC, "y,x,-z"),
    "Fd-3m": (
        *F_CENTRED,
        "z,x,y",
        "-x+3/4,-y+1/4,z+1/2",
        "-x+1/4,y+1/2,-z+3/4",
        "y+3/4,x+1/4,-z+1/2",
        "-x,-y,-z",
    ),
}
# Li-rich NMC: ten reflections up to 30.5 degrees at 17.3 keV; the weak (009) is left out.
NMC_HKL = np.array(
    [
        (0, 0, 3),
        (1, 0, 1),
        (0, 0, 6),
        (0, 1, 2),
        (1, 0, 4),
        (0, 1, 5),
        (1, 0, 7),
        (0, 1, 8),
        (1, 1, 0),
        (1, 1, 3),
    ]
)
# Space groups and cells at room temperature; the standards after NIST SRM 676a, 660c, 674b, 640e.
PHASES = {
    "Li-rich NMC": ("R-3m", Cell("trigonal", (2.852, 14.24))),
    "Li2MnO3": ("C2/m", Cell("monoclinic", (4.937, 8.532, 5.030, 109.46))),
    "LiMn2O4": ("Fd-3m", Cell("cubic", (8.247,))),
    "Al2O3": ("R-3c", Cell("trigonal", (4.759091, 12.991779))),
    "LaB6": ("Pm-3m", Cell("cubic", (4.156826,))),
    "CeO2": ("Fm-3m", Cell("cubic", (5.411651,))),
    "Si": ("Fd-3m", Cell("cubic", (5.431179,))),
}


@dataclasses.dataclass(frozen=True)
class Reflections:
    """In ascending order of 2 theta."""

    hkl: Int[np.ndarray, "peak 3"]
    multiplicity: Int[np.ndarray, " peak"]
    spacing_angstrom: Float[np.ndarray, " peak"]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(reflection_name(h) for h in self.hkl)


def reflection_name(hkl: Int[np.ndarray, "3"] | tuple[int, int, int]) -> str:
    """ "104", "-111"; with spaces where an index has two digits."""
    indices = [str(int(i)) for i in hkl]
    return (" " if any(len(i.lstrip("-")) > 1 for i in indices) else "").join(indices)


def indices_of(name: str) -> tuple[int, int, int]:
    """(1, 0, 4) of "104"."""
    spaced = name.split() if " " in name.strip() else name.strip().replace("-", " -")
    words = spaced if isinstance(spaced, list) else _digits(spaced)
    try:
        h, k, l = (int(word) for word in words)
    except ValueError:
        raise InputError(
            f"`{name}` is no reflection; expected three indices like 104, -111 or `0 0 12`."
        ) from None
    return h, k, l


def _digits(text: str) -> list[str]:
    sign, words = "", []
    for letter in text.replace(" ", ""):
        if letter == "-":
            sign = "-"
        else:
            words.append(sign + letter)
            sign = ""
    return words


def _operation(triplet: str) -> tuple[tuple[int, ...], ...]:
    """Rows (M | t) of "x-y, x, z+1/3"; t in parts of an axis."""
    rows = []
    for text in triplet.replace(" ", "").split(","):
        row = [0, 0, 0, 0]
        for term in text.replace("-", "+-").split("+"):
            letter = term[-1:]
            if letter and letter in "xyz":
                row["xyz".index(letter)] += -1 if term.startswith("-") else 1
            elif term:
                row[3] += round(Fraction(term) * PARTS)
        rows.append((*row[:3], row[3] % PARTS))
    return tuple(rows)


def _product(one, other):
    a, b = np.array(one), np.array(other)
    turned, moved = a[:, :3] @ b[:, :3], (a[:, :3] @ b[:, 3] + a[:, 3]) % PARTS
    return tuple((*(int(i) for i in row), int(t)) for row, t in zip(turned, moved))


def _closed(triplets: tuple[str, ...]) -> Int[np.ndarray, "operation 3 4"]:
    generators = [_operation(t) for t in triplets]
    found, fresh = {_operation("x,y,z")}, [_operation("x,y,z")]
    while fresh:
        fresh = [p for a, g in itertools.product(fresh, generators) if (p := _product(a, g)) not in found]
        fresh = list(dict.fromkeys(fresh))
        found.update(fresh)
    return np.array(sorted(found))


def symmetry(space_group: str) -> Int[np.ndarray, "operation 3 4"]:
    """All operations (M | t), t in 24ths, of a named space group, or of generators `x,y,z; -x,-y,-z; ...` as a CIF lists them."""
    if "," in space_group:
        return _closed(tuple(space_group.split(";")))
    name = space_group.replace(" ", "").replace("_", "")
    if name in GENERATORS:
        return _closed(GENERATORS[name])
    try:
        import gemmi  # knows all settings of all groups; optional  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise InputError(
            f"`space_group` is {space_group!r}; without the package gemmi only these are known: {', '.join(GENERATORS)}."
        ) from None
    group = gemmi.find_spacegroup_by_name(space_group)
    if group is None:
        raise InputError(
            f"`space_group` is {space_group!r}, a name that gemmi does not know; try one like `P 21/c`."
        )
    return np.array([_operation(operation.triplet()) for operation in group.operations()])


def allowed(
    hkl: Int[np.ndarray, "peak 3"], operations: Int[np.ndarray, "operation 3 4"]
) -> Bool[np.ndarray, " peak"]:
    """Whether the reflection conditions let a reflection be."""
    fixed = np.all(np.einsum("pi,oij->poj", hkl, operations[:, :, :3]) == hkl[:, None], axis=-1)
    phase = np.einsum("pi,oi->po", hkl, operations[:, :, 3]) % PARTS
    return ~np.any(fixed & (phase != 0), axis=1)


def _preference(hkl: tuple[int, ...]) -> tuple:
    return sum(i >= 0 for i in hkl), hkl[2] >= 0, hkl[1] >= 0, hkl


def _representative(family: np.ndarray) -> tuple[int, ...]:
    """Of equivalent reflections that with the fewest negative indices, l and k before h."""
    return max((tuple(h) for h in family.tolist()), key=_preference)


def reflections(space_group: str, cell: Cell, *, smallest_angstrom: float) -> Reflections:
    """All reflections with d down to `smallest_angstrom`; lambda / (2 sin(theta)) for a limit of 2 theta."""
    if not smallest_angstrom > 0:
        raise ValueError(f"`smallest_angstrom` is {smallest_angstrom}; expected a distance above zero.")
    operations = symmetry(space_group)
    most = [int(length / smallest_angstrom) for length in cell.lengths_angstrom]
    grid = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in most), indexing="ij"), -1).reshape(-1, 3)
    within = inverse_spacing_squared(grid, cell) <= (1 + 1e-12) / smallest_angstrom**2
    grid = grid[within & np.any(grid != 0, axis=1)]
    grid = grid[allowed(grid, operations)]
    turns = np.unique(operations[:, :, :3], axis=0)
    found = {}
    for h in grid:
        if tuple(h) not in found:
            family = np.unique(np.concatenate([h @ turns, -(h @ turns)]), axis=0)
            name = _representative(family), len(family)
            found.update({tuple(member): name for member in family})
    kinds = sorted(set(found.values()))
    hkl, multiplicity = np.array([k[0] for k in kinds]).reshape(-1, 3), np.array([k[1] for k in kinds], int)
    spacing = spacing_angstrom(hkl, cell)
    order = np.argsort(-spacing, kind="stable")
    return Reflections(hkl[order], multiplicity[order], spacing[order])
