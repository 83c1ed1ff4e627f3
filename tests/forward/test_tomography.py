"""Projections with every alignment: transpose, finite differences, and Gaussians that project by formula."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jxrecon.forward.tomography import back_project_views, project_views
from jxrecon.kernels.columns import read_columns, write_columns

ANGLES = [0.0, 0.4, np.pi / 4, 1.4, np.pi / 2, 2.9, 3.7, -1.0]
TILTS = {"upright": (), "roll": ("roll",), "pitch": ("pitch",), "both": ("roll", "pitch")}
SIZE = (9, 12, 11)  # z, y, x


def geometry(names, angles=ANGLES, seed=0, dtype=np.float64, largest=0.5):
    """Keyword arguments `names` of `project_views`, drawn for each view."""
    rng = np.random.default_rng(seed)
    count = len(angles)
    drawn = {
        "shift": rng.uniform(-2, 2, (count, 2)),
        "roll": rng.uniform(-largest, largest, count),
        "pitch": rng.uniform(-largest, largest, count),
    }
    drawn = {name: jnp.asarray(drawn[name], dtype) for name in names}
    return {"angle": jnp.asarray(angles, dtype), **drawn}


COMBINATIONS = {
    "-".join((*shift, name)): (*shift, *tilt) for shift in ((), ("shift",)) for name, tilt in TILTS.items()
}
shifted = pytest.mark.parametrize("names", [("shift", *tilt) for tilt in TILTS.values()], ids=list(TILTS))
every_combination = pytest.mark.parametrize("names", list(COMBINATIONS.values()), ids=list(COMBINATIONS))


def mismatches(names, dtype, detector=(10, 14)):
    """|<A v, p> - <v, A'p>| over the norms, for single views and for all."""
    rng = np.random.default_rng(1)
    where = geometry(names, dtype=dtype)
    volume = jnp.asarray(rng.normal(size=SIZE), dtype)
    projections = jnp.asarray(rng.normal(size=(len(ANGLES), *detector)), dtype)
    forward = jax.jit(lambda volume: project_views(volume, **where, shape=detector))(volume)
    back_project = jax.jit(lambda p: back_project_views(p, **where, shape=SIZE))
    assert forward.dtype == dtype and forward.shape == projections.shape
    for view in [slice(None), *(slice(k, k + 1) for k in range(len(ANGLES)))]:
        part = jnp.zeros_like(projections).at[view].set(projections[view])
        back = back_project(part)
        assert back.dtype == dtype
        left, right = (
            np.vdot(*(np.asarray(x, float) for x in xs)) for xs in ((forward, part), (volume, back))
        )
        yield abs(float(left) - float(right)) / (
            np.linalg.norm(forward[view]) * np.linalg.norm(projections[view])
        )


@every_combination
def test_back_projection_is_the_transpose_in_double_precision(float64, names):
    assert max(mismatches(names, np.float64)) < 1e-12


@every_combination
def test_back_projection_is_the_transpose_in_single_precision(names):
    assert max(mismatches(names, np.float32)) < 1e-6


@shifted
def test_gradients_are_finite_differences(float64, names):
    rng = np.random.default_rng(2)
    where = geometry(names, angles=[0.3, 1.2, -2.2])
    volume = jnp.asarray(rng.normal(size=SIZE))
    target = jnp.asarray(rng.normal(size=(3, 10, 14)))

    @jax.jit
    @jax.value_and_grad
    def loss(arguments):
        return jnp.sum((project_views(**arguments, shape=(10, 14)) - target) ** 2)

    here = {"volume": volume, **where}
    gradient = loss(here)[1]
    for name, values in here.items():
        for _ in range(3):
            direction = jnp.asarray(rng.normal(size=values.shape))
            step = 1e-6
            ahead, behind = ({**here, name: values + s * direction} for s in (step, -step))
            expected = (loss(ahead)[0] - loss(behind)[0]) / (2 * step)
            np.testing.assert_allclose(jnp.vdot(gradient[name], direction), expected, rtol=2e-6, err_msg=name)


