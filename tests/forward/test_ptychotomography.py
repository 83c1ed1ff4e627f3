"""Frames from a volume: against a direct sum, gradients of all unknowns, views together as one by one, thick specimens."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import problems
import pytest

from jxrecon.batches import Batches, batch
from jxrecon.evaluate import predict
from jxrecon.forward.multislice import Multislice, slabs
from jxrecon.forward.ptychotomography import Ptychotomography, canvas_shape, probe_of_view
from jxrecon.measurement import ArrayFrames, Measurement
from jxrecon.noise import Poisson
from jxrecon.objective import DataTerm, Objective
from jxrecon.parameters import Alignment, Parameters, Probe, Volume

VIEWS, FRAMES, SIZE = 3, 4, 12
ANGLES = np.array([0.0, 40.0, 115.0])


def series(regime="far_field", intensity=None):
    rng = np.random.default_rng(2)
    geometry = problems.geometry(16, regime, margin=4 if regime == "near_field" else 0)
    count = VIEWS * FRAMES
    frames = np.ones((count, 16, 16), np.float32) if intensity is None else intensity
    measurement = Measurement(
        frames=ArrayFrames(frames),
        positions_px=rng.uniform(-6, 6, (count, 2)),
        mask=np.ones((16, 16), bool),
        view=np.repeat(np.arange(VIEWS), FRAMES).astype(np.int32),
        specimen=np.arange(VIEWS, dtype=np.int32),
        optics=np.zeros(VIEWS, np.int32),
        angle_deg=ANGLES,
    )
    return geometry, measurement


def unknowns(geometry, measurement, dtype=np.float64, knots=1, absorption=True) -> Parameters:
    rng = np.random.default_rng(1)
    base = problems.unknowns(geometry.probe_shape[0], VIEWS * FRAMES, 2, dtype=dtype)
    real = lambda x: jnp.asarray(x, dtype)  # noqa: E731
    volume = Volume(
        real(rng.uniform(0, 1, (SIZE, SIZE, SIZE - 2))),
        real(rng.uniform(0, 0.1, (SIZE, SIZE, SIZE - 2))) if absorption else None,
        real(0.05),
        real(rng.uniform(0.5, 1, (SIZE, SIZE, SIZE - 2))),
    )
    alignment = Alignment(
        real(np.radians(ANGLES)),
        real(0.02 * rng.normal(size=VIEWS)),
        real(rng.normal(size=(VIEWS, 2))),
        jnp.asarray(measurement.view),
    )
    positions = dataclasses.replace(base.positions, nominal=real(measurement.positions_px))
    scale = 1 + 0.3 * real(rng.normal(size=knots))[:, None, None, None]
    background = None if base.background is None else base.background[:16, :16]
    variations = jnp.repeat(base.probe.variations, knots, axis=0)
    probe = Probe(base.probe.modes * scale, variations, base.probe.weights)
    return Parameters(None, probe, positions, base.flux, background, volume, alignment)


def bound(model, geometry, measurement, noise=None):
    term = DataTerm("scan", model, noise or Poisson())
    return Objective({"data": term}).bind({"scan": (geometry, measurement)})


def rows_of(geometry, measurement, views_per_step):
    """The batches of an epoch. Without the background thread, which knows nothing of a test's precision."""
    batches = Batches({"scan": (geometry, measurement)}, FRAMES, views_per_step, dtype=np.float64)
    chunk = next(batches._chunks(0, 1))
    steps, block = chunk.steps["scan"], chunk.blocks["scan"]
    return [batch(block, jax.tree.map(lambda x, i=i: x[i], steps)) for i in range(len(steps.scale))]


def direct_frame(model, parameters, geometry, j):
    """Frame j in NumPy, with nothing but sums: rotated volume by its footprint matrix, transmission, probe, transform."""
    view = int(np.asarray(parameters.alignment.view)[j])
    angle = float(parameters.alignment.angle[view] + parameters.alignment.rotation[view])
    density, absorbing = (
        np.asarray(x) for x in (parameters.volume.electron_density(), parameters.volume.absorbing_density())
    )
    rows, width = model.canvas
    c, s = np.cos(angle), np.sin(angle)
    y, x = (np.arange(n) - (n - 1) / 2 for n in density.shape[:2])
    u = x * c + y[:, None] * s + width // 2
    a = max(abs(c), abs(s))
    weight = np.maximum(1 - np.abs(np.arange(width)[:, None, None] - u) / a, 0) / a
    images = [np.einsum("uyx,yxz->zu", weight, part) for part in (density, absorbing)]
    full = np.zeros((2, rows, width))
    first = rows // 2 - density.shape[2] // 2
    full[:, first : first + density.shape[2]] = images
    transmission = np.exp(-1j * model.phase * full[0] - model.electron * full[1])
    centre = np.asarray(parameters.positions())[j] - np.asarray(parameters.alignment.shift)[view]
    nearest = np.round(centre).astype(int)
    n = geometry.probe_shape[0]
    corner = [size // 2 - n // 2 + k for size, k in zip(model.canvas, nearest)]
    patch = transmission[corner[0] : corner[0] + n, corner[1] : corner[1] + n]
    modes = np.asarray(parameters.probe.modes[0])
    weights = np.asarray(parameters.probe.weights[j])
    modes = modes + np.tensordot(weights, np.asarray(parameters.probe.variations[0]), 1)
    f = np.fft.fftfreq(n)
    ramp = np.exp(-2j * np.pi * (f[:, None] * (centre - nearest)[0] + f * (centre - nearest)[1]))
    moved = np.fft.ifft2(np.fft.fft2(modes) * ramp)
    counts = np.sum(np.abs(np.fft.fft2(moved * patch, norm="ortho")) ** 2, axis=0)
    return float(parameters.flux[j]) * (counts + np.asarray(parameters.background) ** 2)


def test_frames_are_those_of_a_direct_sum(float64):
    geometry, measurement = series()
    parameters = unknowns(geometry, measurement)
    model = Ptychotomography().bind(geometry, measurement)
    for j in (0, 5, 11):
        found = predict(model, parameters, jnp.asarray(measurement.view[j]), jnp.asarray([j]))[0]
        expected = direct_frame(model, parameters, geometry, j)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * expected.max())


