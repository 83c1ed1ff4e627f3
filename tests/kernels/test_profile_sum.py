"""Sums of peaks: area, width and centre of one; the windowed kernel against its reference, in both modes of derivative."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import voigt_profile

from jxrecon.kernels.profile_sum import (
    LANES,
    profile_sum,
    profile_sum_reference,
    pseudo_voigt,
    windows_around,
)

TWO_THETA = np.linspace(8.0, 13.3, 107)
REFERENCE = np.array([8.2, 9.9, 10.3, 12.9])


def problem(voxels=(3, 2), seed=0):
    rng = np.random.default_rng(seed)
    ranges = [(-0.1, 0.1), (0.1, 0.4), (0.0, 1.0), (1.0, 50.0)]
    peaks = tuple(jnp.asarray(rng.uniform(*r, (*voxels, REFERENCE.size))) for r in ranges)
    tangents = tuple(jnp.asarray(rng.normal(size=p.shape)) for p in peaks)
    return peaks, tangents, jnp.asarray(rng.normal(size=(*voxels, TWO_THETA.size)))


def close(found, expected, rtol=1e-11):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.max(np.abs(b)))


@pytest.mark.parametrize("voxels, half_width", [((), 20.0), ((7,), 0.3), ((2, 3), 1.0)])
def test_values_and_both_derivatives_are_those_of_the_reference(float64, voxels, half_width):
    peaks, tangents, cotangent = problem(voxels)
    windows = windows_around(TWO_THETA, REFERENCE, half_width)

    def all_of(function):
        def both(peaks, tangents, cotangent):
            patterns, pushed = jax.jvp(lambda *p: function(*p, windows=windows), peaks, tangents)
            back = jax.vjp(lambda *p: function(*p, windows=windows), *peaks)[1](cotangent)
            return patterns, pushed, back

        return jax.jit(both)(peaks, tangents, cotangent)

    found = all_of(profile_sum)
    close(found, all_of(profile_sum_reference))
    _, pushed, back = found
    np.testing.assert_allclose(
        jnp.vdot(pushed, cotangent), sum(jnp.vdot(a, b) for a, b in zip(back, tangents)), rtol=1e-12
    )


def test_batched_by_vmap_jacobians_and_second_derivatives(float64):
    peaks, tangents, _ = problem((2,))
    windows = windows_around(TWO_THETA, REFERENCE, 0.6)
    target = profile_sum_reference(*peaks, windows=windows) + 1

    def results(function):
        def sum_of(*p):
            return function(*p, windows=windows)

        def loss(p):
            return jnp.sum((sum_of(*p) - target) ** 2 / target)

        one = tuple(p[0] for p in peaks)
        return (
            jax.jit(jax.vmap(sum_of))(*peaks),
            jax.jit(jax.vmap(jax.jacfwd(sum_of, (0, 1, 2, 3))))(*peaks),
            jax.jit(jax.jacrev(sum_of, (0, 1, 2, 3)))(*one),
            jax.jit(jax.vmap(lambda p, t: jax.jvp(sum_of, p, t)[1]))(peaks, tangents),
            jax.jit(lambda p, t: jax.jvp(jax.grad(loss), (p,), (t,))[1])(peaks, tangents),
        )

    close(results(profile_sum), results(profile_sum_reference), rtol=1e-10)


def test_gradient_against_finite_differences(float64):
    peaks, tangents, weights = problem((2,), seed=4)
    windows = windows_around(TWO_THETA, REFERENCE, 2.0)

    @jax.jit
    def loss(peaks):
        return jnp.sum(weights * profile_sum(*peaks, windows=windows))

    gradient = jax.grad(loss)(peaks)
    for k, t in enumerate(tangents):
        ahead, behind = ([p + s * t * (j == k) for j, p in enumerate(peaks)] for s in (1e-6, -1e-6))
        difference = (loss(tuple(ahead)) - loss(tuple(behind))) / 2e-6
        np.testing.assert_allclose(jnp.vdot(gradient[k], t), difference, rtol=1e-6)


@pytest.mark.parametrize("free", range(4))
def test_one_of_the_four_may_be_free(float64, free):
    """Reverse mode where all else is constant, compiled and not."""
    windows = windows_around(np.arange(8.0, 12.0, 0.1), np.array([9.5, 10.0]), 1.0)
    values = [jnp.full((3, 2), v) for v in (0.01, 0.3, 0.5, 2.0)]

    def loss(function, x):
        return jnp.sum(function(*values[:free], x, *values[free + 1 :], windows=windows) ** 2)

    expected = jax.grad(lambda x: loss(profile_sum_reference, x))(values[free])
    for transform in (lambda f: f, jax.jit):
        found = transform(jax.grad(lambda x: loss(profile_sum, x)))(values[free])
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_one_peak_has_its_area_its_width_and_its_centre(float64):
    two_theta = np.arange(-2000, 2001) * 1e-3 + 20
    windows = windows_around(two_theta, np.array([20.0]), 50.0)
    peaks = (jnp.asarray([[v], [v]]) for v in (0.004, 0.05, 0.0, 3.0))
    offset, width, mixing, area = peaks
    mixing = mixing.at[1].set(1.0)
    gaussian, lorentzian = np.asarray(profile_sum(offset, width, mixing, area, windows=windows))
    np.testing.assert_allclose(gaussian.sum() * 1e-3, 3.0, rtol=1e-9)
    np.testing.assert_allclose(
        gaussian, 3 * voigt_profile(two_theta - 20.004, 0.05 / 2.354820045, 0), atol=1e-8
    )
    np.testing.assert_allclose(lorentzian, 3 * voigt_profile(two_theta - 20.004, 0, 0.025), atol=1e-8)
    for pattern in (gaussian, lorentzian):
        half = pattern >= pattern.max() / 2 - 1e-9
        assert two_theta[half].mean() == pytest.approx(20.004, abs=1e-9)
        assert np.ptp(two_theta[half]) == pytest.approx(0.05, abs=1e-9)
    assert float(pseudo_voigt(jnp.asarray(0.025), jnp.asarray(0.05), jnp.asarray(0.3))) == pytest.approx(
        float(pseudo_voigt(jnp.asarray(0.0), jnp.asarray(0.05), jnp.asarray(0.3))) / 2
    )


def test_single_precision_keeps_a_small_shift():
    # 1e-5 degrees at 10 degrees: less than the spacing of float32 numbers there times ten.
    peaks, _, _ = problem((5,), seed=2)
    windows = windows_around(TWO_THETA, REFERENCE, 1.0)
    step = 1e-5
    with jax.enable_x64(True):
        exact = [profile_sum_reference(peaks[0] + s, *peaks[1:], windows=windows) for s in (0, step)]
    single = [jnp.asarray(p, jnp.float32) for p in peaks]
    pushed = jax.jvp(
        jax.jit(lambda offset: profile_sum(offset, *single[1:], windows=windows)),
        single[:1],
        [jnp.full_like(single[0], step)],
    )[1]
    change = np.asarray(exact[1] - exact[0])
    np.testing.assert_allclose(pushed, change, atol=1e-3 * np.abs(change).max())


def test_nothing_of_voxel_by_channel_by_peak_is_kept():
    voxels, channels, count = 1024, 256, 8
    two_theta = np.linspace(5.0, 15.0, channels)
    windows = windows_around(two_theta, np.linspace(6.0, 14.0, count), 0.5)
    shape = jax.ShapeDtypeStruct((voxels, count), jnp.float32)

    def needed(function):
        def loss(*p):
            return jnp.sum(function(*p, windows=windows) ** 2)

        compiled = jax.jit(jax.grad(loss, (0, 1, 2, 3))).lower(shape, shape, shape, shape).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    assert needed(profile_sum) < 5 * voxels * channels * 4
    assert needed(profile_sum_reference) > 8 * voxels * channels * 4


def test_windows():
    windows = windows_around(
        TWO_THETA, np.array([8.0, 10.0, 13.3, 30.0, 2.0]), np.array([0.1, 0.4, 9.0, 1.0, 1.0])
    )
    assert windows.first == (0, 32, 0, 0, 0) and windows.stop == (16, 64, 107, 0, 0)
    assert windows.channels == 107
    for k, reference in ((0, 8.0), (1, 10.0)):
        first, stop = windows.first[k], windows.stop[k]
        assert first % LANES == 0
        np.testing.assert_allclose(windows.distance_deg(k, first, stop), TWO_THETA[first:stop] - reference)
    assert windows == windows_around(
        TWO_THETA, np.array([8.0, 10.0, 13.3, 30.0, 2.0]), np.array([0.1, 0.4, 9, 1, 1])
    )
    assert jax.tree.leaves(windows) == [] and isinstance(hash(windows), int)
    empty = profile_sum(
        *(jnp.ones((2, 5)) for _ in range(4)), windows=windows_around(TWO_THETA, np.full(5, 50.0), 1)
    )
    assert not np.any(empty)
    with pytest.raises(ValueError, match="does not increase"):
        windows_around(TWO_THETA[::-1].copy(), REFERENCE, 1.0)
    with pytest.raises(ValueError, match="above zero"):
        windows_around(TWO_THETA, REFERENCE, 0.0)
