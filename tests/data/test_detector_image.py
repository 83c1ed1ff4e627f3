"""Rings on a simulated detector, by a geometry worked out here, to patterns; pyFAI's part only where it is installed."""

import sys

import numpy as np
import pytest

from jxrecon.data.detector_image import DetectorImage
from jxrecon.data.poni import Poni, poni_text, read_poni
from jxrecon.data.ring_calibration import radial_mean, searched_distance, symmetry_centre
from jxrecon.errors import InputError
from jxrecon.forward.cell import Cell, bragg_deg
from jxrecon.tasks.calibrant_image import CalibrantImage, difference

A, WAVELENGTH = 5.411651, 4.066e-11
ENERGY = 30.4929
HKL = np.array(
    [
        (1, 1, 1),
        (2, 0, 0),
        (2, 2, 0),
        (3, 1, 1),
        (2, 2, 2),
        (4, 0, 0),
        (3, 3, 1),
        (4, 2, 0),
        (4, 2, 2),
        (5, 1, 1),
    ]
)
RINGS = bragg_deg(HKL, Cell("cubic", (A,)), WAVELENGTH)
SHAPE, PIXEL = (300, 330), 4e-4
TRUE = Poni(0.2063, 0.0631, 0.0702, PIXEL, PIXEL, 0.012, -0.008, 0.0, WAVELENGTH)
LINES = "Distance: 0.2\nPoni1: 0.1\nPoni2: 0.1\nPixelSize1: 1e-4\nPixelSize2: 1e-4\nWavelength: 4e-11\n"


def two_theta_deg(poni=TRUE):
    """Of the middles of the pixels: the detector is turned about the vertical axis, then about the horizontal one."""
    rows, columns = np.indices(SHAPE) + 0.5
    up, across, along = (
        rows * PIXEL - poni.poni1_m,
        columns * PIXEL - poni.poni2_m,
        np.full(SHAPE, poni.distance_m),
    )
    across, along = (
        across * np.cos(poni.rot1) + along * np.sin(poni.rot1),
        along * np.cos(poni.rot1) - across * np.sin(poni.rot1),
    )
    up, along = (
        up * np.cos(poni.rot2) - along * np.sin(poni.rot2),
        along * np.cos(poni.rot2) + up * np.sin(poni.rot2),
    )
    return np.degrees(np.arctan2(np.hypot(up, across), along))


def rings(seed=0, scale=1.0):
    """Counts with a gap between two modules (-1)."""
    angle = two_theta_deg()[..., None]
    heights = np.array([900, 300, 500, 450, 90, 80, 150, 130, 200, 150])
    mean = scale * (30 + np.sum(heights * np.exp(-0.5 * ((angle - RINGS) / 0.06) ** 2), axis=-1))
    image = np.random.default_rng(seed).poisson(mean).astype(np.int32)
    image[140:146] = -1
    return image


@pytest.fixture
def written(tmp_path):
    """Writes a TIFF (an EDF where nothing else is there) and, if wanted, the geometry beside it."""
    fabio = pytest.importorskip("fabio")
    pytest.importorskip("pyFAI")

    def write(image, name="rings", poni=None):
        fabio.tifimage.TifImage(data=image).write(str(tmp_path / f"{name}.tif"))
        if poni is not None:
            (tmp_path / f"{name}.poni").write_text(poni_text(poni, SHAPE))
        return str(tmp_path / f"{name}.tif")

    return write


def test_the_middle_and_the_distance_of_rings_are_found_from_nothing():
    image = rings()
    measured = image >= 0
    centre = symmetry_centre(image.astype(float), measured)
    row = (TRUE.poni1_m + TRUE.distance_m * np.tan(TRUE.rot2) / np.cos(TRUE.rot1)) / PIXEL - 0.5
    column = (TRUE.poni2_m - TRUE.distance_m * np.tan(TRUE.rot1)) / PIXEL - 0.5
    np.testing.assert_allclose(
        centre, (row, column), atol=1.5
    )  # tilted rings are ellipses about another middle
    profile = radial_mean(image.astype(float), measured, centre)
    for guess in (0.16, 0.2063, 0.26):
        assert searched_distance(profile, np.radians(RINGS), guess / PIXEL) * PIXEL == pytest.approx(
            0.2063, rel=0.01
        )


