"""The ray transform against analytic line integrals, its reference, its transpose and finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jxrecon.kernels.ray_transform import back_project, project, smear
from jxrecon.kernels.rotate_and_sum import project_reference

CALLBACKS = ("xla_python_cpu_callback", "xla_ffi_python_cpu_callback", "callback")
# Both marching directions, all quadrants, the diagonal, beyond pi and below zero.
ANGLES = [0.0, 0.3, np.pi / 4, 1.2, np.pi / 2, 2.0, 3 * np.pi / 4, 3.0, 4.5, 7.0, -0.7, -2.5]


def draw(shape, angles, width, seed=0, dtype=np.float64):
    """Random volume, projections and shifts."""
    rng = np.random.default_rng(seed)
    volume, projections = rng.normal(size=shape), rng.normal(size=(len(angles), width, shape[2]))
    shift = rng.uniform(-3, 3, len(angles))
    return tuple(jnp.asarray(x, dtype) for x in (volume, projections, np.asarray(angles), shift))


def mismatch(left, right, *norms):
    return abs(left - right) / np.prod([np.linalg.norm(np.asarray(x, np.float64)) for x in norms])


def dot(a, b):
    return np.vdot(np.asarray(a, np.float64), np.asarray(b, np.float64))


def dot_test(shape, angles, width, dtype=np.float64, shift=None):
    """Worst mismatch of <A v, p> and <v, A^T p> over single views, and over all together."""
    volume, projections, angle, drawn = draw(shape, angles, width, dtype=dtype)
    shift = drawn if shift is None else jnp.asarray(shift, dtype)
    forward = project(volume, angle, shift, width=width)
    found = []
    for view in [slice(None), *(slice(k, k + 1) for k in range(len(angles)))]:
        part = jnp.zeros_like(projections).at[view].set(projections[view])
        back = back_project(part, angle, shift, shape=shape[:2])
        found += [mismatch(dot(forward, part), dot(volume, back), forward[view], projections[view])]
    assert forward.dtype == back.dtype == dtype
    return max(found)


# Every angle with every shift.
VIEWS = np.asarray([(angle, shift) for angle in ANGLES for shift in (0.0, 0.5, -7.3)]).T
CASES = [((20, 20, 5), 9), ((20, 20, 5), 20), ((20, 20, 5), 37), ((13, 24, 3), 20), ((24, 13, 1), 25)]


@pytest.mark.parametrize("shape, width", CASES[::2])
def test_back_project_is_the_transpose_in_single_precision(shape, width):
    assert dot_test(shape, VIEWS[0], width, np.float32, VIEWS[1]) < 1e-6


@pytest.mark.parametrize("shape, width", CASES)
def test_back_project_is_the_transpose_in_double_precision(float64, shape, width):
    assert dot_test(shape, VIEWS[0], width, np.float64, VIEWS[1]) < 1e-12


@pytest.mark.parametrize("count", [1, 5])
def test_any_number_of_views(float64, count):
    assert dot_test((12, 11, 4), np.linspace(-1, 9, count), 14) < 1e-12


@pytest.mark.parametrize("shape, views", [((35, 30, 515), 33), ((17, 16, 2), 17)])
def test_blocks_that_do_not_divide_the_volume_overlap_without_a_trace(float64, shape, views):
    """More rows, views and slices than one block: as slice by slice, and still the transpose."""
    volume, projections, angle, shift = draw(shape, np.linspace(0, 3, views), 30)
    whole = project(volume, angle, shift, width=30)
    back = back_project(projections, angle, shift, shape=shape[:2])
    assert mismatch(dot(whole, projections), dot(volume, back), whole, projections) < 1e-12
    for z in (0, shape[2] // 2, shape[2] - 1):
        here = slice(z, z + 1)
        single = project(volume[..., here], angle, shift, width=30)
        np.testing.assert_allclose(whole[..., here], single, atol=1e-12)
        single = back_project(projections[..., here], angle, shift, shape=shape[:2])
        np.testing.assert_allclose(back[..., here], single, atol=1e-12)


def test_smeared_projections_are_read_by_linear_interpolation(float64):
    _, projections, angle, shift = draw((9, 12, 2), ANGLES, 17)
    y, x = np.mgrid[:9, :12] - np.asarray([4, 5.5])[:, None, None]
    expected = np.zeros((9, 12, 2))
    for view, a, s in zip(np.pad(projections, ((0, 0), (1, 1), (0, 0))), angle, shift):
        place = x * np.cos(a) + y * np.sin(a) + s + 8
        expected += np.stack([np.interp(place, np.arange(-1, 18), column) for column in view.T], axis=-1)
    np.testing.assert_allclose(smear(projections, angle, shift, shape=(9, 12)), expected, atol=1e-12)


def gaussians(size, slices, width, angle, shift, seed=1):
    """Volume of a few off-centre Gaussians, and their line integrals by formula."""
    rng = np.random.default_rng(seed)
    volume, projections = np.zeros((size, size, slices)), np.zeros((len(angle), width, slices))
    axis, u = np.arange(size) - (size - 1) / 2, np.arange(width) - (width - 1) / 2
    for _ in range(5):
        x0, y0 = rng.uniform(-0.25, 0.25, 2) * size
        sigma, peak = rng.uniform(2.5, 4), rng.uniform(0.5, 1, slices)
        plane = np.exp(-((axis[:, None] - y0) ** 2 + (axis - x0) ** 2) / (2 * sigma**2))
        middle = x0 * np.cos(angle) + y0 * np.sin(angle) + shift
        rays = np.sqrt(2 * np.pi) * sigma * np.exp(-((u - middle[:, None]) ** 2) / (2 * sigma**2))
        volume += plane[..., None] * peak
        projections += rays[..., None] * peak
    return volume, projections


@pytest.mark.parametrize("function", [project, project_reference], ids=["fast", "reference"])
def test_projections_are_the_line_integrals_of_gaussians(float64, function):
    angle = np.asarray([*ANGLES, *np.linspace(0, np.pi, 40)])
    shift = np.random.default_rng(0).uniform(-4, 4, len(angle))
    volume, exact = gaussians(64, 3, 71, angle, shift)
    found = function(jnp.asarray(volume), jnp.asarray(angle), jnp.asarray(shift), width=71)
    assert np.linalg.norm(found - exact) / np.linalg.norm(exact) < 0.012  # sigma of 2.5 to 4 voxels
    # Area is kept ray by ray on the average: nothing is lost between the taps.
    np.testing.assert_allclose(np.sum(found, 1), np.sum(exact, 1), rtol=2e-3)


def test_fast_and_reference_agree_in_values_and_gradients(float64):
    angle, shift = np.asarray(ANGLES) + 0.01, np.random.default_rng(0).uniform(-4, 4, len(ANGLES))
    volume, _ = gaussians(48, 2, 51, angle, shift)
    target = jnp.asarray(gaussians(48, 2, 51, angle, shift, seed=2)[1])

    def loss(volume, angle, shift, function):
        return jnp.sum((function(volume, angle, shift, width=51) - target) ** 2)

    arguments = [jnp.asarray(x) for x in (volume, angle, shift)]
    fast, reference = (
        jax.value_and_grad(loss, argnums=(0, 1, 2))(*arguments, function)
        for function in (project, project_reference)
    )
    np.testing.assert_allclose(fast[0], reference[0], rtol=0.02)
    # Voxel by voxel the transposes are rough in their own ways; along a smooth change of the volume they agree.
    smooth = gaussians(48, 2, 51, angle, shift, seed=3)[0]
    along = [jnp.vdot(gradient[0], smooth) for _, gradient in (fast, reference)]
    np.testing.assert_allclose(*along, rtol=0.02)
    for found, expected in zip(fast[1][1:], reference[1][1:]):
        assert np.linalg.norm(found - expected) < 0.03 * np.linalg.norm(expected)


def central(function, x, direction, step):
    return (function(x + step * direction) - function(x - step * direction)) / (2 * step)


@pytest.mark.parametrize("shape", [(13, 24, 3), (24, 13, 1)])
@pytest.mark.parametrize("transposed", [False, True], ids=["project", "back_project"])
def test_gradients_are_finite_differences(float64, shape, transposed):
    """For the volume or the projections, and every single angle and shift (away from the kinks at 45 degrees)."""
    angles = [a + 0.013 for a in ANGLES]
    volume, projections, angle, shift = draw(shape, angles, 21)

    def value(image, angle, shift):
        if transposed:
            return jnp.sum(back_project(image, angle, shift, shape=shape[:2]) * volume)
        return jnp.sum(project(image, angle, shift, width=21) * projections)

    image = projections if transposed else volume
    gradient = jax.grad(value, argnums=(0, 1, 2))(image, angle, shift)
    direction = jnp.asarray(np.random.default_rng(5).normal(size=image.shape))
    expected = central(lambda image: value(image, angle, shift), image, direction, 1e-3)
    np.testing.assert_allclose(jnp.vdot(gradient[0], direction), expected, rtol=1e-8)
    value = jax.jit(value)
    for k, unit in enumerate(jnp.eye(len(angles))):
        by_angle = central(lambda angle: value(image, angle, shift), angle, unit, 1e-6)
        by_shift = central(lambda shift: value(image, angle, shift), shift, unit, 1e-6)
        np.testing.assert_allclose(gradient[1][k], by_angle, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(gradient[2][k], by_shift, rtol=1e-5, atol=1e-6)


def test_mixed_second_derivatives_are_finite_differences(float64):
    volume, projections, angle, shift = draw((12, 11, 3), [0.4, 1.9, -0.6], 13)

    def slope(volume):
        def loss(shift):
            return jnp.sum((project(volume, angle, shift, width=13) - projections) ** 2)

        return jnp.sum(jax.grad(loss)(shift))

    direction = jnp.asarray(np.random.default_rng(5).normal(size=volume.shape))
    expected = central(slope, volume, direction, 1e-4)
    np.testing.assert_allclose(jnp.vdot(jax.grad(slope)(volume), direction), expected, rtol=1e-6)


def test_the_geometry_s_gradient_costs_nothing_where_it_is_not_wanted():
    volume, projections, angle, shift = draw((16, 16, 8), ANGLES, 16, dtype=np.float32)

    def work(argnums):
        def value(volume, angle, shift):
            return jnp.vdot(project(volume, angle, shift, width=16), projections)

        text = jax.jit(jax.grad(value, argnums)).lower(volume, angle, shift).compile().as_text()
        return text.count(" while(")

    loops = [work(argnums) for argnums in ((0,), (1,), (2,), (0, 1, 2))]
    assert loops[0] == loops[1] == loops[2] and loops[3] == 3 * loops[0]


def test_memory_is_the_output_and_blocks():
    volume, projections, angle, shift = draw((64, 64, 64), np.linspace(0, 3, 64), 64, dtype=np.float32)
    forward = jax.jit(lambda volume: project(volume, angle, shift, width=64)).lower(volume)
    back = jax.jit(lambda p: back_project(p, angle, shift, shape=(64, 64))).lower(projections)
    for compiled in (forward.compile(), back.compile()):
        assert compiled.memory_analysis().temp_size_in_bytes < 1.5 * volume.size * 4


@pytest.mark.parametrize("argnums", [0, 1, 2])
def test_it_lowers_for_a_gpu(argnums):
    volume, projections, angle, shift = draw((16, 16, 8), ANGLES, 16, dtype=np.float32)

    def both(volume, angle, shift):
        forward = project(volume, angle, shift, width=16) * projections
        return jnp.sum(back_project(forward, angle, shift, shape=(16, 16)) * volume)

    gradient = jax.jit(jax.grad(both, argnums))
    text = jax.export.export(gradient, platforms=["cuda"])(volume, angle, shift).mlir_module()
    assert "stablehlo.while" in text and not any(word in text for word in CALLBACKS)
    assert "stablehlo.scatter" not in text