@pytest.mark.parametrize("regime", ["far_field", "near_field"])
@pytest.mark.parametrize("kind", ["thin", "thick", "tilted"])
def test_gradients_of_all_unknowns(float64, regime, kind):
    if (regime, kind) in (("near_field", "tilted"), ("near_field", "thick")):
        pytest.skip("the regime and the volume's part are tested apart from each other")
    geometry, measurement = series(regime)
    parameters = unknowns(geometry, measurement, knots=2 if kind == "thin" else 1)
    if kind == "tilted":
        tilt = jnp.asarray(np.random.default_rng(3).uniform(-0.1, 0.1, (VIEWS, 2)))
        parameters = eqx.tree_at(lambda p: p.alignment.tilt, parameters, tilt, is_leaf=lambda x: x is None)
    model = Multislice(depth=SIZE, slices=3) if kind == "thick" else Ptychotomography()
    made = bound(model, geometry, measurement)
    here = {"scan": rows_of(geometry, measurement, VIEWS)[0]}
    free, fixed = eqx.partition(parameters, eqx.is_inexact_array)
    loss = jax.jit(lambda free: made(eqx.combine(free, fixed), here)[0])
    gradient = jax.jit(jax.grad(loss))(free)
    rng = np.random.default_rng(0)
    names = [jax.tree_util.keystr(p) for p, _ in jax.tree_util.tree_leaves_with_path(free)]
    leaves, structure = jax.tree.flatten(free)
    for k, (name, leaf) in enumerate(zip(names, leaves)):
        direction = rng.normal(size=leaf.shape)
        if jnp.iscomplexobj(leaf):
            direction = direction + 1j * rng.normal(size=leaf.shape)
        step = 1e-6 * float(jnp.max(jnp.abs(leaf)))
        ends = [
            loss(jax.tree.unflatten(structure, leaves[:k] + [leaf + s * step * direction] + leaves[k + 1 :]))
            for s in (1, -1)
        ]
        central = (ends[0] - ends[1]) / (2 * step)
        # JAX gives dL/dx - i dL/dy
        mine = jnp.sum((jax.tree.leaves(gradient)[k] * direction).real)
        np.testing.assert_allclose(mine, central, rtol=2e-5, atol=1e-7 * abs(float(ends[0])), err_msg=name)


def test_an_axis_that_may_tilt_but_stands_upright_changes_nothing(float64):
    geometry, measurement = series()
    upright = unknowns(geometry, measurement)
    tilt = jnp.zeros((VIEWS, 2))
    may_tilt = eqx.tree_at(lambda p: p.alignment.tilt, upright, tilt, is_leaf=lambda x: x is None)
    model = Ptychotomography().bind(geometry, measurement)
    a, b = (predict(model, p, jnp.asarray(1), jnp.asarray([5])) for p in (upright, may_tilt))
    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * float(a.max()))


def test_views_together_are_the_sum_of_single_ones(float64):
    geometry, measurement = series()
    parameters = unknowns(geometry, measurement)
    made = bound(Ptychotomography(), geometry, measurement)

    def total(views_per_step):
        rows = rows_of(geometry, measurement, views_per_step)
        return sum(float(made(parameters, {"scan": row})[0] / row.scale) for row in rows)

    assert total(3) == pytest.approx(total(1), rel=1e-12)
    assert total(2) == pytest.approx(total(1), rel=1e-12)


def test_a_thin_specimen_in_slices_is_one_in_a_single_slice(float64):
    geometry, measurement = series()
    parameters = unknowns(geometry, measurement)
    thin = Ptychotomography().bind(geometry, measurement)
    thick = Multislice(depth=SIZE, slices=4).bind(geometry, measurement)
    assert min(thick.fresnel_number) > 1  # 12 voxels are far thinner than the depth of field
    j, view = jnp.asarray([5]), jnp.asarray(measurement.view[5])
    a, b = (np.asarray(predict(m, parameters, view, j)) for m in (thin, thick))
    assert 0 < np.abs(a - b).max() < 0.05 * a.max()


def test_slabs_share_every_voxel_out():
    shares = np.asarray(slabs(jnp.asarray(0.7), (10, 12), 14, 5))
    np.testing.assert_allclose(shares.sum(axis=0), 1, rtol=1e-6)
    assert shares.min() >= 0 and shares.shape == (5, 10, 12)


def test_the_probe_drifts_between_its_knots():
    modes = jnp.asarray([[[[1.0]]], [[[3.0]]], [[[4.0]]]], jnp.complex64)
    found = [float(probe_of_view(Probe(modes), jnp.asarray(v), 5).modes.real[0, 0, 0, 0]) for v in range(5)]
    assert found == pytest.approx([1, 2, 3, 3.5, 4])


def test_the_canvas_holds_every_window():
    geometry, measurement = series()
    shape = canvas_shape(measurement, geometry)
    reach = np.abs(measurement.positions_px).max(axis=0) + 8
    assert all(n % 2 == 0 and n // 2 >= r + 15 for n, r in zip(shape, reach))
