"""Illuminations against diffraction theory and the dimensions of the cSAXS set-up at 7 keV (zone plate of 150 um, 60 nm)."""

import numpy as np
import pytest

from jxrecon.forward import optics

WAVELENGTH = 1.7712e-10
ZONE_PLATE = {"diameter_m": 150e-6, "outermost_zone_m": 60e-9, "central_stop_m": 50e-6}
PITCH = (20e-9, 20e-9)


def radial_mean(probe, pixel):
    """Radii and mean intensity on circles of one pixel's width."""
    v, u = optics.axes(probe.shape, (pixel, pixel))
    ring = np.rint(np.hypot(v[:, None], u) / pixel).astype(int).ravel()
    mean = np.bincount(ring, np.abs(probe.ravel()) ** 2) / np.bincount(ring)
    return np.arange(len(mean)) * pixel, mean


def diameters(probe, pixel):
    """Of the bright ring: where it falls to half of its level, inwards and outwards of its middle."""
    radius, mean = radial_mean(probe, pixel)
    cumulated = np.cumsum(mean * radius) / np.sum(mean * radius)
    first, middle, last = np.searchsorted(cumulated, (0.3, 0.5, 0.7))
    dark = mean < np.median(mean[first:last]) / 2
    inner = radius[:middle][dark[:middle]]
    return 2 * inner.max(initial=0), 2 * radius[middle:][dark[middle:]].min()


def test_focal_length_of_the_zone_plate():
    assert optics.zone_plate_focal_length(150e-6, 60e-9, WAVELENGTH) == pytest.approx(50.8e-3, rel=1e-3)


def test_far_field_beam_is_5_um_at_1_69_mm():
    probe = optics.zone_plate_probe((400, 400), PITCH, WAVELENGTH, defocus_m=1.69e-3, **ZONE_PLATE)
    _, outer = diameters(probe, PITCH[0])
    assert outer == pytest.approx(5e-6, rel=0.1)


def test_the_central_stop_casts_its_shadow():
    pitch = (176e-9, 176e-9)
    probe = optics.zone_plate_cone_beam((384, 384), pitch, WAVELENGTH, defocus_m=16.9e-3, **ZONE_PLATE)
    inner, outer = diameters(probe, pitch[0])
    assert inner / outer == pytest.approx(1 / 3, rel=0.1)


@pytest.mark.parametrize("pixel", [176e-9, 404e-9])
def test_near_field_beam_is_50_um_at_16_9_mm(pixel):
    probe = optics.zone_plate_cone_beam(
        (384, 384), (pixel, pixel), WAVELENGTH, defocus_m=16.9e-3, **ZONE_PLATE
    )
    _, outer = diameters(probe, pixel)
    assert outer == pytest.approx(50e-6, rel=0.1)


def test_cone_beam_with_its_curvature_is_the_probe():
    """Two ways to the same wave: by way of the focus, and from the scaled pupil."""
    arguments = ((400, 400), PITCH, WAVELENGTH)
    probe = optics.zone_plate_probe(*arguments, defocus_m=1.69e-3, **ZONE_PLATE)
    flat = optics.zone_plate_cone_beam(*arguments, defocus_m=1.69e-3, **ZONE_PLATE)
    curved = flat * optics.parabola((400, 400), PITCH, WAVELENGTH, (1.69e-3, 1.69e-3))
    assert abs(np.vdot(curved, probe)) > 0.9999


def test_positive_defocus_diverges():
    """exp(+ikz): downstream of the focus the phase grows outwards as pi r^2 / (lambda R)."""
    for sign in (1, -1):
        probe = optics.gaussian_probe((257, 257), PITCH, WAVELENGTH, waist_m=60e-9, defocus_m=sign * 1e-3)
        phase = np.unwrap(np.angle(probe[128, 128:190]))
        radius = np.arange(62) * PITCH[1]
        assert phase[-1] - phase[0] == pytest.approx(
            sign * np.pi * radius[-1] ** 2 / (WAVELENGTH * 1e-3), rel=0.01
        )


def test_focus_is_an_airy_disc():
    """First dark ring at 1.22 outermost zones, without a stop."""
    pixel = 4e-9
    probe = optics.zone_plate_probe(
        (256, 256), (pixel, pixel), WAVELENGTH, diameter_m=150e-6, outermost_zone_m=60e-9
    )
    line = np.abs(probe[128, 128:]) ** 2
    dark = np.argmax(np.diff(line) > 0) * pixel
    assert dark == pytest.approx(1.22 * 60e-9, abs=pixel)


def test_gaussian_beam_propagates_into_itself():
    focus = optics.gaussian_probe((256, 256), PITCH, WAVELENGTH, waist_m=0.3e-6)
    later = optics.gaussian_probe((256, 256), PITCH, WAVELENGTH, waist_m=0.3e-6, defocus_m=1e-3)
    moved = optics.propagated(focus, PITCH, WAVELENGTH, 1e-3)
    assert np.abs(moved - later * np.exp(1j * np.angle(np.vdot(later, moved)))).max() < 1e-9


