"""Powder CIF: the tokeniser against the rules of CIF 1.1, patterns in their three forms, the file of a standard, and mistakes."""

import numpy as np
import pytest

from jxrecon.data.cif import number, parse_cif
from jxrecon.data.pattern_auto import PatternAuto
from jxrecon.data.pdcif import Pdcif
from jxrecon.errors import InputError

SYNTAX = """#\\#CIF_1.1
data_first
_a 'it''s a dog's life'
_B "say 'no'"   # a comment
_c
;line one
 loop_ _not_a_tag
;
_d ;bare
loop_ _x _y
1 'two words' ; 3 4.5(2) .
data_second _e ?
"""


def test_tokens():
    first, second = parse_cif(SYNTAX, "a.cif")
    assert first.items == {
        "_a": "it''s a dog's life",
        "_b": "say 'no'",
        "_c": "line one\n loop_ _not_a_tag",
        "_d": ";bare",
    }
    assert first.loops == [{"_x": ["1", ";", "4.5(2)"], "_y": ["two words", "3", "."]}]
    assert second.name == "second" and second.items == {"_e": "?"}


@pytest.mark.parametrize(
    "text, value, deviation",
    [
        ("19.0(3)", 19, 0.3),
        ("-1.25(12)e2", -125, 12),
        ("7(2)", 7, 2),
        (".5", 0.5, np.nan),
        ("?", np.nan, np.nan),
    ],
)
def test_numbers_with_uncertainties(text, value, deviation):
    np.testing.assert_allclose(number(text), (value, deviation))


@pytest.mark.parametrize("part", ["'a ", "\n;x", '"a ', "_a 'b\n"])
def test_a_hostile_text_costs_no_time(part):
    """So many openings without a close: a search that starts again at each would take hours."""
    with pytest.raises(InputError, match="is opened and not closed"):
        parse_cif("data_x\n_y 1\n" + part * 300_000, "a.cif")


WAVE = "_diffrn_radiation_wavelength 1.5406\n"
COUNTS = [4, 9, 25, 16]


def scan(rows=None, head=WAVE, tags="_pd_meas_2theta_scan _pd_meas_counts_total"):
    rows = rows if rows is not None else [f"{10 + k / 10} {n}" for k, n in enumerate(COUNTS)]
    return f"data_x\n{head}loop_ {tags}\n" + "\n".join(rows) + "\n"


@pytest.fixture
def read(tmp_path):
    def reader(text, **options):
        (tmp_path / "a.cif").write_text(text)
        return Pdcif(str(tmp_path / "a.cif"), **options).read()

    return reader


def test_counts_and_angles_in_a_loop(read):
    found = read(scan())
    np.testing.assert_allclose(found.two_theta_deg, [10, 10.1, 10.2, 10.3])
    np.testing.assert_array_equal(found.counts[0, 0, 0], COUNTS)
    assert found.wavelength_m == pytest.approx(1.5406e-10) and found.variance is None


def test_angles_as_a_range(read):
    ends = "_pd_meas_2theta_range_min 10\n_pd_meas_2theta_range_max 10.3\n_pd_meas_2theta_range_inc 0.1\n"
    found = read(scan([str(n) for n in COUNTS], WAVE + ends, "_pd_meas_counts_total"))
    np.testing.assert_allclose(found.two_theta_deg, [10, 10.1, 10.2, 10.3])
    with pytest.raises(InputError, match="mean 4 points, but the loop holds 3; is the file cut short"):
        read(scan(["1", "2", "3"], WAVE + ends, "_pd_meas_counts_total"))


