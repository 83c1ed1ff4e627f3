"""Tasks on measured patterns: standards against their certificates, an operando series, a map; what a user may get wrong."""

import numpy as np
import pytest

from jxrecon.data.pattern_auto import PatternAuto
from jxrecon.data.scanning_map import ScanningMap
from jxrecon.errors import InputError
from jxrecon.forward.cell import Cell
from jxrecon.tasks.particle_map import ParticleMap
from jxrecon.tasks.powder_pattern import PowderPattern, read_phase, tube_lines
from jxrecon.tasks.split_series import SplitSeries

NOWHERE = PatternAuto("nowhere.xye")


def test_phases_are_read_by_name_or_by_cell():
    assert read_phase("LaB6")[1] == "Pm-3m"
    assert read_phase("R-3m trigonal 2.87 14.2") == ("R-3m", "R-3m", Cell("trigonal", (2.87, 14.2)))
    for wrong in ("NaCl", "R-3m 2.87 14.2"):
        with pytest.raises(InputError, match="a space group, a crystal system"):
            read_phase(wrong)
    with pytest.raises(InputError, match="trigonal cell takes a, c"):
        read_phase("R-3m trigonal 2.87")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shifts": ["sideways"]}, "`shifts` names 'sideways'; expected some of zero, displacement"),
        ({"widths": ["x"]}, "`widths` names 'x'"),
        ({"range_deg": (30.0, 20.0)}, "`range_deg` is"),
        ({"areas": "guessed"}, "`areas` is 'guessed'; expected one of free, structure"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        PowderPattern(NOWHERE, "LaB6", **settings)


def test_a_series_needs_room_and_a_map_its_reflections():
    with pytest.raises(InputError, match="`centre_deg` is 17.6"):
        SplitSeries(NOWHERE, 17.6, (17.5, 18.5))
    with pytest.raises(InputError, match="`peaks` lacks 003"):
        ParticleMap(NOWHERE, "R-3m trigonal 2.87 14.2", ["101", "104"])


def test_light_that_is_no_tube_is_refused_as_a_doublet(measured_data):
    patterns = PatternAuto(str(measured_data / "powder/Al2O3_corundum_scimap.xye"), wavelength_m=7e-11).read()
    assert tube_lines(patterns, "single") == ((7e-11, 1.0, 0.0),)
    with pytest.raises(InputError, match="give `spectrum=single`"):
        tube_lines(patterns, "natural")


def test_a_part_of_a_pattern_makes_files_and_figures(measured_data, tmp_path):
    (tmp_path / "figures").mkdir()
    data = PatternAuto(str(measured_data / "powder/Al2O3_corundum_scimap.xye"))
    found = PowderPattern(data, "Al2O3", range_deg=(34.4, 44.5), widths=["w"], axial=False)(tmp_path, 0)
    assert found["a_angstrom"] == pytest.approx(4.759355, rel=1e-3) and found["converged"] == 1
    table = np.genfromtxt(tmp_path / "pattern.csv", delimiter=",", names=True)
    weight = table["sigma"] ** -2.0
    square = np.sum(weight * (table["measured"] - table["calculated"]) ** 2)
    assert np.sqrt(square / np.sum(weight * table["measured"] ** 2)) == pytest.approx(found["r_wp"], rel=1e-3)
    rows = (tmp_path / "reflections.csv").read_text().splitlines()
    assert [row.split(",")[1] for row in rows[1:]] == ["104", "110", "006", "113"]
    assert (tmp_path / "figures/pattern.png").stat().st_size > 10_000


@pytest.mark.slow
def test_corundum_agrees_with_its_certificate_and_rietx(measured_data):
    """Pawley with the same model in rietx 1.10.0 (zero, U, V, W, X, Y, 8 Chebyshev terms): R_wp 0.0840."""
    data = PatternAuto(str(measured_data / "powder/Al2O3_corundum_scimap.xye"))
    task = PowderPattern(data, "Al2O3", axial=False, second_line=False)
    found = task.metrics(task.fit(data.read()))
    assert found["r_wp"] == pytest.approx(0.0840, rel=0.005)
    assert found["a_angstrom"] == pytest.approx(4.759355, rel=2e-4)
    assert found["c_angstrom"] == pytest.approx(12.99231, rel=2e-4)


@pytest.mark.slow
def test_lab6_agrees_with_its_certification(measured_data):
    """NIST's own fit of this scan: a = 4.156780, displacement -0.0788 mm."""
    task = PowderPattern(
        PatternAuto(str(measured_data / "powder/nist_srm660c_100a.cif")), "LaB6", widths=["w"], shifts=["displacement"],
        divergence_deg=1.05, goniometer_mm=217.5, background_terms=6, reach_deg=2.0,
    )  # fmt: skip
    found = task.metrics(task.fit(task.data.read()))
    assert found["a_angstrom"] == pytest.approx(4.156780, abs=5e-5)
    assert found["displacement_mm"] == pytest.approx(-0.0788, abs=0.002)
    assert found["r_wp"] == pytest.approx(0.0756, abs=5e-4)


@pytest.mark.slow
def test_lab6_has_the_intensities_of_its_atoms(measured_data):
    """One scale for 24 reflections, atoms and their displacements from the literature: 3.4 % off the free areas on average."""
    data = PatternAuto(str(measured_data / "powder/nist_srm660c_100a.cif"))
    patterns = data.read()
    more = {"widths": ["w"], "shifts": ["displacement"], "background_terms": 6, "reach_deg": 2.0}
    more |= {"divergence_deg": 1.05, "monochromator_deg": 26.6}
    free, tied = (PowderPattern(data, "LaB6", areas=a, **more).fit(patterns) for a in ("free", "structure"))
    scale = (free.area @ tied.area) / (tied.area @ tied.area)
    assert np.sum(np.abs(free.area - scale * tied.area)) / free.area.sum() < 0.04
    assert tied.cell(0)[0]["a"] == pytest.approx(4.156780, abs=6e-5)
    assert tied.unknowns == free.unknowns - 23


@pytest.mark.slow
def test_the_operando_series_splits(measured_data):
    found = SplitSeries(PatternAuto(str(measured_data / "powder/operando")), 17.64, (16.2, 18.7)).fit()
    assert not found.two[:6].any() and found.two[8:].all()
    assert found.place_deg[9] == pytest.approx([17.64, 17.19], abs=0.02)


@pytest.mark.slow
def test_the_particle_has_the_cell_of_its_sum(measured_data):
    data = ScanningMap(
        str(measured_data / "maps/scimap_34IDE_particle_map.npz"), energy_keV=25.07, shape=(13, 11)
    )
    peaks = ["003", "101", "006", "012", "104", "015", "009", "107", "018", "110", "113"]
    task = ParticleMap(data, "R-3m trigonal 2.867 14.2", peaks)
    found, shape, step_m, good = task.fit()
    metrics = task.metrics(found, good)
    assert shape == (13, 11) and step_m is None and metrics["points"] == 142
    assert metrics["c_mean_angstrom"] == pytest.approx(14.194, abs=5e-3)
    assert metrics["a_mean_angstrom"] == pytest.approx(2.867, abs=2e-3)
    assert metrics["chi2_reduced"] == pytest.approx(1.1, abs=0.5)
