"""Every engine finds a simulated object from a wrong probe, whatever the scale of the counts and with gaps in the detector."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from jxrecon.classical.difference_map import DifferenceMap
from jxrecon.classical.lsq_ml import LsqMl
from jxrecon.classical.pie import Epie, Rpie

# engine, and what it reaches: R-factor (the counts alone give about 0.02), phase error in radians
ENGINES = {
    "difference_map": (DifferenceMap(40), 0.032, 0.012),
    "epie": (Epie(40), 0.065, 0.018),
    "rpie": (Rpie(40), 0.060, 0.015),
    "lsq_ml": (LsqMl(40, batch_size=8), 0.040, 0.010),
}
every_engine = pytest.mark.parametrize("name", ENGINES)


def run(engine, case, scan=None, probe=None):
    flat = jnp.ones(case.object.shape, jnp.complex64)
    start = jnp.asarray(case.start if probe is None else probe, jnp.complex64)
    return engine(case.scan if scan is None else scan, flat, start, seed=3)


@every_engine
def test_finds_the_object_from_a_wrong_probe(name, simulated):
    engine, r_factor, phase = ENGINES[name]
    case = simulated()
    found, probe, history = run(engine, case)
    assert history.shape == (engine.iterations,)
    assert history[-1] < r_factor < 0.25 * history[0]
    assert case.phase_error(found) < phase < 0.05 * case.phase_error(np.ones_like(case.object))
    overlap = abs(np.vdot(case.probe, probe)) ** 2 / np.sum(abs(case.probe) ** 2) / np.sum(abs(probe) ** 2)
    assert overlap > 0.99 > abs(np.vdot(case.probe, case.start)) ** 2 / np.sum(abs(case.probe) ** 2) ** 2


@every_engine
def test_the_scale_of_the_counts_changes_nothing(name, simulated):
    engine, case, scale = ENGINES[name][0], simulated(), 1e-3
    scan = dataclasses.replace(
        case.scan, intensity=case.scan.intensity * scale, level=case.scan.level * scale
    )
    reference = run(engine, case)
    found, probe, history = run(engine, case, scan, case.start * np.sqrt(scale))
    np.testing.assert_allclose(history[:10], reference[2][:10], rtol=1e-2)
    np.testing.assert_allclose(history[-1], reference[2][-1], rtol=3e-2)
    ratio = np.sum(np.abs(probe) ** 2) / np.sum(np.abs(reference[1]) ** 2)
    np.testing.assert_allclose(ratio, scale, rtol=1e-2)


@every_engine
def test_unmeasured_pixels_count_for_nothing(name, simulated):
    """A gap through the pattern, marked as unmeasured: the same object."""
    engine, r_factor, phase = ENGINES[name]
    case = simulated()
    gap = np.zeros(case.scan.intensity.shape[1:], bool)
    gap[:, 2:4] = True
    scan = dataclasses.replace(case.scan, intensity=jnp.where(gap, -7.0, case.scan.intensity))
    found, _, history = run(engine, case, scan)
    assert history[-1] < 1.1 * r_factor
    assert case.phase_error(found) < 2.5 * phase


@every_engine
def test_two_modes_explain_more_than_one(name, simulated):
    engine, case = ENGINES[name][0], simulated(modes=2)
    one = run(engine, case, probe=case.start[:1] * np.sqrt(1.5))
    two = run(engine, case)
    assert two[2][-1] < 0.7 * one[2][-1]
    powers = np.sum(np.abs(two[1]) ** 2, axis=(1, 2))
    np.testing.assert_allclose(powers / powers.sum(), [2 / 3, 1 / 3], atol=0.05)


@every_engine
def test_the_probe_can_be_held(name, simulated):
    engine = dataclasses.replace(ENGINES[name][0], probe_start=1000)
    case = simulated()
    np.testing.assert_allclose(run(engine, case)[1], case.start, rtol=1e-6, atol=1e-3)


@pytest.mark.parametrize(
    ("cls", "wrong"),
    [(DifferenceMap, {"beta": 0.0}), (LsqMl, {"momentum": 1.0}), (Rpie, {"object_regularisation": 0.0})],
)
def test_impossible_settings_are_refused(cls, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        cls(**wrong)
