"""The accumulated gradient against plain autodiff, and what it may cost in memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jxrecon.kernels.accumulate import accumulate, accumulate_reference, accumulate_views

WINDOW = (8, 8)


def loss(patch, shared, frame, datum, constants):
    field = jnp.fft.fft2(patch * shared["probe"] * frame)
    return constants * jnp.sum((jnp.abs(field) ** 2 - datum) ** 2)


def problem(seed=0, frames=6, dtype=np.complex128):
    rng = np.random.default_rng(seed)
    field = lambda *shape: jnp.asarray(rng.normal(size=shape) + 1j * rng.normal(size=shape), dtype)  # noqa: E731
    corners = jnp.asarray(rng.integers(0, 12, (frames, 2)))
    data = jnp.asarray(rng.uniform(size=(frames, *WINDOW)))
    weights = jnp.asarray(rng.uniform(size=frames))
    return field(20, 20), corners, {"probe": field(*WINDOW)}, weights, data, jnp.asarray(0.5)


@pytest.mark.parametrize("group", [1, 2, 4, 100])
def test_value_and_gradient_equal_those_of_the_reference(float64, group):
    canvas, corners, shared, frames, data, constant = problem()

    def total(sum_, canvas, shared, frames):
        return sum_(loss, canvas, corners, shared, frames, data, constant, window=WINDOW, group=group)

    fast, slow = (
        jax.value_and_grad(total, argnums=(1, 2, 3))(sum_, canvas, shared, frames)
        for sum_ in (accumulate, accumulate_reference)
    )
    for a, b in zip(jax.tree.leaves(fast), jax.tree.leaves(slow)):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12 * float(jnp.abs(b).max()))


def test_the_reference_has_forward_mode(float64):
    canvas, corners, shared, frames, data, constant = problem()

    def total(canvas):
        return accumulate_reference(loss, canvas, corners, shared, frames, data, constant, window=WINDOW)

    direction = jnp.ones_like(canvas)
    _, tangent = jax.jvp(total, (canvas,), (direction,))
    step = 1e-6
    central = (total(canvas + step * direction) - total(canvas - step * direction)) / (2 * step)
    np.testing.assert_allclose(tangent, central, rtol=1e-7)


def test_memory_grows_by_the_measured_frames_alone():
    def temporary(count: int) -> int:
        arguments = problem(frames=count, dtype=np.complex64)

        def total(canvas, corners, shared, frames, data, constant):
            return accumulate(loss, canvas, corners, shared, frames, data, constant, window=WINDOW)

        gradient = jax.jit(jax.value_and_grad(total, argnums=(0, 2)))
        return gradient.lower(*arguments).compile().memory_analysis().temp_size_in_bytes

    measured_frame = 8 * 8 * 4  # bytes; its exit wave would be twice that, and autodiff keeps several
    assert temporary(640) - temporary(64) < 1.2 * 576 * measured_frame


def test_views_add_up_like_a_python_sum(float64):
    rng = np.random.default_rng(0)
    shared = {"a": jnp.asarray(rng.normal(size=5)), "count": jnp.asarray(3)}
    views, own = jnp.asarray(rng.normal(size=(4, 5))), jnp.asarray(rng.normal(size=(4, 5)))

    def one(shared, own, view, constant):
        return constant * jnp.sum(jnp.sin(shared["a"] * view) * own**2)

    def fast(a, own):
        return accumulate_views(one, {**shared, "a": a}, own, views, jnp.asarray(2.0))

    def plain(a, own):
        return sum(one({"a": a}, part, view, 2.0) for part, view in zip(own, views))

    here = (shared["a"], own)
    np.testing.assert_allclose(fast(*here), plain(*here), rtol=1e-14)
    for found, expected in zip(jax.grad(fast, (0, 1))(*here), jax.grad(plain, (0, 1))(*here)):
        np.testing.assert_allclose(found, expected, rtol=1e-13)


@pytest.mark.parametrize("frames", [1, 5, 7])
def test_frames_that_fill_no_group_are_counted_too(float64, frames):
    canvas, corners, shared, own, data, constant = problem(frames=frames)

    def total(canvas, own, group):
        return accumulate(loss, canvas, corners, shared, own, data, constant, window=WINDOW, group=group)

    by_three, one_by_one = (jax.value_and_grad(total, argnums=(0, 1))(canvas, own, group) for group in (3, 1))
    for a, b in zip(jax.tree.leaves(by_three), jax.tree.leaves(one_by_one)):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12 * float(jnp.abs(b).max()))