def gaussians(size, detector, angle, shift=None, roll=None, pitch=None):
    """Off-centre Gaussians as a volume, and their projections by formula."""
    rng = np.random.default_rng(3)
    shift = np.zeros((len(angle), 2)) if shift is None else shift
    roll, pitch = (np.zeros(len(angle)) if a is None else np.asarray(a) for a in (roll, pitch))
    volume, projections = np.zeros(size), np.zeros((len(angle), *detector))
    z, y, x = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in size), indexing="ij")
    v, u = (np.arange(n) - (n - 1) / 2 for n in detector)
    for _ in range(4):
        z0, y0, x0 = rng.uniform(-0.2, 0.2, 3) * size
        sigma, peak = rng.uniform(3, 4), rng.uniform(0.5, 1)
        volume += peak * np.exp(-((x - x0) ** 2 + (y - y0) ** 2 + (z - z0) ** 2) / (2 * sigma**2))
        across, depth = x0 * np.cos(angle) + y0 * np.sin(angle), y0 * np.cos(angle) - x0 * np.sin(angle)
        along = z0 * np.cos(pitch) - depth * np.sin(pitch)
        u0 = across * np.cos(roll) - along * np.sin(roll) + shift[:, 1]
        v0 = across * np.sin(roll) + along * np.cos(roll) + shift[:, 0]
        square = (v[:, None] - v0[:, None, None]) ** 2 + (u - u0[:, None, None]) ** 2
        projections += peak * np.sqrt(2 * np.pi) * sigma * np.exp(-square / (2 * sigma**2))
    return volume, projections


@shifted
def test_gaussians_project_by_formula(float64, names):
    where = geometry(names, angles=np.linspace(-3, 3, 7))
    volume, exact = gaussians((40, 44, 42), (46, 48), **{k: np.asarray(x) for k, x in where.items()})
    found = project_views(jnp.asarray(volume), **where, shape=(46, 48))
    assert np.linalg.norm(found - exact) < 0.02 * np.linalg.norm(
        exact
    )  # 3 to 4 voxels, up to three interpolations


def test_zero_tilts_and_shifts_change_nothing(float64):
    where = geometry(())
    volume = jnp.asarray(np.random.default_rng(0).normal(size=SIZE))
    zero = jnp.zeros(len(ANGLES))
    plain = project_views(volume, **where, shape=(9, 15))
    tilted = project_views(
        volume, **where, shift=jnp.zeros((len(ANGLES), 2)), roll=zero, pitch=zero, shape=(9, 15)
    )
    np.testing.assert_allclose(tilted, plain, atol=1e-12)


def test_a_leaning_axis_keeps_nothing_per_view_for_the_way_back():
    where = geometry(("pitch",), angles=np.linspace(0, 3, 40), dtype=np.float32)
    volume = jnp.ones((32, 32, 32))
    loss = jax.jit(jax.grad(lambda volume: jnp.sum(project_views(volume, **where) ** 2)))
    temporary = loss.lower(volume).compile().memory_analysis().temp_size_in_bytes
    assert temporary < 12 * volume.size * 4  # forty views of 32^3, kept, would be forty such volumes


def test_every_alignment_at_once_lowers_for_a_gpu():
    where = geometry(("shift", "roll", "pitch"), dtype=np.float32)
    gradient = jax.jit(jax.grad(lambda where, volume: jnp.sum(project_views(volume, **where) ** 2), (0, 1)))
    text = jax.export.export(gradient, platforms=["cuda"])(where, jnp.ones(SIZE)).mlir_module()
    assert "stablehlo.while" in text and "callback" not in text


@pytest.mark.parametrize("shape, size", [((4, 3), 9), ((5,), 16), ((1,), 1)])
@pytest.mark.parametrize("depth", [1, 8, 23])
def test_columns_and_their_transpose(float64, shape, size, depth):
    rng = np.random.default_rng(4)
    columns, results = (jnp.asarray(rng.normal(size=(*shape, n))) for n in (size, depth))
    scale, offset = (jnp.asarray(rng.uniform(*ends, shape)) for ends in ((1, 2), (-5, 5)))
    read = read_columns(columns, scale, offset, depth=depth)
    write = write_columns(results, scale, offset, size=size)
    np.testing.assert_allclose(jnp.vdot(read, results), jnp.vdot(columns, write), rtol=1e-12)
    place = scale[..., None] * (np.arange(depth) - (depth - 1) / 2) + offset[..., None] + (size - 1) / 2
    padded = np.pad(columns.reshape(-1, size), ((0, 0), (1, 1)))
    expected = [np.interp(p, np.arange(-1, size + 1), c) for p, c in zip(place.reshape(-1, depth), padded)]
    np.testing.assert_allclose(read.reshape(-1, depth), expected, atol=1e-13)
