"""Filtered back projection against a phantom, a sphere by formula, scikit-image and a measured tooth."""

import numpy as np
import pytest
from skimage.data import shepp_logan_phantom
from skimage.transform import iradon, resize
from tooth import tooth

from jxrecon.classical.filtered_back_projection import angle_weights, fbp, response
from jxrecon.errors import InputError
from jxrecon.numerics.angles import equally_spaced, golden_ratio, random
from jxrecon.twin.projector import project

N, VIEWS = 129, 180
FILTERS = {
    "ram_lak": "ramp",
    "shepp_logan": "shepp-logan",
    "cosine": "cosine",
    "hamming": "hamming",
    "hann": "hann",
    "none": None,
}
Y, X = np.mgrid[:N, :N] - (N - 1) / 2
DISC = np.hypot(X, Y) < 60


@pytest.fixture(scope="module")
def phantom():
    return resize(shepp_logan_phantom(), (N, N), anti_aliasing=True).astype(np.float32)


def projected(phantom, angle, shift=0.0):
    """By exact area footprints, another operator than that of the reconstruction."""
    shift = np.broadcast_to(shift, len(angle))
    return np.stack([project(phantom[None], a, s, N) for a, s in zip(angle, shift)]).astype(np.float32)


@pytest.mark.parametrize("name", FILTERS)
def test_as_scikit_image(phantom, name):
    angle = equally_spaced(VIEWS)
    projections = projected(phantom, angle)
    found = np.asarray(fbp(projections, angle, filter=name))[0]
    theirs = iradon(projections[:, 0].T, np.rad2deg(angle), filter_name=FILTERS[name], circle=True)[::-1]
    assert np.corrcoef(found[DISC], theirs[DISC])[0, 1] > 0.99999
    if name != "none":
        assert abs(found[DISC].mean() / phantom[DISC].mean() - 1) < 0.005
        assert abs(found[DISC].mean() / theirs[DISC].mean() - 1) < 1e-4


@pytest.mark.parametrize("name", [name for name in FILTERS if name != "none"])
def test_density_of_a_sphere(name):
    radius, angle = 50.3, equally_spaced(VIEWS)
    v = np.arange(9)[:, None] - 4.0
    chord = 2 * np.sqrt(np.maximum(radius**2 - v**2 - X[0] ** 2, 0))
    found = np.asarray(fbp(np.broadcast_to(chord, (VIEWS, 9, N)).astype(np.float32), angle, filter=name))
    inside = np.hypot(X, Y) < 40
    assert abs(found[:, inside].mean() - 1) < 0.005
    assert np.abs(found[4, inside] - 1).max() < 0.02  # no dot on the axis either
    assert abs(found[:, (np.hypot(X, Y) > 55) & DISC].mean()) < 0.005


@pytest.mark.parametrize("angles", [golden_ratio(VIEWS), random(2 * VIEWS), 2 * equally_spaced(VIEWS)])
def test_irregular_angles_keep_the_density(phantom, angles):
    found = np.asarray(fbp(projected(phantom, angles), angles))[0]
    assert abs(found[DISC].mean() / phantom[DISC].mean() - 1) < 0.005
    assert np.corrcoef(found[DISC], phantom[DISC])[0, 1] > 0.97


def test_shifts_are_undone(phantom):
    angle = equally_spaced(VIEWS)
    along_u = np.random.default_rng(0).uniform(-5, 5, VIEWS)
    along_v = np.random.default_rng(1).integers(-2, 3, VIEWS)
    rows = np.zeros((VIEWS, 7, N), np.float32)
    shifted = projected(np.pad(phantom[8:-8, 8:-8], 8), angle, along_u)
    for view, s in enumerate(along_v):
        rows[view, 3 + s] = shifted[view, 0]
    found = np.asarray(fbp(rows, angle, np.stack([along_v, along_u], axis=1)))
    still = np.asarray(fbp(projected(np.pad(phantom[8:-8, 8:-8], 8), angle), angle))[0]
    assert np.corrcoef(found[3][DISC], still[DISC])[0, 1] > 0.99
    assert np.abs(found[[0, 1, 2, 4, 5, 6]]).max() < 1e-5


def test_weights_of_angles():
    np.testing.assert_allclose(angle_weights(equally_spaced(7, start=-4.0)), np.pi / 7)
    np.testing.assert_allclose(angle_weights(2 * equally_spaced(8)), np.pi / 8)
    np.testing.assert_allclose(angle_weights(np.asarray([0.3])), np.pi)
    np.testing.assert_allclose(angle_weights(random(50)).sum(), np.pi)
    limited = np.deg2rad(np.arange(-60, 61, 2.0))
    np.testing.assert_allclose(angle_weights(limited), np.deg2rad(2))  # and nothing for the wedge


def test_a_filter_that_is_none():
    with pytest.raises(InputError, match="there is no filter `box`; expected one of ram_lak, "):
        response(16, "box")


def test_a_measured_tooth(measured_data):
    """The slice is sharpest, and least negative, where its rotation axis is: near column 296."""
    projections, angle = tooth(measured_data)
    axes = np.arange(292, 301)
    shifts = [np.stack([0 * angle, 0 * angle + axis - 319.5], axis=1) for axis in axes]
    slices = [np.asarray(fbp(projections[:, :1], angle, shift, size=500))[0] for shift in shifts]
    below = [np.sum(np.minimum(image, 0) ** 2) for image in slices]
    assert axes[np.argmin(below)] in (295, 296)
    best = slices[np.argmin(below)]
    y, x = np.mgrid[:500, :500] - 249.5
    outside = (np.hypot(x, y) > 230) & (np.hypot(x, y) < 245)
    tissue = np.percentile(best, 98)
    assert abs(best[outside].mean()) < 0.03 * tissue and best[outside].std() < 0.25 * tissue
    # The same slice as scikit-image's, whose axis stands on a pixel: column 296 goes to the middle of 593.
    image = np.asarray(fbp(projections[:, :1, :593], angle))[0]
    theirs = iradon(projections[:, 0, :593].T, np.rad2deg(angle), filter_name="ramp", circle=True)[::-1]
    disc = np.hypot(*(np.mgrid[:593, :593] - 296.0)) < 290
    assert np.corrcoef(image[disc], theirs[disc])[0, 1] > 0.999
