"""Propagation against optics that can be written down: Gaussian beams, Talbot's effect, Parseval, transposes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jxrecon.forward.propagation import far_field, near_field

SHAPE = (96, 80)


def gaussian_beam(shape, waist, fresnel_number):
    """exp(-r^2 / (w^2 (1 + i z / z_R))) / (1 + i z / z_R) per axis, lengths in pixels: z / z_R = 1 / (pi w^2 F)."""
    field = np.ones(shape, complex)
    for axis, (n, number) in enumerate(zip(shape, fresnel_number, strict=True)):
        q = 1 + 1j / (np.pi * waist**2 * number) if np.isfinite(number) else 1.0
        x = np.arange(n) - n // 2
        line = np.exp(-(x**2) / (waist**2 * q)) / np.sqrt(q)
        field = field * np.expand_dims(line, 1 - axis)
    return field


def random_field(seed, shape=SHAPE, dtype=complex):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("fresnel_number", [(0.05, 0.05), (0.02, 0.05), (-0.03, -0.03)])
def test_gaussian_beam(fresnel_number):
    """Waist, curvature and Gouy phase at once, every pixel."""
    start = gaussian_beam((128, 128), 8.0, (np.inf, np.inf))
    expected = gaussian_beam((128, 128), 8.0, fresnel_number)
    found = near_field(jnp.asarray(start), fresnel_number)
    assert np.abs(found - expected).max() < 1e-8


@pytest.mark.usefixtures("float64")
def test_gaussian_beam_grows_and_curves():
    """w(z) = w sqrt(1 + (z / z_R)^2) from the second moment, R(z) = z (1 + (z_R / z)^2) from the phase; R > 0 downstream."""
    number, waist = 0.02, 6.0
    field = np.asarray(
        near_field(jnp.asarray(gaussian_beam((256, 256), waist, (np.inf, np.inf))), (number, number))
    )
    x = np.arange(256) - 128
    ratio = 1 / (np.pi * waist**2 * number)
    line = np.abs(field[128]) ** 2
    width = 2 * np.sqrt(np.sum(x**2 * line) / np.sum(line))
    assert width == pytest.approx(waist * np.sqrt(1 + ratio**2), rel=1e-6)
    phase = np.unwrap(np.angle(field[128, 128:150]))
    # pi x^2 / (lambda R), with lengths in pixels and lambda z = 1 / F
    curvature = np.polyfit(x[128:150], phase - phase[0], 2)[0]
    assert curvature == pytest.approx(np.pi * number / (1 + ratio**-2), rel=1e-6)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("period", [8, 16])
def test_talbot(period):
    """A grating of period a comes back after 2 a^2 / lambda, shifted by half a period after a^2 / lambda."""
    x = np.arange(96)
    grating = np.tile(np.where(x % period < period / 2, 1.0, 0.3 * np.exp(-0.5j)), (4, 1))
    again = near_field(jnp.asarray(grating), (1 / (2 * period**2),) * 2)
    assert np.abs(again - grating).max() < 1e-12
    half = near_field(jnp.asarray(grating), (1 / period**2,) * 2)
    assert np.abs(half - np.roll(grating, period // 2, axis=1)).max() < 1e-12
    quarter = np.asarray(near_field(jnp.asarray(grating), (2 / period**2,) * 2))
    assert np.abs(np.abs(quarter) - np.abs(grating)).max() > 0.1


@pytest.mark.usefixtures("float64")
def test_plane_wave_and_cosine():
    """A wave of frequency f keeps its form and takes the phase -pi f^2 / F: longer waves run ahead of tilted ones."""
    x = np.arange(64)
    wave = np.tile(np.exp(2j * np.pi * 5 / 64 * x), (32, 1))
    found = np.asarray(near_field(jnp.asarray(wave), (0.1, 0.1)))
    assert np.abs(found - wave * np.exp(-1j * np.pi * (5 / 64) ** 2 / 0.1)).max() < 1e-12


@pytest.mark.usefixtures("float64")
def test_fraunhofer_of_a_slit():
    """The far field of a slit of w pixels is w sinc(w f), Dirichlet's kernel, with the beam at the corner."""
    width, n = 9, 64
    slit = np.zeros((1, n), complex)
    slit[0, :width] = 1
    f = np.fft.fftfreq(n)
    with np.errstate(invalid="ignore"):
        kernel = np.where(f == 0, width, np.sin(np.pi * width * f) / np.sin(np.pi * f))
    found = np.abs(np.asarray(far_field(jnp.asarray(slit))))[0]
    assert np.abs(found - np.abs(kernel) / np.sqrt(n)).max() < 1e-12


