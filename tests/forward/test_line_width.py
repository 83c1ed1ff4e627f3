"""Widths and shapes of reflections against closed forms, a true Voigt profile and the twin; derivatives where a width is zero."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import voigt_profile

from jxrecon.forward.cell import Cell, bragg_deg
from jxrecon.forward.line_width import (
    SMALLEST_DEG,
    caglioti_deg,
    gaussian_and_lorentzian,
    in_quadrature,
    layered_strain,
    size_deg,
    strain_deg,
    width_and_mixing,
)
from jxrecon.forward.profiles import gaussian, lorentzian, split_pseudo_voigt, thompson_cox_hastings
from jxrecon.forward.reflections import NMC_HKL
from jxrecon.kernels.profile_sum import pseudo_voigt
from jxrecon.twin import lattice_maps

WAVELENGTH_M = 1.2398419843320026e-9 / 17.3
NMC = Cell("trigonal", (2.852, 14.24))
TWO_THETA = bragg_deg(NMC_HKL, NMC, WAVELENGTH_M)
SIGMAS = 2 * np.sqrt(2 * np.log(2))
PARTS = [(1 - q, q) for q in (0.0, 0.1, 0.3, 0.45, 0.6, 0.75, 0.95, 1.0)]


def half_maximum(x, y):
    """Full width at half maximum of a peak at x = 0."""
    half = y[len(x) // 2] / 2
    return 2 * np.interp(-half, -y[len(x) // 2 :], x[len(x) // 2 :])


@pytest.mark.parametrize("parts", PARTS)
def test_pseudo_voigt_comes_close_to_the_true_voigt(float64, parts):
    x = np.linspace(-12, 12, 240001)
    true = voigt_profile(x, parts[0] / SIGMAS, parts[1] / 2)
    g, l = (jnp.asarray(w) for w in parts)
    width, mixing = width_and_mixing(g, l)
    assert float(width) == pytest.approx(half_maximum(x, true), rel=4.4e-3)
    twin = lattice_maps.pseudo_voigt_width(*(np.full(1, w) for w in parts))
    assert float(width) == pytest.approx(twin[0], rel=1e-6)
    assert -1e-6 <= mixing <= 1 + 1e-6
    found = thompson_cox_hastings(jnp.asarray(x), g, l)
    assert np.abs(found - true).max() < 0.013 * true.max()
    back = gaussian_and_lorentzian(width, mixing)
    np.testing.assert_allclose(back, parts, atol=0.003 * float(width))


def test_derivatives_of_width_and_mixing(float64):
    def both(parts):
        return jnp.stack(width_and_mixing(*parts))

    jacobian = jax.jit(jax.jacfwd(both))
    for parts in ((0.2, 0.1), (0.003, 0.4), (0.1, 0.0), (0.0, 0.1)):
        found = jacobian(jnp.asarray(parts))
        for k, step in enumerate(1e-7 * np.eye(2)):
            # inwards alone, where the step would leave what widths can be
            first, last = (jnp.asarray(np.maximum(parts + s * step, 0)) for s in (-1, 1))
            difference = (both(last) - both(first)) / (last - first)[k]
            np.testing.assert_allclose(found[:, k], difference, rtol=1e-4, atol=1e-4)


def test_derivatives_are_finite_in_single_precision_where_widths_vanish():
    for parts in ((0.0, 0.0), (0.1, 0.0), (0.0, 0.1), (1e-12, 1e-12), (50.0, 1e-9)):
        g, l = (jnp.asarray(w, jnp.float32) for w in parts)
        values, slopes = jax.jvp(width_and_mixing, (g, l), (jnp.ones_like(g), jnp.ones_like(l)))
        assert np.all(np.isfinite(values + slopes)) and values[0] >= 0.3 * SMALLEST_DEG
        slopes = jax.grad(lambda a, b: thompson_cox_hastings(jnp.asarray(0.1), a, b), (0, 1))(g, l)
        assert np.all(np.isfinite(slopes))
    zeros = jnp.zeros((3,))
    assert np.all(
        np.isfinite(jax.grad(lambda a, c: jnp.sum(layered_strain(NMC_HKL, NMC, a, c)))(zeros, zeros))
    )
    assert np.all(np.isfinite(jax.grad(lambda w: jnp.sum(in_quadrature(w, w)))(zeros)))
    slopes = jax.grad(lambda w: jnp.sum(caglioti_deg(TWO_THETA, 0.0, 0.0, w)))(zeros - 1)
    assert np.all(np.isfinite(slopes))


def test_instrument_size_and_strain_have_their_laws(float64):
    theta = np.radians(TWO_THETA) / 2
    found = caglioti_deg(
        TWO_THETA, jnp.asarray([0.02, 0.0]), jnp.asarray([-0.004, 0.0]), jnp.asarray([0.001, 0.04]), 0.002
    )
    square = 0.02 * np.tan(theta) ** 2 - 0.004 * np.tan(theta) + 0.001 + 0.002 / np.cos(theta) ** 2
    np.testing.assert_allclose(found[0], np.sqrt(square), rtol=1e-12)
    np.testing.assert_allclose(found[1], np.sqrt(0.04 + 0.002 / np.cos(theta) ** 2), rtol=1e-12)
    # Williamson-Hall: Gamma cos(theta) = K lambda / D + 4 eps sin(theta)
    size = size_deg(TWO_THETA, jnp.asarray([20e-9, 80e-9]), WAVELENGTH_M)
    strain = strain_deg(TWO_THETA, jnp.asarray([[1e-3], [4e-3]]))
    slope, start = np.polyfit(np.sin(theta), np.radians(size + strain)[1] * np.cos(theta), 1)
    assert slope == pytest.approx(4 * 4e-3, rel=1e-9) and start == pytest.approx(
        0.9 * WAVELENGTH_M / 80e-9, rel=1e-9
    )
    np.testing.assert_allclose(in_quadrature(jnp.asarray(3.0), jnp.asarray(4.0)), 5.0, rtol=1e-10)


def test_strain_of_layers_is_along_c_for_003_and_along_a_for_110(float64):
    found = layered_strain(NMC_HKL, NMC, jnp.asarray([1e-3]), jnp.asarray([5e-3]))[0]
    names = ["".join(map(str, h)) for h in NMC_HKL]
    assert found[names.index("003")] == pytest.approx(5e-3) and found[names.index("110")] == pytest.approx(
        1e-3
    )
    assert np.all((found <= 5e-3 * (1 + 1e-9)) & (found > 1e-3 * 0.7))


def test_the_twin_and_the_model_have_the_same_widths(float64):
    strains, size, instrument = (1.5e-3, 6e-3), 60e-9, 0.12
    for hkl in lattice_maps.REFLECTIONS.values():
        one = np.array([hkl])
        two_theta = bragg_deg(one, NMC, WAVELENGTH_M)
        strain = layered_strain(one, NMC, *(jnp.asarray(e) for e in strains))
        sample = size_deg(two_theta, jnp.asarray(size), WAVELENGTH_M) + strain_deg(two_theta, strain)
        found, _ = width_and_mixing(jnp.full(1, instrument), sample)
        expected = lattice_maps.line_width_deg(
            hkl,
            tuple(np.full(1, p) for p in NMC.parameters),
            tuple(np.full(1, e) for e in strains),
            crystallite_m=size,
            wavelength_m=WAVELENGTH_M,
            instrument_deg=instrument,
        )
        assert float(found[0]) == pytest.approx(float(expected[0]), rel=1e-5)


def test_shapes_have_unit_area_and_their_width(float64):
    x = np.linspace(-40, 40, 400001)
    step, one = x[1] - x[0], jnp.asarray(0.2)
    for shape in (gaussian, lorentzian, lambda d, w: pseudo_voigt(d, w, jnp.asarray(0.4))):
        values = np.asarray(shape(jnp.asarray(x), one))
        assert half_maximum(x, values) == pytest.approx(0.2, rel=1e-6)
        assert values.sum() * step == pytest.approx(1.0, abs=4e-3)
    np.testing.assert_allclose(gaussian(jnp.asarray(x), one).sum() * step, 1.0, rtol=1e-10)
    np.testing.assert_allclose(
        lorentzian(jnp.asarray(x), one).sum() * step, 2 / np.pi * np.arctan(400), rtol=1e-5
    )


def test_split_profile(float64):
    x = np.linspace(-40, 40, 400002)
    left, right, mixing = (jnp.asarray(v) for v in (0.1, 0.3, 0.2))
    values = np.asarray(split_pseudo_voigt(jnp.asarray(x), left, right, mixing))
    assert values.sum() * (x[1] - x[0]) == pytest.approx(1.0, abs=2e-3)
    height = values.max()
    reach = x[values >= height / 2]
    assert reach[0] == pytest.approx(-0.05, abs=3e-4) and reach[-1] == pytest.approx(0.15, abs=3e-4)
    even = split_pseudo_voigt(jnp.asarray(x), left, left, mixing)
    np.testing.assert_allclose(even, pseudo_voigt(jnp.asarray(x), left, mixing), rtol=1e-12)
