"""Crystals from CIF: as databases write them, and what is wrong with them."""

import numpy as np
import pytest

from jxrecon.data.crystal_cif import read_crystal, system_of
from jxrecon.errors import InputError
from jxrecon.forward.crystals import CRYSTALS
from jxrecon.forward.reflections import GENERATORS, reflections
from jxrecon.forward.structure_factor import structure_factor

CELL = """data_corundum
_cell_length_a 4.759091(12)
_cell_length_b 4.759091
_cell_length_c 12.991779
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 120.
"""
NAME = "_symmetry_space_group_name_H-M 'R -3 c'\n"
LISTED = """loop_
_space_group_symop_operation_xyz
'x,y,z' '-y, x-y, z' 'y,x,-z+1/2' '-x,-y,-z' 'x+2/3,y+1/3,z+1/3'
"""
ATOMS = """loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
_atom_site_U_iso_or_equiv
Al1 Al3+ 0 0 0.35216(1) 1 0.003166
O1 O2- 0.30624(4) 0 0.25 1.0 0.003166
"""


def read(tmp_path, text):
    path = tmp_path / "a.cif"
    path.write_text(text)
    return read_crystal(str(path))


@pytest.mark.parametrize("symmetry", [NAME, LISTED], ids=["by name", "by operations"])
def test_corundum_of_a_file_is_the_built_in_one(tmp_path, symmetry):
    found, known = read(tmp_path, CELL + symmetry + ATOMS), CRYSTALS["Al2O3"]
    assert found.cell.free == ("a", "c") and found.cell.parameters == known.cell.parameters
    lists = [reflections(c.space_group, c.cell, smallest_angstrom=0.9) for c in (found, known)]
    np.testing.assert_array_equal(lists[0].hkl, lists[1].hkl)
    one, other = (structure_factor(c, lists[0].hkl) for c in (found, known))
    np.testing.assert_allclose(one, other, atol=1e-3)


OF_GROUP = {
    "P1": "triclinic",
    "P-1": "triclinic",
    "C2/m": "monoclinic",
    "Pnma": "orthorhombic",
    "I41/amd": "tetragonal",
}


@pytest.mark.parametrize("group", GENERATORS)
def test_systems_follow_from_symmetry(group):
    hexagonal = group.startswith(("R", "P63"))
    assert system_of(group) == OF_GROUP.get(group, "hexagonal" if hexagonal else "cubic")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CELL + ATOMS, "names neither symmetry operations nor a space group"),
        (CELL + NAME, "holds no atoms"),
        (CELL.replace("120.", "119.") + NAME + ATOMS, "is not hexagonal, as its symmetry asks"),
        (CELL.replace("12.991779", "?") + NAME + ATOMS, "`_cell_length_c` is '\\?'"),
        (CELL + NAME + ATOMS.replace("0.30624(4)", "?"), "three fractions"),
        (CELL + LISTED.replace("x-y", "x-q/0") + ATOMS, "no operation"),
    ],
)
def test_structures_that_cannot_be_are_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)