@pytest.mark.usefixtures("float64")
def test_long_near_field_is_a_far_field():
    """Propagated far enough, a small field takes the form of its Fourier transform, magnified by lambda z."""
    n, waist = 512, 2.0
    start = gaussian_beam((n, n), waist, (np.inf, np.inf)) * np.exp(
        2j * np.pi * 0.05 * (np.arange(n) - n // 2)
    )
    number = 1 / 400  # lambda z = 400 pixels^2
    found = np.asarray(near_field(jnp.asarray(start), (number, number)))
    centre = np.sum(np.abs(found) ** 2, 0) @ (np.arange(n) - n // 2) / np.sum(np.abs(found) ** 2)
    assert centre == pytest.approx(0.05 * 400, rel=1e-6)


PRECISIONS = [(np.complex64, 1e-6), (np.complex128, 1e-12)]
OPERATORS = {
    "far": far_field,
    "near": lambda field: near_field(field, (0.03, 0.07)),
    "back": lambda field: near_field(field, (-0.03, -0.07)),
}


@pytest.mark.parametrize("dtype, tolerance", PRECISIONS)
@pytest.mark.parametrize("name", OPERATORS)
def test_parseval(name, dtype, tolerance):
    with jax.enable_x64(dtype == np.complex128):
        field = random_field(0, dtype=dtype)
        found = np.asarray(OPERATORS[name](jnp.asarray(field)))
        assert found.dtype == dtype
        before, after = np.linalg.norm(field.astype(complex)), np.linalg.norm(found.astype(complex))
        assert after == pytest.approx(before, rel=tolerance)


@pytest.mark.parametrize("dtype, tolerance", PRECISIONS)
@pytest.mark.parametrize("name", OPERATORS)
def test_transpose(name, dtype, tolerance):
    """sum (A x) y = sum x (A^T y) with JAX's own transpose, which the gradients use."""
    with jax.enable_x64(dtype == np.complex128):
        for seed in range(5):
            x, y = (
                jnp.asarray(random_field(seed, dtype=dtype)),
                jnp.asarray(random_field(seed + 99, dtype=dtype)),
            )
            ax = OPERATORS[name](x)
            (aty,) = jax.linear_transpose(OPERATORS[name], x)(y)
            left, right = np.sum(np.asarray(ax, complex) * y), np.sum(np.asarray(aty, complex) * x)
            scale = np.linalg.norm(np.asarray(ax)) * np.linalg.norm(np.asarray(y))
            assert abs(left - right) / scale < tolerance


@pytest.mark.parametrize("dtype, tolerance", PRECISIONS)
def test_adjoint_of_the_near_field_is_the_way_back(dtype, tolerance):
    with jax.enable_x64(dtype == np.complex128):
        x, y = random_field(1, dtype=dtype), random_field(2, dtype=dtype)
        left = np.vdot(y, np.asarray(OPERATORS["near"](jnp.asarray(x))))
        right = np.vdot(np.asarray(OPERATORS["back"](jnp.asarray(y))), x)
        assert abs(left - right) / (np.linalg.norm(x) * np.linalg.norm(y)) < tolerance


@pytest.mark.parametrize("dtype, tolerance", PRECISIONS)
def test_there_and_back(dtype, tolerance):
    with jax.enable_x64(dtype == np.complex128):
        field = random_field(3, dtype=dtype)
        again = np.asarray(OPERATORS["back"](OPERATORS["near"](jnp.asarray(field))))
        assert np.abs(again - field).max() < 10 * tolerance


@pytest.mark.usefixtures("float64")
def test_propagations_add_up():
    """Distances add: 1 / F = 1 / F_1 + 1 / F_2."""
    field = jnp.asarray(random_field(4))
    twice = near_field(near_field(field, (0.1, 0.2)), (0.3, 0.05))
    once = near_field(field, (1 / (1 / 0.1 + 1 / 0.3), 1 / (1 / 0.2 + 1 / 0.05)))
    assert np.abs(twice - once).max() < 1e-12
