"""First guesses of a volume: what they start from, how the chain's counts meet the joint problem's, halves of a tilt series."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import problems
import pytest

from jxrecon.errors import InputError
from jxrecon.gauge import without_translation, without_view_means
from jxrecon.halves import half, same_specimen
from jxrecon.initial.chain import Chain, middle_of
from jxrecon.initial.flat_volume import FlatVolume, upright
from jxrecon.initial.guess import nominal_positions
from jxrecon.measurement import ArrayFrames, Measurement
from jxrecon.truth import displacement


def series(views=4, frames=3):
    rng = np.random.default_rng(0)
    count = views * frames
    geometry = problems.geometry(16)
    measurement = Measurement(
        frames=ArrayFrames(rng.poisson(5, (count, 16, 16)).astype(np.float32)),
        positions_px=rng.uniform(-6, 6, (count, 2)),
        mask=np.ones((16, 16), bool),
        view=np.repeat(np.arange(views), frames).astype(np.int32),
        specimen=np.arange(views, dtype=np.int32),
        optics=np.zeros(views, np.int32),
        angle_deg=np.arange(views) * 40.0,
        probe=problems.probe(16, 1).astype(np.complex64),
    )
    return geometry, measurement


def test_a_flat_volume_is_empty_inside_a_cylinder_of_air():
    made = FlatVolume(size=10, softness=0.02, support=1.0)(*series())
    density = np.asarray(made.volume.electron_density())
    assert made.object is None and density.shape == (10, 10, 10)
    assert density[0, 0].max() == 0 and density[5, 5] == pytest.approx(0.1 * 0.02, rel=1e-3)
    np.testing.assert_allclose(made.alignment.angle, np.radians([0, 40, 80, 120]), rtol=1e-6)
    assert made.alignment.tilt is None and not np.any(np.asarray(made.alignment.shift))


def test_densities_given_to_a_volume_come_back():
    density = np.random.default_rng(1).uniform(0.2, 1, (6, 6, 5))
    volume = FlatVolume(support=None, absorption=True).volume(density, 0.05 * density + 0.05)
    np.testing.assert_allclose(volume.electron_density(), density, rtol=1e-5)
    np.testing.assert_allclose(volume.absorbing_density(), 0.05 * density + 0.05, rtol=1e-5)


def test_views_of_one_angle_make_no_volume():
    geometry, measurement = series()
    with pytest.raises(InputError, match="all at 0 degrees"):
        FlatVolume(size=8)(geometry, dataclasses.replace(measurement, angle_deg=np.zeros(4)))


def test_two_flat_halves_are_no_common_start():
    geometry, measurement = series(6)
    halves = [half(measurement, k) for k in (0, 1)]
    assert [list(h.angle_deg) for h in halves] == [[0, 80, 160], [40, 120, 200]]
    assert all(h.scan_count == 9 and list(np.unique(h.view)) == [0, 1, 2] for h in halves)
    a, b = (FlatVolume(size=8)(geometry, h) for h in halves)
    assert not same_specimen(a, b)


def test_the_chain_moves_mean_corrections_into_the_alignment():
    _, measurement = series()
    own = np.random.default_rng(2).normal(size=(12, 2))
    positions = dataclasses.replace(nominal_positions(measurement), shift=jnp.asarray(own, jnp.float32))
    found = np.random.default_rng(3).normal(size=(4, 2))
    placed, alignment = Chain()._placed(positions, upright(measurement), found)
    before = own - found[measurement.view]  # where frames look, in the chain's counts
    after = np.asarray(placed.shift) - np.asarray(alignment.shift)[measurement.view]
    np.testing.assert_allclose(after - before, np.broadcast_to([0, 0.5], (12, 2)), atol=1e-5)
    assert np.abs(np.asarray(placed.shift).reshape(4, 3, 2).mean(axis=1)).max() < 1e-6


def test_middle_of_crops_and_pads_about_the_middle():
    volume = np.arange(4 * 4 * 4.0).reshape(4, 4, 4)
    np.testing.assert_array_equal(middle_of(volume, (2, 4, 4)), volume[1:3])
    padded = middle_of(volume, (4, 6, 4))
    np.testing.assert_array_equal(padded[:, 1:5], volume)
    assert padded.sum() == volume.sum()


def test_gauges_of_a_series():
    angle = jnp.linspace(0, 3, 7)
    translation = jnp.stack([jnp.full(7, 0.3), 0.5 * jnp.cos(angle) - 0.2 * jnp.sin(angle)], axis=1)
    np.testing.assert_allclose(without_translation(translation, angle), 0, atol=1e-5)
    offset = jnp.stack([jnp.zeros(7), jnp.ones(7)], axis=1)  # the axis's own place is seen
    assert float(jnp.abs(without_translation(offset, angle)).max()) > 0.05
    view = jnp.asarray([0, 0, 1, 1, 1])
    change = without_view_means(jnp.arange(10.0).reshape(5, 2), view, 2)
    np.testing.assert_allclose(change[:2].sum(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(change[2:].sum(axis=0), 0, atol=1e-6)


def test_displacement_adds_what_frames_cannot_tell_apart():
    geometry, measurement = series()
    made = FlatVolume(size=8)(geometry, measurement)
    still = displacement(made)
    shifted = dataclasses.replace(made.alignment, shift=jnp.ones((4, 2)))
    moved = dataclasses.replace(made.positions, shift=-jnp.ones((12, 2)))
    for other in (
        dataclasses.replace(made, alignment=shifted),
        dataclasses.replace(made, positions=moved),
    ):
        np.testing.assert_allclose(displacement(other) - still, 1, atol=1e-5)
    rolled = dataclasses.replace(made.probe, modes=jnp.roll(made.probe.modes, -1, axis=(-2, -1)))
    np.testing.assert_allclose(displacement(dataclasses.replace(made, probe=rolled)) - still, 1, atol=0.2)
