"""Fits of spectra: amplitudes against another optimiser, calibrations against known ones, the measured fly scan."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from jxrecon.classical.emission_fit import deviance, fit_amplitudes
from jxrecon.classical.fluorescence_spectrum import calibrated, snip
from jxrecon.errors import InputError
from jxrecon.forward.emission_lines import lines
from jxrecon.forward.energy_spectrum import channel_shares, line_fwhm_keV

GROUPS = ("Mn", "Fe", "Co", "Ni")


def templates(energy, groups=GROUPS, noise=0.1):
    edges = np.append(energy - 0.005, energy[-1] + 0.005)
    found = []
    for group in groups:
        place, share = np.array([*lines(group).values()]).T
        found.append(share @ channel_shares(place, line_fwhm_keV(place, noise), edges))
    return np.stack([*found, np.full(len(energy), 1 / len(energy))])


def test_amplitudes_against_another_optimiser(float64):
    energy = np.arange(5.5, 9, 0.01)
    shapes, rng = templates(energy), np.random.default_rng(1)
    true = np.array([[800, 0, 150, 300, 200], [5, 40, 0, 8, 60], [0, 0, 0, 0, 9.0]])
    live = np.array([[0.5], [1.0], [2.0]]) * np.ones(len(energy))
    counts = rng.poisson(live * (true @ shapes)).astype(float)
    found, error, least = (np.asarray(v) for v in fit_amplitudes(*map(jnp.asarray, (counts, live, shapes))))
    for k in range(3):

        def value(a, k=k):
            return float(
                deviance(jnp.asarray(counts[k]), jnp.asarray(np.maximum(live[k] * (a @ shapes), 1e-9)))
            )

        other = scipy.optimize.minimize(value, found[k] + 1, bounds=[(0, None)] * 5, method="L-BFGS-B")
        assert least[k] <= other.fun + 1e-3
    some = true[:2] > 100
    assert np.all(np.abs(found[:2] - true[:2])[some] < 4 * error[:2][some])


def test_errors_are_those_of_many_draws(float64):
    energy = np.arange(5.5, 9, 0.01)
    shapes, rng = templates(energy), np.random.default_rng(2)
    expected = np.array([400.0, 60, 150, 300, 500]) @ shapes
    counts = rng.poisson(expected, (300, len(energy))).astype(float)
    given = jnp.asarray(counts), jnp.ones(counts.shape), jnp.asarray(shapes)
    found, error, _ = (np.asarray(v) for v in fit_amplitudes(*given))
    np.testing.assert_allclose(found.std(0)[[0, 3]], np.nanmean(error, 0)[[0, 3]], rtol=0.15)
    np.testing.assert_allclose(found.mean(0)[[0, 3]], [400, 300], rtol=0.02)


def test_a_calibration_is_found():
    channel = np.arange(350, 1100)
    true, said = 0.03 + 0.00962 * channel, 0.0095216 * channel
    shapes = templates(true, ("Ca", "Fe", "Cu"), 0.11)
    right = channel_shares(
        np.array([9.98, 9.786]), np.array([0.2, 0.3]), np.append(true, true[-1] + 0.01) - 0.005
    )
    expected = np.array([5e3, 8e3, 6e3, 3e3]) @ shapes + np.array([8e3, 2e4]) @ right
    counts = np.random.default_rng(3).poisson(expected).astype(float)
    found = calibrated(counts, said, ("Ca", "Fe", "Cu"), 9.98)
    assert found.gain_keV == pytest.approx(0.00962, rel=1e-3)
    np.testing.assert_allclose(found.energy_keV, true, atol=0.004)
    np.testing.assert_allclose(found.amplitude[:3], [5e3, 8e3, 6e3], rtol=0.05)
    assert found.chi2_per_channel < 1.3


def test_snip_keeps_a_slope_and_drops_peaks():
    x = np.arange(300.0)
    slope = 100 + 0.5 * x
    peaks = 1e3 * np.exp(-0.5 * ((x - 150) / 4) ** 2)
    found = snip(slope + peaks, np.full(300, 24.0))
    np.testing.assert_allclose(found[60:240], slope[60:240], rtol=0.06)


def test_what_the_beam_cannot_excite_is_refused():
    with pytest.raises(InputError, match="excites no `Zn`"):
        calibrated(np.ones(900), 0.01 * np.arange(900), ("Fe", "Zn"), 9.0)


def test_measured_detectors_have_gains_of_their_own(measured_data):
    from jxrecon.data.fluorescence_reader import Calibration
    from jxrecon.data.xrf_maps import XrfMaps

    folder = measured_data / "fluorescence"
    calibration = Calibration(str(folder / "maps_fit_parameters_override.txt"))
    scan = XrfMaps(str(folder / "2xfm_0011_2xfm3__0.h5"), calibration).read()
    assert scan.spectra is not None and scan.energy_keV is not None
    groups, use = (
        ("Si", "Ar", "Ca", "Fe", "Ni", "Cu", "La_L"),
        (scan.energy_keV > 1.5) & (scan.energy_keV < 10.6),
    )
    sums = scan.spectra.sum((1, 2))[:, use].astype(float)
    found = [calibrated(s, scan.energy_keV[use], groups, 10.0) for s in sums]
    np.testing.assert_allclose([d.gain_keV for d in found], [9.60e-3, 9.60e-3, 9.47e-3, 9.63e-3], rtol=2e-3)
    assert all(d.chi2_per_channel < 1.8 for d in found)
    assert all(0.15 < d.fwhm_keV(5.9) < 0.22 for d in found)
    fe = (scan.energy_keV[use] > 6.1) & (scan.energy_keV[use] < 6.65)
    near = found[0].amplitude[found[0].names.index("Fe")] * 0.88 / sums[0][fe].sum()
    assert near == pytest.approx(1, abs=0.06)  # what stands at Fe K-alpha is iron