def test_propagation_keeps_energy():
    probe = optics.zone_plate_probe((256, 256), PITCH, WAVELENGTH, defocus_m=0.5e-3, **ZONE_PLATE)
    for distance in (-3e-3, 1e-4, 0.1):
        moved = optics.propagated(probe, PITCH, WAVELENGTH, distance)
        assert np.sum(np.abs(moved) ** 2) == pytest.approx(1, abs=1e-12)


def test_little_of_the_beam_is_outside_its_geometric_disc():
    probe = optics.zone_plate_probe((400, 400), PITCH, WAVELENGTH, defocus_m=1.69e-3, **ZONE_PLATE)
    v, u = optics.axes(probe.shape, PITCH)
    inside = np.hypot(v[:, None], u) < 1.1 * 2.5e-6
    assert np.sum(np.abs(probe[inside]) ** 2) > 0.97


def test_order_sorting_aperture_cuts_only_what_is_wider():
    """The cone is 14.8 um wide 5 mm before the focus: what passes 10 um of it makes a beam of 10 / 14.8 of the diameter."""
    shape, pitch, beam = (192, 192), (40e-9, 40e-9), {"defocus_m": 1.69e-3, **ZONE_PLATE}
    free, wide, narrow = (
        optics.zone_plate_probe(
            shape, pitch, WAVELENGTH, order_sorting_aperture_m=hole, aperture_to_focus_m=hole and 5e-3, **beam
        )
        for hole in (None, 20e-6, 10e-6)
    )
    assert abs(np.vdot(free, wide)) > 0.999
    assert diameters(narrow, 40e-9)[1] / diameters(free, 40e-9)[1] == pytest.approx(10 / 14.8, rel=0.1)


def test_mirrors_give_a_rectangle():
    probe = optics.mirror_probe(
        (256, 256),
        PITCH,
        WAVELENGTH,
        aperture_m=(200e-6, 300e-6),
        focal_length_m=(0.1, 0.05),
        defocus_m=0.3e-3,
    )
    for axis, expected in ((1, 0.6e-6), (0, 1.8e-6)):
        profile = np.sum(np.abs(probe) ** 2, axis=axis)
        # Diffraction at an edge: a quarter of the plateau lies on the geometric shadow line.
        width = np.count_nonzero(profile > np.median(profile[profile > profile.max() / 2]) / 4) * PITCH[0]
        assert width == pytest.approx(expected, rel=0.1)


def test_mirrors_focus_to_a_sinc():
    """First zero at lambda f / a, each axis its own."""
    probe = optics.mirror_probe(
        (256, 256), PITCH, WAVELENGTH, aperture_m=(200e-6, 50e-6), focal_length_m=(0.2, 0.1)
    )
    along_v, along_u = np.abs(probe[128:, 128]) ** 2, np.abs(probe[128, 128:]) ** 2
    assert np.argmax(np.diff(along_v) > 0) * 20e-9 == pytest.approx(WAVELENGTH * 1e3, abs=20e-9)
    assert np.argmax(np.diff(along_u) > 0) * 20e-9 == pytest.approx(WAVELENGTH * 2e3, abs=20e-9)


def test_pinhole_far_away_is_an_airy_pattern():
    """On the axis of a hole of radius a the intensity is 4 sin^2(pi a^2 / (2 lambda z)) times the incident one."""
    radius, pixel = 1e-6, 20e-9
    area = np.pi * radius**2 / pixel**2
    for distance in (3e-3, 5.646e-3, 20e-3):
        probe = optics.circular_aperture_probe(
            (384, 384), (pixel, pixel), WAVELENGTH, diameter_m=2 * radius, distance_m=distance
        )
        axis = np.abs(probe[192, 192]) ** 2 * area
        assert axis == pytest.approx(
            4 * np.sin(np.pi * radius**2 / (2 * WAVELENGTH * distance)) ** 2, rel=0.03
        )


def test_modes_have_their_powers_and_are_orthogonal():
    probe = optics.zone_plate_probe((128, 128), PITCH, WAVELENGTH, defocus_m=0.2e-3, **ZONE_PLATE)
    modes = optics.incoherent_modes(probe, (8.0, 1.5, 0.5)).reshape(3, -1)
    gram = modes.conj() @ modes.T
    assert np.allclose(gram, np.diag([0.8, 0.15, 0.05]), atol=1e-12)
    assert np.allclose(modes[0], np.sqrt(0.8) * probe.ravel(), atol=1e-12)


def test_power():
    modes = optics.with_power(np.ones((2, 8, 8), complex), 1e6)
    assert np.sum(np.abs(modes) ** 2) == pytest.approx(1e6)
    with pytest.raises(ValueError, match="no power"):
        optics.with_power(np.zeros((8, 8), complex), 1.0)


def test_too_large_pixels_are_refused():
    with pytest.raises(ValueError, match="larger than the finest fringe"):
        optics.zone_plate_probe((64, 64), (80e-9, 80e-9), WAVELENGTH, **ZONE_PLATE)
    with pytest.raises(ValueError, match="aperture_to_focus_m"):
        optics.zone_plate_probe((64, 64), PITCH, WAVELENGTH, order_sorting_aperture_m=30e-6, **ZONE_PLATE)
