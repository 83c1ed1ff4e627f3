"""What the data cannot tell: removed without changing a frame."""

import jax.numpy as jnp
import numpy as np
import problems

from jxrecon.gauge import with_clear_specimen, without_gauge, without_trend


def test_the_clearest_part_becomes_1_and_no_frame_changes(float64):
    parameters, setup = problems.unknowns(), problems.geometry()
    size = parameters.object.shape[1:]
    region = np.ones(size, bool)
    clear = with_clear_specimen(parameters, region)
    np.testing.assert_allclose(np.percentile(np.abs(clear.object[0]), 95), 1, rtol=1e-9)
    model = problems.model(parameters, setup)
    before, after = problems.predicted(model, parameters), problems.predicted(model, clear)
    np.testing.assert_allclose(after, before, rtol=1e-9, atol=1e-9 * before.max())
    assert not np.allclose(clear.object, parameters.object)


def test_a_trend_is_what_is_removed(float64):
    rng = np.random.default_rng(0)
    nominal = jnp.asarray(rng.normal(size=(30, 2)))
    residue = rng.normal(size=(30, 2))
    trend = nominal @ jnp.asarray([[0.3, -0.1], [0.2, 0.5]]) + jnp.asarray([1.0, -2.0])
    with_, without = (without_trend(jnp.asarray(residue) + t, nominal, True) for t in (trend, 0.0))
    np.testing.assert_allclose(with_, without, atol=1e-4)
    mean_only = without_trend(jnp.asarray(residue) + 3.0, nominal, False)
    np.testing.assert_allclose(mean_only, residue - residue.mean(0), atol=1e-12)


def test_updates_of_shift_and_flux_keep_their_mean(float64):
    parameters = problems.unknowns()
    left = without_gauge(parameters, parameters)
    np.testing.assert_allclose(np.mean(left.positions.shift, 0), 0, atol=1e-12)
    np.testing.assert_allclose(np.mean(left.flux), 0, atol=1e-12)
