"""Fits of voxels as a start are those of the fit that knows errors, whatever their number."""

import jax.numpy as jnp
import numpy as np
import pytest
from small_lattice import CELL, HKL, TWO_THETA_DEG, WAVELENGTH_M

from jxrecon.classical.peak_fit import peak_fit
from jxrecon.classical.peak_model import LatticePeaks, Profile
from jxrecon.classical.voxel_fits import voxel_fits
from jxrecon.forward.powder import Powder

PROFILE = Profile(fwhm_deg=0.3, fwhm_range_deg=(0.15, 0.9), positive_area=True)
PEAKS = LatticePeaks(hkl=HKL, cell=CELL, wavelength_m=WAVELENGTH_M, profile=PROFILE)  # pyright: ignore[reportCallIssue]


@pytest.fixture(scope="module")
def patterns():
    rng = np.random.default_rng(2)
    powder = Powder(CELL, HKL, TWO_THETA_DEG, WAVELENGTH_M, 100.0)
    strain, width, area = (
        rng.uniform(*r, (150, n)) for *r, n in ((-4e-3, 4e-3, 2), (0.25, 0.4, 3), (50, 200, 3))
    )
    values = powder(*(jnp.asarray(v, jnp.float32) for v in (strain, width, np.full((150, 3), 0.5), area)))
    return np.asarray(values) + 5 + rng.normal(0, 3, values.shape), strain, width, area


def test_they_are_those_of_peak_fit_and_of_the_truth(patterns):
    values, strain, width, area = patterns
    found = voxel_fits(values.astype(np.float32), TWO_THETA_DEG, PEAKS)
    other = peak_fit(values, TWO_THETA_DEG, PEAKS, noise="unknown")
    cell = np.array(CELL.parameters) * (1 + found.strain)
    for mine, theirs, error, right in (
        (cell, other.values.cell, other.errors.cell, np.array(CELL.parameters) * (1 + strain)),
        (found.fwhm_deg, other.values.fwhm_deg, other.errors.fwhm_deg, width),
        (found.area, other.values.area, other.errors.area, area),
    ):
        assert np.median(np.abs(mine - theirs) / error) < 0.1
        assert np.sqrt(np.mean(((mine - right) / error) ** 2)) < 1.3


def test_few_and_none(patterns):
    values = patterns[0].astype(np.float32)
    whole = voxel_fits(values, TWO_THETA_DEG, PEAKS)
    np.testing.assert_allclose(voxel_fits(values[:3], TWO_THETA_DEG, PEAKS).area, whole.area[:3], rtol=1e-3)
    assert voxel_fits(values[:0], TWO_THETA_DEG, PEAKS).strain.shape == (0, 2)
