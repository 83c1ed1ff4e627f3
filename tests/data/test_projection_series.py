"""Line integrals against Beer and Lambert by hand; pixels and projections that cannot be used."""

import logging

import numpy as np
import pytest

from jxrecon.data.projection_frames import ArrayProjections
from jxrecon.data.projection_series import ProjectionSeries, fill
from jxrecon.errors import InputError

ANGLES = np.arange(5) * 36.0


@pytest.fixture
def absorption():
    return np.random.default_rng(0).uniform(0, 2, (5, 6, 7))


@pytest.fixture
def counted(absorption):
    """A series of counts of known absorption, its flats and darks not alike: their means count."""
    dark = np.arange(42.0).reshape(6, 7)
    bright = 1000 + 10 * np.arange(7)
    darks = np.stack([dark - 1, dark + 1])
    flats = np.stack([dark + bright * f for f in (0.5, 1.0, 1.5)])
    counts = dark + bright * np.exp(-absorption)

    def series(counts=counts, **changes):
        given = {"flats": ArrayProjections(flats), "darks": ArrayProjections(darks), "source": "scan.h5"}
        return ProjectionSeries(ArrayProjections(counts), ANGLES, **given | changes)

    series.counts = counts
    return series


def test_line_integrals(counted, absorption):
    found = counted().line_integrals()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, absorption, atol=3e-7)


def test_some_rows_and_views(counted, absorption):
    found = counted().line_integrals(slice(2, 5), np.array([3, 0]))
    np.testing.assert_allclose(found, absorption[[3, 0], 2:5], atol=3e-7)
    part = counted().chosen(np.array([False, True, False, True, True]))
    np.testing.assert_array_equal(part.angle_deg, ANGLES[[1, 3, 4]])
    np.testing.assert_allclose(part.line_integrals(), absorption[[1, 3, 4]], atol=3e-7)


def test_without_dark_frames(absorption):
    flat = ArrayProjections(np.full((1, 6, 7), 500.0))
    series = ProjectionSeries(ArrayProjections(500 * np.exp(-absorption)), ANGLES, flats=flat)
    np.testing.assert_allclose(series.line_integrals(), absorption, atol=3e-7)


@pytest.mark.parametrize(
    "quantity, of", [("transmission", lambda a: np.exp(-a)), ("line_integral", np.asarray), ("phase", np.negative)]
)  # fmt: skip
def test_other_quantities(absorption, quantity, of):
    series = ProjectionSeries(ArrayProjections(of(absorption)), ANGLES, quantity=quantity)
    expected = -absorption if quantity == "phase" else absorption
    np.testing.assert_allclose(series.line_integrals(), expected, atol=3e-7)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -5.0])
def test_a_bad_pixel_is_filled_from_its_neighbours(counted, absorption, value, caplog):
    counts = counted.counts.copy()
    counts[1, 2, 3:5] = value
    with caplog.at_level(logging.WARNING):
        found = counted(counts).line_integrals()
    left, right = absorption[1, 2, [2, 5]]
    np.testing.assert_allclose(found[1, 2, 3:5], [(2 * left + right) / 3, (left + 2 * right) / 3], atol=3e-7)
    kept = np.ones((5, 6, 7), bool)
    kept[1, 2, 3:5] = False
    np.testing.assert_allclose(found[kept], absorption[kept], atol=3e-7)
    assert caplog.messages == ["scan.h5: 2 pixels that cannot be used were filled from their neighbours."]


def test_saturated_integers_are_bad_pixels():
    counts = np.full((1, 2, 5), 100, np.uint16)
    counts[0, 0, 2] = 65535
    series = ProjectionSeries(
        ArrayProjections(counts), np.zeros(1), flats=ArrayProjections(np.full((1, 2, 5), 200, np.uint16))
    )
    np.testing.assert_allclose(series.line_integrals(), np.log(2), rtol=1e-6)


def test_a_bad_pixel_of_one_flat_costs_nothing(counted, absorption):
    flats = counted().flats.array.copy()
    assert len(flats) == 3
    flats[0, 0, 0] = flats[2, 0, 0] = np.nan  # the one in the middle is the mean
    np.testing.assert_allclose(counted(flats=ArrayProjections(flats)).line_integrals(), absorption, atol=3e-7)


def test_rows_are_filled_from_rows():
    image, bad = np.arange(20.0).reshape(5, 4), np.zeros((5, 4), bool)
    bad[[0, 2]] = True
    broken = np.where(bad, np.nan, image)
    fill(broken, bad)
    np.testing.assert_allclose(broken, image - [[-4], [0], [0], [0], [0]])


def test_a_lost_projection_is_named_or_left_out(counted, absorption, caplog):
    counts = counted.counts.copy()
    counts[3] = np.nan
    series = counted(counts)
    message = r"scan.h5: projection 3 \(angle 108 deg\): 100 % of its pixels are not finite.*`data.skip_unreadable=true`"
    with pytest.raises(InputError, match=message):
        series.line_integrals()
    with caplog.at_level(logging.WARNING):
        sound = series.sound()
    assert sound.angle_deg.tolist() == [0, 36, 72, 144] and "left out of the series: scan.h5" in caplog.text
    np.testing.assert_allclose(sound.line_integrals(), absorption[[0, 1, 2, 4]], atol=3e-7)
    assert counted().sound().shape == (5, 6, 7)
    with pytest.raises(InputError, match="none of 5 projections can be used"):
        counted(np.full_like(counts, np.nan)).sound()


def test_a_projection_that_cannot_be_read_is_left_out(counted, absorption):
    class Torn:
        shape, dtype = (5, 6, 7), np.dtype(float)

        def read(self, index, rows=slice(None)):
            if 2 in index:
                raise InputError("scan.h5:/data: cannot be read (OSError: inflate() failed).")
            return counted.counts[index][:, rows]

    series = counted(flats=counted().flats)
    torn = ProjectionSeries(Torn(), ANGLES, flats=series.flats, darks=series.darks)
    with pytest.raises(InputError, match="inflate"):
        torn.line_integrals()
    np.testing.assert_allclose(torn.sound().line_integrals(), absorption[[0, 1, 3, 4]], atol=3e-7)


def test_what_cannot_become_line_integrals(counted):
    with pytest.raises(InputError, match="scan.h5: holds no flat field.*`data.quantity`"):
        counted(flats=None).line_integrals()
    with pytest.raises(InputError, match="flat field is nowhere brighter"):
        counted(flats=counted().darks).line_integrals()
    with pytest.raises(InputError, match=r"scan.h5: flats of \(6, 6\) pixels, but projections of \(6, 7\)"):
        counted(flats=ArrayProjections(np.ones((1, 6, 6))))
    with pytest.raises(InputError, match="5 projections, but 4 angles"):
        ProjectionSeries(ArrayProjections(counted.counts), ANGLES[:4])
    with pytest.raises(InputError, match=r"shape \(0, 6, 7\)"):
        ProjectionSeries(ArrayProjections(counted.counts[:0]), ANGLES[:0])
