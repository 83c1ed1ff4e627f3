"""Crystals from CIF: cell, symmetry, one atom of each orbit with its occupancy and displacement.

The operations are those that the file lists, else those of the space group's name. The crystal system is the one with the
fewest free parameters whose cells have every symmetry of the group, in the setting of the file (monoclinic: unique axis b; any
other is taken for triclinic, which only leaves more free). https://www.iucr.org/resources/cif
"""

import math

import numpy as np

from ..errors import InputError
from ..forward.cell import SYSTEMS, Cell
from ..forward.crystals import Atom, Crystal
from ..forward.reflections import symmetry
from .cif import Block, number, parse_cif
from .text_files import read_text

EXPECTED = "a CIF with a crystal structure"
CELL = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
OPERATIONS = (
    "_space_group_symop_operation_xyz",
    "_space_group_symop.operation_xyz",
    "_symmetry_equiv_pos_as_xyz",
)
GROUPS = (
    "_space_group_name_h-m_alt",
    "_symmetry_space_group_name_h-m",
    "_space_group.name_h-m_full",
)
LEAST_B = 0.5  # square angstroms, where the file gives no displacement


def _free_of(six: tuple[float, ...], entries: tuple) -> tuple[float, ...] | None:
    """Free parameters of a cell under the ties of a system; None where it does not obey them."""
    value: dict[str, float] = {}
    for entry, number_ in zip(entries, six):
        if isinstance(entry, str):
            if abs(value.setdefault(entry, number_) - number_) > 1e-3 * abs(number_):
                return None
        elif abs(entry - number_) > 0.05:
            return None
    return tuple(value.values())


def system_of(space_group: str) -> str:
    """The crystal system whose ties all metrics have that the group leaves as they are."""
    turns = symmetry(space_group)[:, :, :3].astype(float)
    # One such metric without any other symmetry: the mean over the group of an arbitrary one.
    odd = np.array([[7.0, 0.31, 0.57], [0.31, 9.3, -0.83], [0.57, -0.83, 12.1]])
    metric = np.einsum("oji,jk,okl->il", turns, odd, turns) / len(turns)
    lengths = np.sqrt(np.diag(metric))
    cosines = metric / np.outer(lengths, lengths)
    angles = [math.degrees(math.acos(cosines[i, j])) for i, j in ((1, 2), (0, 2), (0, 1))]
    six = (*lengths.tolist(), *angles)
    found = [
        (len(free), name) for name, entries in SYSTEMS.items() if (free := _free_of(six, entries)) is not None
    ]
    return min(found)[1]


def _cell(block: Block, path: str, space_group: str) -> Cell:
    six = []
    for name in CELL:
        text = block.value(f"_cell_{name}") or block.value(f"_cell.{name}")
        value = number(text)[0] if text else math.nan
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{path}: `_cell_{name}` is {text!r}; expected {EXPECTED}.")
        six.append(value)
    system = system_of(space_group)
    free = _free_of(tuple(six), SYSTEMS[system])
    if free is None:
        raise InputError(
            f"{path}: the cell {', '.join(f'{v:g}' for v in six)} is not {system}, as its symmetry asks."
        )
    try:
        return Cell(system, free)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None


def _space_group(block: Block, path: str) -> str:
    for tag in OPERATIONS:
        loop = block.loop_of(tag)
        if loop:
            try:
                symmetry("; ".join(loop[tag]).lower())
            except (ValueError, IndexError, ZeroDivisionError):
                raise InputError(f"{path}: `{tag}` lists something that is no operation.") from None
            return "; ".join(loop[tag]).lower()
    names = [name for tag in GROUPS if (name := block.value(tag))]
    if not names:
        raise InputError(f"{path}: names neither symmetry operations nor a space group.")
    symmetry(names[0])  # an `InputError` where it is not known
    return names[0]


def _atom(row: dict[str, str], path: str) -> Atom:
    def value(tag: str, otherwise: float) -> float:
        found = number(row.get(f"_atom_site_{tag}", "."))[0]
        return found if math.isfinite(found) else otherwise

    site = tuple(value(f"fract_{axis}", math.nan) for axis in "xyz")
    label = row.get("_atom_site_type_symbol") or row.get("_atom_site_label", "")
    element = "".join(letter for letter in label[:2] if letter.isalpha()).capitalize()
    occupancy, b_iso = value("occupancy", 1.0), value("b_iso_or_equiv", math.nan)
    if not math.isfinite(b_iso):
        u_iso = value("u_iso_or_equiv", math.nan)
        b_iso = 8 * math.pi**2 * u_iso if math.isfinite(u_iso) else LEAST_B
    if not (all(math.isfinite(x) for x in site) and 0 <= occupancy <= 1.05 and element):
        raise InputError(
            f"{path}: the atom {label!r} has the site {site} and the occupancy {occupancy:g}; expected three fractions, 0 to 1."
        )
    return Atom(element, (float(site[0]), float(site[1]), float(site[2])), occupancy, float(max(b_iso, 0.0)))


def read_crystal(path: str) -> Crystal:
    """The first structure of a file. `InputError` for what is none."""
    for block in parse_cif(read_text(path, EXPECTED), path):
        loop = block.loop_of("_atom_site_fract_x")
        if loop is None:
            continue
        space_group = _space_group(block, path)
        rows = [dict(zip(loop, values)) for values in zip(*loop.values())]
        atoms = tuple(_atom(row, path) for row in rows)
        cell = _cell(block, path, space_group)
        return Crystal(block.name or "crystal", space_group, cell, atoms)
    raise InputError(f"{path}: holds no atoms (`_atom_site_fract_x`); expected {EXPECTED}.")
