"""XRDML as diffractometers write it, with mistakes in it, and made to harm."""

import numpy as np
import pytest

from jxrecon.data.pattern_auto import PatternAuto
from jxrecon.data.xrdml import Xrdml
from jxrecon.errors import InputError

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
SPACE = 'xmlns="http://www.xrdml.com/XRDMeasurement/1.5"'
WAVES = (
    '<usedWavelength intended="K-Alpha"><kAlpha1 unit="Angstrom">1.5405980</kAlpha1>'
    '<kAlpha2 unit="Angstrom">1.5444260</kAlpha2><ratioKAlpha2KAlpha1>0.5</ratioKAlpha2KAlpha1></usedWavelength>'
)
ENDS = "<startPosition>10</startPosition><endPosition>10.4</endPosition>"
COUNTS = "9 4 25 16 0"


def scan(counts=COUNTS, axis=ENDS, unit="counts", tag="intensities", more=""):
    return (
        f'<scan appendNumber="0"><dataPoints><positions axis="2Theta" unit="deg">{axis}</positions>'
        f"<commonCountingTime unit='seconds'>2.0</commonCountingTime>{more}"
        f'<{tag} unit="{unit}">{counts}</{tag}></dataPoints></scan>'
    )


def document(*scans, waves=WAVES):
    return f"{HEAD}<xrdMeasurements {SPACE}><xrdMeasurement>{waves}{''.join(scans)}</xrdMeasurement></xrdMeasurements>"


@pytest.fixture
def read(tmp_path):
    def reader(text, encoding="utf-8", **options):
        path = tmp_path / "scan.xrdml"
        path.write_bytes(text.encode(encoding))
        return Xrdml(str(path), **options).read()

    return reader


@pytest.mark.parametrize(
    "axis", [ENDS, "<listPositions>10 10.1 10.2 10.3 10.4</listPositions>"], ids=["ends", "list"]
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_scan(read, axis, encoding):
    found = read(document(scan(axis=axis)), encoding)
    np.testing.assert_allclose(found.two_theta_deg, 10 + 0.1 * np.arange(5))
    np.testing.assert_array_equal(found.counts[0, 0, 0], [9, 4, 25, 16, 0])
    assert found.wavelength_m == pytest.approx(1.540598e-10) and found.variance is None
    assert found.metadata["k_alpha_2_m"] == pytest.approx(1.544426e-10)
    assert found.metadata["k_alpha_2_ratio"] == 0.5 and found.metadata["counting_time_s"] == 2


def test_counts_per_second_become_counts(read):
    np.testing.assert_array_equal(read(document(scan(unit="cps"))).counts[0, 0, 0], [18, 8, 50, 32, 0])


@pytest.mark.parametrize("tag, counts", [("counts", "9 4 25 16 0"), ("intensities", "18 8 100 16 0")])
def test_attenuators_scale_counts_and_variances(read, tag, counts):
    factors = "<beamAttenuationFactors>2 2 4 1 1</beamAttenuationFactors>"
    found = read(document(scan(counts, tag=tag, more=factors)))
    np.testing.assert_array_equal(found.counts[0, 0, 0], [18, 8, 100, 16, 0])
    np.testing.assert_array_equal(found.variance[0, 0, 0, :4], [36, 16, 400, 16])  # N f^2


def test_several_scans_are_rows(read):
    text = document(scan(), scan("1 2 3 4 5"))
    assert read(text).counts.shape == (1, 2, 1, 5)
    np.testing.assert_array_equal(read(text, scan=1).counts[0, 0, 0], [1, 2, 3, 4, 5])
    with pytest.raises(InputError, match=r"2 scans; expected one of number 2 \(`scan`\)"):
        read(text, scan=2)
    with pytest.raises(InputError, match="has 4 channels, but .* has 5"):
        read(document(scan(), scan("1 2 3 4")))


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
BAD = {
    "entities": (document(scan("&b;")).replace(HEAD, HEAD + BOMB), "declares a document type or entities"),
    "a file inclusion": (document(scan()).replace(HEAD, HEAD + '<!DOCTYPE x SYSTEM "file:///etc/passwd">'), "document type"),
    "cut short": (document(scan())[:-60], "line 2: is no XML .* may be cut short"),
    "cut in the numbers": (document(scan())[:-120], "may be cut short"),
    "other XML": ("<svg></svg>", "is XML of `svg`; expected `xrdMeasurements`"),
    "no scan": (document(), "holds 0 scans"),
    "no intensities": (document(scan("")), "holds no intensities"),
    "words": (document(scan("1 2 many")), "could not convert string to float: 'many'"),
    "no 2 theta": (document(scan()).replace("2Theta", "Omega"), "has no axis `2Theta`; it has Omega"),
    "too few positions": (document(scan(axis="<listPositions>1 2</listPositions>")), "2 positions, but 5 intensities"),
    "no ends": (document(scan(axis="")), "neither a list of positions nor a start and an end"),
    "radians": (document(scan()).replace('unit="deg"', 'unit="rad"'), "2Theta is in `rad`"),
    "another unit": (document(scan(unit="arbitrary")), "is in `arbitrary`; expected counts or cps"),
    "factors": (document(scan(more="<beamAttenuationFactors>1 2</beamAttenuationFactors>")), "2 attenuation factors for 5"),
    "no wavelength": (document(scan(), waves=""), "does not say its wavelength"),
    "negative": (document(scan("9 4 -25 16 1")), "negative counts in 1 of 5 channels, first in channel 2"),
    "many tags": (document(scan()).replace("<scan", "<a/>" * 500_001 + "<scan"), "tags; expected PANalytical XRDML, at most"),
}  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line(read, case, encoding):
    text, message = BAD[case]
    with pytest.raises(InputError, match=message) as caught:
        read(text, encoding)
    assert "\n" not in str(caught.value) and "scan.xrdml" in str(caught.value)


def test_measured_operando_scans(measured_data):
    """Ten scans of raw counts: between the lines, the noise of neighbouring channels is that of Poisson, and 3 % more."""
    folder = str(measured_data / "powder/operando")
    found = PatternAuto(folder).read()
    assert found.counts.shape == (1, 10, 1, 7181)
    np.testing.assert_allclose(found.two_theta_deg[[0, -1]], [5.00475563, 124.99166689])
    assert found.metadata["whole_counts"] and found.metadata["files"][1] == "Scan_C2.xrdml"
    np.testing.assert_array_equal(PatternAuto(f"{folder}/Scan_C*.xrdml").read().counts, found.counts)
    flat = (found.two_theta_deg > 75) & (found.two_theta_deg < 85)
    counts = found.counts[0, :, 0, flat]
    # second differences remove the slope: their variance is 6 times that of a channel
    fano = np.diff(counts, 2, axis=0).var() / 6 / counts.mean()
    assert 0.9 < fano < 1.1


def test_measured_003_splits_in_operation(measured_data):
    found = PatternAuto(str(measured_data / "powder/operando")).read()
    near = (found.two_theta_deg > 17.0) & (found.two_theta_deg < 18.0)
    top = found.two_theta_deg[near][np.argmax(found.counts[0, :, 0][:, near], axis=1)]
    assert abs(top[0] - 17.66) < 0.03