def test_deviations(read):
    tags = "_pd_proc_2theta_corrected _pd_proc_intensity_total _pd_proc_ls_weight"
    found = read(scan([f"{10 + k} {n} {0.5 if k else 0}" for k, n in enumerate(COUNTS)], tags=tags))
    np.testing.assert_allclose(found.variance[0, 0, 0, 1:], 2)
    assert found.measured[0, 0, 0].tolist() == [
        False,
        True,
        True,
        True,
    ]  # a weight of zero: left out by its author
    found = read(scan([f"{10 + k} {n}(2)" for k, n in enumerate(COUNTS)]))
    np.testing.assert_allclose(found.variance, 4)
    net = scan(
        [f"{10 + k} {n - 9}(2)" for k, n in enumerate(COUNTS)],
        tags="_pd_meas_2theta_scan _pd_proc_intensity_net",
    )
    assert read(net).metadata["pedestal"] == 5


def test_the_strongest_of_several_wavelengths(read):
    head = "loop_ _diffrn_radiation_wavelength _diffrn_radiation_wavelength_wt\n1.54443 0.5\n1.54059 1.0\n"
    assert read(scan(head=head)).wavelength_m == pytest.approx(1.54059e-10)


def test_an_anode_stands_for_its_line(read):
    assert read(scan(head="_diffrn_radiation_type 'Mo K\\a'\n")).wavelength_m == pytest.approx(0.7093171e-10)


BAD = {
    "no wavelength": (scan(head=""), {}, "does not say its wavelength"),
    "a radiation without line": (scan(head="_diffrn_radiation_type synchrotron\n"), {}, "it says `synchrotron`"),
    "no pattern": ("data_x\n_cell_length_a 4\n", {}, "1 blocks, with patterns in none; expected a loop with one of"),
    "another block": (scan(), {"block": "y"}, "patterns in x; expected one called `y`"),
    "cut in a row": (scan(["10 4", "10.1"]), {}, "a loop of 2 columns with 3 values, which makes no whole rows"),
    "cut in a text": ("data_x\n_a\n;never closed\n", {}, "line 3: `;never closed` is opened and not closed"),
    "cut before a value": (scan() + "_b", {}, "`_b` has no value; is the file cut short"),
    "promised points": (scan(head=WAVE + "_pd_meas_number_of_points 9\n"), {}, "4 of 9 points; the file is cut short"),
    "no angles": (scan([str(n) for n in COUNTS], tags="_pd_meas_counts_total"), {}, "has no 2 theta; expected one of"),
    "no block": ("_a 5\n", {}, "line 1: `_a` stands before the first `data_` block"),
    "unsorted": (scan(["10 4", "10.1 9", "10.05 4", "10.2 5"]), {}, "block `x`, point 2: 2 theta is 10.05 degrees after 10.1"),
    "negative": (scan(["10 4", "10.1 -9", "10.2 4"]), {}, "negative counts in 1 of 3 channels, first in block `x`, point 1"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line(read, case):
    text, options, message = BAD[case]
    with pytest.raises(InputError, match=message) as caught:
        read(text, **options)
    assert "\n" not in str(caught.value) and "a.cif" in str(caught.value)


def test_measured_standard(measured_data):
    """LaB6 of NIST: half counts in 2 s, variance (N + 1) / tau^2, and lines where a = 4.15678 angstrom has them."""
    found = PatternAuto(str(measured_data / "powder/nist_srm660c_100a.cif")).read()
    assert found.counts.shape == (1, 1, 1, 5332) and len(found.metadata["other_patterns"]) == 2
    assert found.wavelength_m == pytest.approx(1.5405929e-10)
    start = slice(0, 40)  # 2 s a point here
    expected = (2 * found.counts[0, 0, 0, start] + 1) / 4
    np.testing.assert_allclose(
        found.variance[0, 0, 0, start], expected, rtol=6e-3
    )  # weights have three digits
    for squares in (1, 2, 3):
        angle = 2 * np.degrees(np.arcsin(1.5405929 * np.sqrt(squares) / 2 / 4.15678))
        near = np.abs(found.two_theta_deg - angle) < 0.5
        assert abs(found.two_theta_deg[near][np.argmax(found.counts[0, 0, 0, near])] - angle) < 0.05