def test_geometries_are_read_and_written(tmp_path):
    path = tmp_path / "a.poni"
    path.write_text(poni_text(TRUE, SHAPE))
    assert read_poni(str(path)) == TRUE
    path.write_text("# old\n" + LINES + "Rot1: 0.5\nSplineFile: None\nDistance: 0.3\n")
    found = read_poni(str(path))
    assert (found.distance_m, found.rot1, found.rot2, found.pixel1_m) == (0.3, 0.5, 0.0, 1e-4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LINES.replace("Distance: 0.2\n", ""), "`distance` is missing"),
        (LINES.replace("0.2", "far"), "`distance` is 'far'; expected a number"),
        (LINES.replace("0.2", "200"), "the distance is 200 m"),
        (LINES.replace("4e-11", "0.4"), "the wavelength is 0.4 m"),
        (LINES + "SplineFile: /etc/passwd\n", "names the spline file"),
        (LINES + 'Detector_config: {"filename": "/tmp/x.h5"}\n', "names `filename`"),
        (LINES + "Detector_config: {\n", "expected JSON"),
    ],
)
def test_geometries_that_cannot_be_are_refused(tmp_path, text, message):
    path = tmp_path / "a.poni"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_poni(str(path))


def test_without_pyfai_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyFAI", None)
    (tmp_path / "a.tif").write_bytes(b"II*\x00")
    with pytest.raises(
        InputError, match=r"needs pyFAI, which is not installed; `pip install 'jxrecon\[xrd\]'`"
    ):
        DetectorImage(str(tmp_path / "a.tif")).read()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"splitting": "some"}, "`splitting`"),
        ({"orientation": 9}, "`orientation`"),
        ({"polarisation": 2}, "`polarisation`"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        DetectorImage("a.tif", **settings)


def test_a_standard_calibrates_and_its_cell_comes_back(written):
    data = DetectorImage(
        written(rings()),
        energy_keV=ENERGY,
        calibrant="CeO2",
        distance_m=0.24,
        pixel_m=PIXEL,
        polarisation=None,
    )
    setting = data.setting()
    found = setting.poni
    assert found.distance_m == pytest.approx(TRUE.distance_m, abs=5e-5)
    assert (found.rot1, found.rot2) == pytest.approx((TRUE.rot1, TRUE.rot2), abs=1.5e-3)
    # Tilt and point of normal incidence make up for each other; where the beam arrives does not move.
    for poni, turn in ((1, "rot2"), (2, "rot1")):
        sign = 1 if poni == 1 else -1
        beam = [
            getattr(p, f"poni{poni}_m") + sign * p.distance_m * np.tan(getattr(p, turn))
            for p in (found, TRUE)
        ]
        assert beam[0] == pytest.approx(beam[1], abs=0.1 * PIXEL)
    assert setting.calibrated is not None and setting.calibrated.rings >= 8
    patterns = data.read()
    _, fit = CalibrantImage(data, "CeO2", range_deg=(6.0, 24.0), widths=["w"], background_terms=2).fit(
        patterns
    )
    assert fit.cell(0)[0]["a"] == pytest.approx(A, abs=5e-4)


def test_an_image_the_other_way_up_is_laid_right(written):
    path = written(rings()[::-1], poni=TRUE)
    assert DetectorImage(path).setting().orientation == 2
    straight = DetectorImage(written(rings(), "straight", TRUE)).read()
    turned = DetectorImage(path).read()
    np.testing.assert_allclose(turned.counts, straight.counts, rtol=1e-6)
    assert turned.wavelength_m == WAVELENGTH


def test_channels_hold_counts_with_the_errors_that_they_scatter_by(written, tmp_path):
    for k in range(12):
        written(rings(seed=k, scale=0.02), f"scan_{k}")
    (tmp_path / "geometry.poni").write_text(poni_text(TRUE, SHAPE))
    data = DetectorImage(str(tmp_path), poni=str(tmp_path / "geometry.poni"), orientation=0, channels=150)
    patterns = data.read()
    assert patterns.counts.shape == (1, 12, 1, 150)
    y, variance = patterns.counts[0, :, 0], patterns.variance[0, :, 0]
    seen = np.all(y > 0, axis=0)
    assert seen.sum() > 120
    ratio = np.var(y[:, seen], axis=0, ddof=1) / variance[:, seen].mean(axis=0)
    assert ratio.mean() == pytest.approx(1, abs=5 * np.sqrt(2 / 11 / seen.sum()))
    where = patterns.two_theta_deg[np.argmax(y.sum(axis=0))]
    assert where == pytest.approx(RINGS[0], abs=0.15)
    points = DetectorImage(
        str(tmp_path), poni=str(tmp_path / "geometry.poni"), orientation=0, channels=150, shape=(3, 4)
    )
    assert points.read().counts.shape == (1, 3, 4, 150)


def test_masked_pixels_do_not_count(written, tmp_path):
    image = rings()
    hot = image.copy()
    hot[10:40, 10:40] = 10**6
    masked = np.zeros(SHAPE, np.uint8)
    masked[10:40, 10:40] = 1
    np.save(tmp_path / "mask.npy", masked)
    path = written(hot, poni=TRUE)
    with_mask = DetectorImage(path, mask=str(tmp_path / "mask.npy"), orientation=0).read()
    clean = DetectorImage(written(np.where(masked, -1, image), "clean", TRUE), orientation=0).read()
    np.testing.assert_allclose(with_mask.counts, clean.counts)
    np.save(tmp_path / "small.npy", masked[:100])
    with pytest.raises(InputError, match="the mask has the shape"):
        DetectorImage(path, mask=str(tmp_path / "small.npy"), orientation=0).read()


def test_what_is_missing_is_said(written, tmp_path):
    path = written(rings())
    with pytest.raises(InputError, match="has no .poni file beside it"):
        DetectorImage(path).read()
    with pytest.raises(InputError, match="without a .poni file give `distance_m`"):
        DetectorImage(path, calibrant="CeO2", energy_keV=30.0).read()
    with pytest.raises(InputError, match="pyFAI knows Al2O3, LaB6"):
        DetectorImage(path, calibrant="chalk", energy_keV=30.0, distance_m=0.2, pixel_m=PIXEL).read()
    (tmp_path / "text.tif").write_text("no image")
    with pytest.raises(InputError, match="text.tif: cannot be read"):
        DetectorImage(str(tmp_path / "text.tif")).read()


@pytest.mark.slow
def test_the_measured_rings_give_ceria_and_the_pattern_of_another_program(measured_data, tmp_path):
    """a(CeO2) = 5.4113 angstrom; the pattern beside the image is Dioptas's, which masks no gaps."""
    pytest.importorskip("pyFAI")
    (tmp_path / "figures").mkdir()
    folder = measured_data / "detector"
    data = DetectorImage(str(folder / "CeO2_Pilatus1M.tif"), calibrant="CeO2", splitting="full")
    task = CalibrantImage(data, "CeO2", range_deg=(5.0, 28.0), compare=str(folder / "CeO2_Pilatus1M.xy"))
    found = task(tmp_path, 0)
    assert found["a_angstrom"] == pytest.approx(5.4113, abs=2e-3)
    assert found["difference_unmasked"] == pytest.approx(0, abs=1e-4)
    assert found["ring_rms_deg"] == pytest.approx(0.0094, abs=2e-3)
    assert found["distance_m"] == pytest.approx(0.20866, abs=5e-5)
    again = read_poni(str(tmp_path / "geometry.poni"))
    assert again.distance_m == pytest.approx(found["distance_m"], rel=1e-12)
    assert (tmp_path / "figures/rings.png").stat().st_size > 50_000


def test_the_difference_is_relative_and_free_of_scale():
    reference = np.array([1.0, 2.0, 3.0, 4.0])
    assert difference(5 * reference, reference) < 1e-15
    assert difference(np.array([2.0, 0.0, np.nan, 0.0]), np.array([1.0, 1.0, 9.0, 0.0])) == pytest.approx(0.5)
