"""The simulated scan seen by the model that reconstructs it: axes, angles, shifts, beam, absorption, units agree."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from jxrecon.data.plain_patterns import PlainPatterns, write_patterns
from jxrecon.forward.cell import Cell
from jxrecon.forward.diffraction_tomography import blurred, gaussian_beam, ray_patterns
from jxrecon.forward.powder import Powder
from jxrecon.twin.acquisition import TiltAngles
from jxrecon.twin.diffraction_nuisances import DiffractionNuisances
from jxrecon.twin.particle import preset
from jxrecon.twin.scanning_diffraction import ScanningDiffraction

SCAN = ScanningDiffraction(
    particle=preset("tiny", state="cycled_large", supersample=1),
    finer=3,
    step_m=0.12e-6,
    beam_m=0.24e-6,
    slices=2,
    angles=TiltAngles(count=5),
    two_theta=(7.5, 21.5, 0.04),
    air=0.0,
    diffuse=0.0,
    poisson=False,
    nuisances=DiffractionNuisances(axis_offset=1.3),
)


@pytest.fixture(scope="module")
def scan():
    return SCAN(0)


def test_rays_of_the_voxels_are_the_measured_ones(scan):
    """Within 2 % of the largest, on average 0.7 %; with a wrong sign of angle or shift far off.

    The model's voxels and its linear interpolation are one step wide each, a variance of 1/12 + 1/12 that its beam must not have
    again: F^2 - 8 ln 2 / 6 steps^2 instead of F^2.
    """
    narrower = float(np.sqrt(2.0**2 - 8 * np.log(2) / 6))
    voxels = jnp.asarray(np.moveaxis(scan.voxels, 0, 2))
    absorption = jnp.asarray(np.moveaxis(scan.maps["attenuation_per_m"], 0, 2) * SCAN.step_m, jnp.float32)

    def model(angle_sign, shift):
        angle = jnp.asarray(angle_sign * np.radians(scan.patterns.angle_deg), jnp.float32)
        shifts, beam = jnp.full(5, shift), jnp.asarray(gaussian_beam(narrower), jnp.float32)
        depth = ray_patterns(absorption[..., None], angle, shifts, 20)
        rays = blurred(ray_patterns(voxels, angle, shifts, 20), beam)
        return np.asarray(rays * jnp.exp(-depth))

    def difference(image):
        away = np.abs(image - scan.expected) / scan.expected.max()
        return away.max(), np.sum(np.abs(image - scan.expected)) / scan.expected.sum()

    largest, mean = difference(model(1, 1.3))
    assert largest < 0.02 and mean < 0.007
    assert difference(model(1, -1.3))[1] > 0.2
    assert difference(model(-1, 1.3))[1] > 10 * mean


def test_areas_are_those_of_the_peak_model(scan):
    """Counts x degree: the model's peaks with the true areas, places and widths make the voxels' patterns."""
    x, maps = scan.patterns.two_theta_deg, scan.maps
    names, hkl = ("003", "101", "104"), np.array([(0, 0, 3), (1, 0, 1), (1, 0, 4)])
    powder = Powder(Cell("trigonal", (2.852, 14.24)), hkl, x, scan.patterns.wavelength_m, 3.0)
    at = np.nonzero(maps["inside"] > 0.95)
    strain = [maps["a_angstrom"][at] / 2.852 - 1, maps["c_angstrom"][at] / 14.24 - 1]
    width, area = (
        np.stack([maps[form.format(n)][at] for n in names], -1) for form in ("fwhm_{}_deg", "area_{}")
    )
    arrays = (np.stack(strain, -1), width, np.full(width.shape, 0.9), area)
    found = np.asarray(powder(*(jnp.asarray(v, jnp.float32) for v in arrays)))
    exact = scan.voxels[at]
    assert np.allclose(found.sum(-1), exact.sum(-1), rtol=0.03)
    assert np.max(np.abs(found - exact).sum(-1) / exact.sum(-1)) < 0.2


def test_files_hold_the_same_patterns(scan, tmp_path):
    noisy = dataclasses.replace(scan.patterns, counts=np.round(scan.patterns.counts))
    write_patterns(tmp_path / "patterns.h5", noisy)
    found = PlainPatterns(path=str(tmp_path / "patterns.h5")).read()
    assert np.array_equal(found.counts, noisy.counts)
    assert np.allclose(found.angle_deg, [0, 36, 72, 108, 144])
    assert found.step_m == pytest.approx((0.12e-6, 0.12e-6))
    assert found.wavelength_m == pytest.approx(0.7166717e-10, rel=1e-6)
