"""Cells and lists of reflections, against published tables and gemmi."""

import numpy as np
import pytest

from jxrecon.errors import InputError
from jxrecon.forward.cell import (
    SYSTEMS,
    Cell,
    bragg_deg,
    cosine_to_c,
    inverse_spacing_squared,
    spacing_angstrom,
    ties,
)
from jxrecon.forward.reflections import (
    GENERATORS,
    NMC_HKL,
    PHASES,
    indices_of,
    reflection_name,
    reflections,
    symmetry,
)

CELLS = {
    "triclinic": (5.0, 6.2, 7.1, 81.0, 96.0, 103.0),
    "monoclinic": (4.937, 8.532, 5.030, 109.46),
    "orthorhombic": (10.33, 6.01, 4.69),
    "tetragonal": (3.784, 9.515),
    "trigonal": (2.852, 14.24),
    "hexagonal": (3.25, 5.207),
    "rhombohedral": (5.02, 33.1),
    "cubic": (8.247,),
}
OF_GROUP = {"P1": "triclinic", "P-1": "triclinic", "C2/m": "monoclinic", "Pnma": "orthorhombic"}
OF_GROUP |= {
    "I41/amd": "tetragonal",
    "R-3m": "trigonal",
    "R-3c": "trigonal",
    "P63mc": "hexagonal",
    "P63/mmc": "hexagonal",
}
HKL = np.array([(1, 0, 0), (0, 2, 0), (0, 0, 3), (1, 1, 1), (-1, 2, 3), (2, -1, 1)])


def of(system):
    return Cell(system, CELLS[system])


@pytest.mark.parametrize("system", SYSTEMS)
def test_spacings_are_those_of_the_reciprocal_axes(system):
    cell = of(system)
    a, b, c, *angles = cell.six
    alpha, beta, gamma = np.radians(angles)
    x = (np.cos(alpha) - np.cos(beta) * np.cos(gamma)) / np.sin(gamma)
    third = c * np.array([np.cos(beta), x, np.sqrt(np.sin(beta) ** 2 - x**2)])
    axes = np.array([(a, 0, 0), (b * np.cos(gamma), b * np.sin(gamma), 0), third])
    normals = HKL @ np.linalg.inv(axes).T
    np.testing.assert_allclose(1 / np.linalg.norm(normals, axis=1), spacing_angstrom(HKL, cell), rtol=1e-12)
    assert cell.volume_cubic_angstrom == pytest.approx(np.linalg.det(axes), rel=1e-12)
    to_c = normals @ axes[2] / np.linalg.norm(normals, axis=1) / c
    np.testing.assert_allclose(cosine_to_c(HKL, cell), to_c, atol=1e-12)
    assert ties(cell).shape == (len(CELLS[system]), 6)
    np.testing.assert_array_equal(ties(cell).sum(0), [isinstance(entry, str) for entry in SYSTEMS[system]])


def test_rhombohedral_and_hexagonal_axes_describe_the_same_crystal():
    a, c = 2.852, 14.24
    own = np.sqrt(a**2 / 3 + c**2 / 9)
    alpha = np.degrees(2 * np.arcsin(a / 2 / own))
    to_own = np.array([(2, 1, 1), (-1, 1, 1), (-1, -2, 1)]) / 3  # obverse
    found = inverse_spacing_squared(
        np.rint(NMC_HKL @ to_own.T).astype(int), Cell("rhombohedral", (own, alpha))
    )
    np.testing.assert_allclose(found, inverse_spacing_squared(NMC_HKL, of("trigonal")), rtol=1e-12)


def test_nmc_of_the_paper():
    # 17.3 keV, a 2.852, c 14.25: 2 theta worked out independently
    cell = Cell("trigonal", (2.852, 14.25))
    expected = [8.6529, 16.9345, 17.3557, 17.6655, 20.3364, 22.1369, 26.3714, 28.7218, 29.1074, 30.4211]
    np.testing.assert_allclose(bragg_deg(NMC_HKL, cell, 1.2398419843320026e-9 / 17.3), expected, atol=1e-4)
    assert cell.volume_cubic_angstrom == pytest.approx(100.38, abs=0.005)
    found = reflections("R-3m", cell, smallest_angstrom=1.365)
    assert found.names == ("003", "101", "006", "012", "104", "015", "009", "107", "018", "110", "113")
    assert found.multiplicity.tolist() == [2, 6, 2, 6, 6, 6, 2, 6, 6, 6, 12]
    without = [name for name in found.names if name != "009"]
    assert without == [reflection_name(h) for h in NMC_HKL]


