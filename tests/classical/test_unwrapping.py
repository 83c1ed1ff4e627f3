"""Unwrapped phases against the line integrals of known balls."""

import numpy as np
import pytest
from tilt_phantom import series

from jxrecon.classical.ramps import find_ramps, without_ramps
from jxrecon.classical.unwrapping import jumps, line_integrals, residues, unwrapped, unwrapped_towards


@pytest.mark.parametrize("noise, worst", [(0.0, 1e-5), (0.1, 0.15)])
def test_twelve_radians_come_out_as_density(noise, worst):
    """Phase noise is 0.1 / |T|; offset and ramp of the air add little: rms within 0.15 rad of 12."""
    truth = series(96, 4, phase=12.0, noise=noise)
    ramps = find_ramps(truth.transmission, truth.weight)
    found = unwrapped(without_ramps(truth.transmission, ramps), truth.weight, ramps.air)
    path = line_integrals(found.phase, truth.phase_per_density)
    lit = truth.weight > 0
    error = (path - truth.path)[:, lit] * truth.phase_per_density
    assert np.sqrt(np.mean(error**2)) < worst
    assert np.ptp(truth.path[:, lit]) * truth.phase_per_density > 11
    assert not np.any(path[:, ~lit])
    assert not np.any(found.jumps)


def test_without_known_air_the_rim_is_zero():
    truth = series(64, 2, phase=9.0, shift_px=1)
    flat = np.exp(-1j * truth.phase_per_density * truth.path)
    for weight in (truth.weight, np.ones((64, 64))):
        found = unwrapped(flat, weight)
        true = np.where(weight > 0, -truth.phase_per_density * truth.path, 0)
        np.testing.assert_allclose(found.phase, true, atol=1e-6)


def test_each_piece_of_the_lit_region_has_its_own_zero():
    """Two ramps of 4 pi in separate lit stripes, both from zero."""
    at = np.linspace(0, 4 * np.pi, 64)
    true = -np.tile(at, (1, 48, 1))
    lit = np.zeros((48, 64), bool)
    lit[2:20] = lit[26:46] = True
    air = np.broadcast_to(lit & (at < 1), true.shape)
    found = unwrapped(np.exp(1j * true), lit, air)
    np.testing.assert_allclose(found.phase[0][lit], true[0][lit], atol=1e-9)


def test_a_vortex_is_a_residue_and_a_cut():
    y, x = np.mgrid[:32, :32] - 15.5
    vortex = np.arctan2(y, x)[None]
    lit = np.ones((1, 32, 32), bool)
    assert residues(vortex, lit)[0] == 1
    found = unwrapped(np.exp(1j * vortex), lit[0])
    assert found.residues[0] == 1 and found.jumps[0] >= 10
    assert jumps(vortex, lit)[0] == 16  # the cut of arctan2 runs from the centre to one edge


def test_a_prediction_unwraps_what_neighbours_cannot():
    """Steps of 5 rad from pixel to pixel: a prediction within pi of them is enough."""
    rng = np.random.default_rng(0)
    true = -np.cumsum(rng.uniform(4, 6, (2, 16, 16)), axis=2)
    predicted = true + rng.uniform(-3, 3, true.shape)
    lit = np.ones((16, 16))
    flat = np.exp(1j * true)
    np.testing.assert_allclose(unwrapped_towards(flat, predicted, lit).phase, true, atol=1e-9)
    assert np.abs(unwrapped(flat, lit).phase - true).max() > 3


def test_density_needs_a_positive_rate():
    with pytest.raises(ValueError, match="phase_per_density"):
        line_integrals(np.zeros((1, 2, 2)), 0.0)
