"""Powder patterns in text, in every header style, and with every mistake in them: one line that says where."""

import logging
import os

import numpy as np
import pytest

from jxrecon.data.pattern_auto import PatternAuto
from jxrecon.data.powder_text import PowderText
from jxrecon.errors import InputError

ANGLES = 10 + 0.02 * np.arange(50)
COUNTS = np.random.default_rng(3).poisson(40, 50).astype(float)
ESD = np.sqrt(COUNTS)
COPPER = 1.5405929e-10


def _rows(*columns):
    return "\n".join(" ".join(f"{value:.8g}" for value in row) for row in zip(*columns)) + "\n"


@pytest.fixture
def file(tmp_path):
    """`file(text)` writes a file and gives its path."""

    def write(text, name="scan.xye"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


STYLES = {
    "bare": ("", {"wavelength_m": COPPER}),
    "dioptas": ("# == pyFAI calibration ==\n# Wavelength: 4.066e-11 m\n#\n# 2th_deg\t I\n", {}),
    "pyfai": ("# Wavelength: 4.066e-11 m\n# --> 2th_deg        I        sigma\n", {}),
    "topas": ('\'Id: "Corundum" Anode: Cu Scantype: "Locked Coupled"\r\n', {}),
    "comments": ("! wavelength 1.5405929 A\n; more\n/* block */\n\n", {}),
    "nanometres": ("# lambda = 0.15405929 nm\n", {}),
    "energy": ("# Energy: 17.3 keV\n", {}),
    "title": (
        "A sample of 2013\n2-Theta Angle (Degrees)\nIntensity\n      50\n",
        {"energy_keV": 12.398419843 / 1.5405929},
    ),
}
FOUND = {"dioptas": 4.066e-11, "pyfai": 4.066e-11, "energy": 12.398419843 / 17.3 * 1e-10}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("separator", [" ", "\t", ", ", ";"])
def test_header_styles(file, style, separator):
    head, given = STYLES[style]
    text = head + _rows(ANGLES, COUNTS, ESD).replace(" ", separator)
    found = PowderText(file(text), **given).read()
    np.testing.assert_allclose(found.two_theta_deg, ANGLES, atol=1e-6)
    np.testing.assert_allclose(found.counts[0, 0, 0], COUNTS)
    assert found.counts.shape == (1, 1, 1, 50)
    assert found.variance is None  # esd^2 is the count itself
    np.testing.assert_allclose(found.wavelength_m, FOUND.get(style, COPPER), rtol=1e-6)


def test_gsas_in_centidegrees(file):
    bank = "A title, 2 theta\nBANK 1 50 50 CONS 1000.0 2.0 0.0 0 FXYE\n"
    found = PowderText(file(bank + _rows(100 * ANGLES, COUNTS, ESD), "scan.fxye"), energy_keV=30.0).read()
    np.testing.assert_allclose(found.two_theta_deg, ANGLES, atol=1e-6)


@pytest.mark.parametrize("unit, per_metre", [("q_nm^-1", 1e-9), ("q_A^-1", 1e-10)])
def test_q_becomes_two_theta(file, unit, per_metre):
    wavelength = 4.066e-11
    q = 4 * np.pi * np.sin(np.radians(ANGLES / 2)) / wavelength * per_metre
    text = f"# Wavelength: {wavelength} m\n# {unit} I\n" + _rows(q, COUNTS)
    np.testing.assert_allclose(PowderText(file(text)).read().two_theta_deg, ANGLES, atol=1e-5)
    same = PowderText(file(_rows(q, COUNTS), "b.xy"), wavelength_m=wavelength, unit=unit).read()
    np.testing.assert_allclose(same.two_theta_deg, ANGLES, atol=1e-5)


def test_descending_is_turned(file):
    found = PowderText(file(_rows(ANGLES[::-1], COUNTS[::-1], 2 * ESD[::-1])), wavelength_m=COPPER).read()
    np.testing.assert_allclose(found.two_theta_deg, ANGLES, atol=1e-6)
    np.testing.assert_allclose(found.counts[0, 0, 0], COUNTS)
    np.testing.assert_allclose(found.variance[0, 0, 0], 4 * COUNTS, rtol=1e-6)


def test_deviations_of_normalised_counts(file):
    """Counts in 96 s, written per second: with 96 they are counts again."""
    found = PowderText(file(_rows(ANGLES, COUNTS / 96, ESD / 96)), wavelength_m=COPPER).read()
    np.testing.assert_allclose(found.variance[0, 0, 0], COUNTS / 96**2, rtol=1e-6)
    assert found.metadata["counts_per_unit"] == pytest.approx(96, rel=1e-6)


def test_a_zero_of_zero_counts_gets_the_variance_of_one(file):
    counts = COUNTS.copy()
    counts[4] = 0
    found = PowderText(file(_rows(ANGLES, counts / 96, np.sqrt(counts) / 96)), wavelength_m=COPPER).read()
    assert found.variance[0, 0, 0, 4] == pytest.approx(96**-2, rel=1e-6)
    assert (
        PowderText(file(_rows(ANGLES, counts, np.sqrt(counts))), wavelength_m=COPPER).read().variance is None
    )


def test_what_is_not_finite_was_not_measured(file):
    counts, esd = COUNTS.copy(), ESD.copy()
    counts[3], esd[7] = np.nan, np.nan
    found = PowderText(file(_rows(ANGLES, counts, esd)), wavelength_m=COPPER).read()
    assert np.flatnonzero(~found.measured[0, 0, 0]).tolist() == [3, 7]
    assert np.all(found.counts[0, 0, 0, [3, 7]] == -1)


def test_negative_intensities_with_deviations_are_lifted(file, caplog):
    below = COUNTS - 41
    with caplog.at_level(logging.WARNING):
        found = PowderText(file(_rows(ANGLES, below, ESD)), wavelength_m=COPPER).read()
    pedestal = found.metadata["pedestal"]
    assert pedestal == np.ceil(-below.min())
    np.testing.assert_allclose(found.counts[0, 0, 0] - pedestal, below)
    np.testing.assert_allclose(found.variance[0, 0, 0], COUNTS, rtol=1e-6)
    assert found.measured.all() and "for the model's background" in caplog.text


def test_a_background_that_was_subtracted(file):
    head = "# the background was subtracted\n"
    with pytest.raises(InputError, match="negative counts"):
        PowderText(file(_rows(ANGLES, COUNTS - 41)), wavelength_m=COPPER).read()
    found = PowderText(file(head + _rows(ANGLES, COUNTS - 41)), wavelength_m=COPPER).read()
    assert found.metadata["pedestal"] == np.ceil(41 - COUNTS.min())


def test_several_files_on_one_axis(file, tmp_path):
    for k in (10, 9, 2):
        file(_rows(ANGLES, COUNTS + k), f"scan_{k}.xy")
    for path in (str(tmp_path), str(tmp_path / "scan_*.xy")):
        found = PowderText(path, wavelength_m=COPPER).read()
        assert found.counts.shape == (1, 3, 1, 50)
        np.testing.assert_allclose(found.counts[0, :, 0, 0], COUNTS[0] + [2, 9, 10])
    file(_rows(ANGLES + 1e-3, COUNTS), "scan_11.xy")
    with pytest.raises(InputError, match=r"scan_11\.xy: its axis differs from that of .*scan_2\.xy"):
        PowderText(str(tmp_path), wavelength_m=COPPER).read()
    file(_rows(ANGLES, COUNTS), "notes.dat")
    with pytest.raises(InputError, match=r"holds \.dat, \.xy files"):
        PowderText(str(tmp_path), wavelength_m=COPPER).read()


GOOD = _rows(ANGLES, COUNTS, ESD)
TWISTED = np.where(np.arange(50) == 20, 5, ANGLES)
ONE_ZERO = np.where(np.arange(50) == 20, 0, ESD)
BAD = {
    "no wavelength": (GOOD, {}, "does not say its wavelength; give `wavelength_m`"),
    "a wavelength without unit": ("# wavelength: 1.54\n" + GOOD, {}, "it says `# wavelength: 1.54`, without a unit"),
    "angstrom": (GOOD, {"wavelength_m": 1.54}, r"1.54 m; expected metres.*it looks like angstrom \(1.54e-10 m"),
    "nanometres": (GOOD, {"wavelength_m": 0.154}, r"looks like angstrom \(1.54e-11 m, 80.51 keV\) or nm \(1.54e-10"),
    "picometres": (GOOD, {"wavelength_m": 154.0}, r"looks like pm \(1.54e-10 m, 8.051 keV\)"),
    "an energy": (GOOD, {"wavelength_m": 17.3}, r"71.67 keV\) or an energy in keV"),
    "eV": (GOOD, {"energy_keV": 8047.0}, "8047 keV; expected .* it looks like eV"),
    "two wavelengths": (GOOD, {"wavelength_m": 1e-10, "energy_keV": 8.0}, "but `energy_keV` 8 keV means"),
    "to and fro": (_rows(TWISTED, COUNTS), {"wavelength_m": 1e-10}, r"line 21: 2 theta is 5 degrees after 10\.38"),
    "centidegrees": (_rows(100 * ANGLES, COUNTS), {"wavelength_m": 1e-10}, "looks like centidegrees"),
    "negative": (_rows(ANGLES, COUNTS - 30), {"wavelength_m": 1e-10}, r"negative counts in \d+ of 50 channels, first in line"),
    "no deviation": (_rows(ANGLES, COUNTS, ONE_ZERO), {"wavelength_m": 1e-10}, "deviation of zero in 1 of 50 .* line 21"),
    "all zero": (_rows(ANGLES, 0 * COUNTS, 0 * ESD), {"wavelength_m": 1e-10}, "deviation of zero in 50 of 50"),
    "a negative deviation": (_rows(ANGLES, COUNTS, -ESD), {"wavelength_m": 1e-10}, "line 1: a negative standard deviation"),
    "masked": (_rows(ANGLES, np.nan * COUNTS), {"wavelength_m": 1e-10}, "none of 50 channels was measured"),
    "cut short": (GOOD.rstrip().rsplit(" ", 1)[0], {"wavelength_m": 1e-10}, "2 numbers, but 3 above it; the file .* cut short"),
    "fewer points": ("t\na\nb\n 99\n" + GOOD, {"wavelength_m": 1e-10}, "50 points, but its header says 99"),
    "no pattern": ("Dear reader,\nthere is nothing here.\n", {}, "holds no row of numbers"),
    "words": (GOOD + "the end\n", {}, "line 51: is `the end`; expected two or three columns"),
    "one row": ("10 5\n", {"wavelength_m": 1e-10}, "holds 1 channel"),
    "decimal commas": (GOOD.replace(".", ","), {}, "are these decimal commas"),
    "many columns": ("1 2 3 4 5\n2 3 4 5 6\n", {}, "line 1: 5 numbers; expected two or three"),
    "a radius": ("# r_mm I\n" + GOOD, {"wavelength_m": 1e-10}, "radius on the detector"),
    "a strange unit": (GOOD, {"wavelength_m": 1e-10, "unit": "furlong"}, "unknown radial unit `furlong`; known are deg"),
    "an impossible q": (_rows(ANGLES, COUNTS), {"wavelength_m": 2e-10, "unit": "q_A^-1"}, "q = 10.98 .* has no angle"),
    "time of flight": ("t\nBANK 1 50 50 RALF 1 2 3 FXYE\n" + GOOD, {}, "line 2: is `BANK 1 .*expected a GSAS bank of type CONS"),
    "binary": (b"\x00\x01\x02" * 500, {}, "is a binary file"),
    "an HDF5 file": (b"\x89HDF\r\n\x1a\n" + bytes(600), {}, "is an HDF5 file .* expected two or three columns"),
    "empty": ("", {}, "is empty"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line(file, case):
    text, options, message = BAD[case]
    path = file(text)
    with pytest.raises(InputError, match=message) as caught:
        PowderText(path, **options).read()
    assert "\n" not in str(caught.value)
    assert path in str(caught.value) or any(f"`{name}`" in str(caught.value) for name in options)


def test_a_missing_file_and_an_empty_folder(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        PowderText(str(tmp_path / "none.xy")).read()
    with pytest.raises(InputError, match="holds no file that ends in"):
        PowderText(str(tmp_path)).read()


def test_a_file_of_many_gigabytes_is_not_read(tmp_path):
    path = tmp_path / "huge.xy"
    path.write_bytes(b"1 2\n")
    os.truncate(path, 10 * 2**30)  # a hole: takes no room
    with pytest.raises(InputError, match=r"1\.024e\+04 MiB long; expected .* at most 64 MiB"):
        PowderText(str(path)).read()


def test_a_header_of_blanks_costs_no_time(file):
    text = "# lambda" + " " * 10**6 + "!\n# 2theta" + " " * 10**6 + "!\n"
    assert PowderText(file(text + GOOD), energy_keV=8).read().counts.shape == (1, 1, 1, 50)


def test_the_users_wavelength_goes_over_the_files(file, caplog):
    path = file("# Wavelength: 4.066e-11 m\n" + GOOD)
    with caplog.at_level(logging.WARNING):
        assert PowderText(path, wavelength_m=4.1e-11).read().wavelength_m == 4.1e-11
    assert "says 4.066e-11 m; taken is 4.1e-11 m" in caplog.text


def test_measured_corundum(measured_data):
    """96 s a point: 96 times the intensity are whole numbers."""
    found = PatternAuto(str(measured_data / "powder/Al2O3_corundum_scimap.xye")).read()
    assert found.counts.shape == (1, 1, 1, 6851) and found.wavelength_m == pytest.approx(COPPER)
    counts = found.counts * found.metadata["counts_per_unit"]
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-6)
    np.testing.assert_allclose(found.variance, counts / 96**2, rtol=1e-6)


def test_measured_ceria(measured_data):
    """The strongest line is (111) of a = 5.4113 angstrom."""
    found = PatternAuto(str(measured_data / "detector/CeO2_Pilatus1M.xy")).read()
    peak = found.two_theta_deg[int(np.argmax(found.counts[0, 0, 0]))]
    expected = 2 * np.degrees(np.arcsin(0.4066 * np.sqrt(3) / 2 / 5.4113))
    assert abs(peak - expected) < np.diff(found.two_theta_deg).max()