# As in the cards of the powder diffraction file: the first lines with their multiplicities.
FIRST = {
    "Al2O3": ("012:6 104:6 110:6 006:2 113:12 202:6 024:6 116:12 211:12 122:12 018:6 214:12 300:6", 1.37),
    "LaB6": ("100:6 110:12 111:8 200:6 210:24 211:24 220:12 221:24 300:6", 1.38),
    "CeO2": ("111:8 200:6 220:12 311:24 222:8 400:6 331:24 420:24", 1.2),
    "LiMn2O4": ("111:8 220:12 311:24 222:8 400:6 331:24 422:24 333:8 511:24 440:12", 1.45),
    "Li2MnO3": ("001:2 020:2 110:4 -111:4 021:4 111:4 -201:2 130:4 -112:4 002:2", 2.36),
}


@pytest.mark.parametrize("phase", FIRST)
def test_first_lines_of_known_phases(phase):
    lines, smallest = FIRST[phase]
    found = reflections(*PHASES[phase], smallest_angstrom=smallest)
    listed = {f"{name}:{m}" for name, m in zip(found.names, found.multiplicity)}
    assert listed == set(lines.split())
    assert np.all(np.diff(found.spacing_angstrom) <= 1e-12)


def test_certified_standards_reflect_where_their_certificates_say():
    # Cu K alpha 1 as the certificates take it; NIST lists 21.358 (LaB6 100) and 25.574, 35.149 (Al2O3 012, 104).
    copper = 1.5405929e-10
    assert bragg_deg(np.array([(1, 0, 0)]), PHASES["LaB6"][1], copper)[0] == pytest.approx(21.358, abs=1e-3)
    corundum = bragg_deg(np.array([(0, 1, 2), (1, 0, 4)]), PHASES["Al2O3"][1], copper)
    np.testing.assert_allclose(corundum, [25.574, 35.149], atol=2e-3)


@pytest.mark.parametrize("group", GENERATORS)
def test_lists_agree_with_gemmi(group):
    gemmi = pytest.importorskip("gemmi")
    cell = of(OF_GROUP.get(group, "cubic"))
    operations = gemmi.find_spacegroup_by_name(group).operations()
    assert len(symmetry(group)) == len(list(operations))
    unit, asu = gemmi.UnitCell(*cell.six), gemmi.ReciprocalAsu(gemmi.find_spacegroup_by_name(group))
    expected = gemmi.make_miller_array(unit, gemmi.find_spacegroup_by_name(group), 0.9)
    expected = {tuple(h) for h in expected if not operations.is_systematically_absent(h)}
    found = reflections(group, cell, smallest_angstrom=0.9)
    assert {tuple(asu.to_asu(h, operations)[0]) for h in found.hkl.tolist()} == expected
    for h, multiplicity, d in zip(found.hkl.tolist(), found.multiplicity, found.spacing_angstrom):
        images = [np.array(operation.apply_to_hkl(h)) for operation in operations.sym_ops]
        assert len({tuple(s * image) for image in images for s in (1, -1)}) == multiplicity
        assert unit.calculate_d(h) == pytest.approx(d, rel=1e-12)


def test_other_groups_come_from_gemmi_or_are_an_error():
    try:
        import gemmi  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError:
        with pytest.raises(InputError, match="without the package gemmi"):
            symmetry("P 21/c")
    else:
        assert len(symmetry("P 21/c")) == 4
        with pytest.raises(InputError, match="does not know"):
            symmetry("P 99")


def test_names():
    for hkl, name in (
        ((1, 0, 4), "104"),
        ((-1, 1, 1), "-111"),
        ((0, 0, 12), "0 0 12"),
        ((0, -1, 12), "0 -1 12"),
    ):
        assert reflection_name(hkl) == name and indices_of(name) == hkl
    assert indices_of("1-10") == (1, -1, 0)
    for wrong in ("10", "1042", "abc", "", "1 0 4 2"):
        with pytest.raises(InputError, match="no reflection"):
            indices_of(wrong)


def test_cells_that_cannot_be_are_errors():
    with pytest.raises(ValueError, match="expected one of triclinic"):
        Cell("amorphous", (1.0,))
    with pytest.raises(ValueError, match="takes a, c"):
        Cell("hexagonal", (2.8,))
    for parameters in ((-1.0, 2, 3, 90, 90, 90), (1.0, 1, 1, 120, 120, 121)):
        with pytest.raises(ValueError, match="no triclinic cell"):
            Cell("triclinic", parameters)
    with pytest.raises(ValueError, match="never reached"):
        bragg_deg(np.array([(0, 0, 3), (0, 0, 60)]), of("trigonal"), 0.7e-10)
    with pytest.raises(ValueError, match="above zero"):
        reflections("R-3m", of("trigonal"), smallest_angstrom=0.0)
