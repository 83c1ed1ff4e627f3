"""Where peaks lie: against the cell itself, published derivatives and the twin; in single precision; patterns of one phase."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jxrecon.forward.cell import SYSTEMS, Cell, bragg_deg
from jxrecon.forward.powder import (
    COPPER_K_ALPHA,
    Powder,
    change_of_inverse_square,
    displacement_deg,
    offset_deg,
    parallax_deg,
)
from jxrecon.forward.reflections import NMC_HKL, PHASES, reflections
from jxrecon.kernels.profile_sum import pseudo_voigt
from jxrecon.twin import lattice_maps

WAVELENGTH_M = 1.2398419843320026e-9 / 17.3
NMC = Cell("trigonal", (2.852, 14.25))
HKL = np.array([(1, 0, 0), (0, 2, 0), (0, 0, 3), (1, 1, 1), (-1, 2, 3), (2, -1, 1), (3, 1, -2)])
CELLS = {
    "triclinic": (5.0, 6.2, 7.1, 81.0, 96.0, 103.0),
    "monoclinic": (4.937, 8.532, 5.030, 109.46),
    "orthorhombic": (10.33, 6.01, 4.69),
    "tetragonal": (3.784, 9.515),
    "trigonal": (2.852, 14.24),
    "hexagonal": (3.25, 5.207),
    "rhombohedral": (5.02, 63.1),
    "cubic": (8.247,),
}


def random_strains(cell, size, count=4):
    return np.random.default_rng(1).uniform(-size, size, (count, len(cell.free)))


@pytest.mark.parametrize("system", SYSTEMS)
def test_offsets_are_differences_of_bragg_angles(float64, system):
    cell = Cell(system, CELLS[system])
    strains = random_strains(cell, 0.02)
    strains[0] = 0
    found = jax.jit(lambda e: offset_deg(e, HKL, cell, WAVELENGTH_M))(jnp.asarray(strains))
    reference = bragg_deg(HKL, cell, WAVELENGTH_M)
    exact = np.array([bragg_deg(HKL, cell.strained(e), WAVELENGTH_M) for e in strains]) - reference
    np.testing.assert_allclose(found, exact, atol=1e-12)
    assert not np.any(found[0])


@pytest.mark.parametrize("system", SYSTEMS)
def test_gradient_of_every_free_parameter_against_finite_differences(float64, system):
    cell = Cell(system, CELLS[system])
    jacobian = jax.jit(jax.jacrev(lambda e: offset_deg(e, HKL, cell, WAVELENGTH_M)))
    for at in (np.zeros(len(cell.free)), random_strains(cell, 0.01, 1)[0]):
        found = np.asarray(jacobian(jnp.asarray(at)))
        assert found.shape == (len(HKL), len(cell.free))
        for k, step in enumerate(1e-6 * np.eye(len(cell.free))):
            ahead, behind = (bragg_deg(HKL, cell.strained(at + s * step), WAVELENGTH_M) for s in (1, -1))
            np.testing.assert_allclose(found[:, k], (ahead - behind) / 2e-6, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("system", SYSTEMS)
def test_single_precision_feels_a_strain_of_a_millionth(system):
    cell = Cell(system, CELLS[system])

    @jax.jit
    def offset_and_slopes(strains):
        def one(strain):
            return offset_deg(strain, HKL, cell, WAVELENGTH_M)

        # value and derivative along one free parameter after the other
        return jax.vmap(lambda e, t: jax.jvp(one, (e,), (t,)))(
            strains, jnp.eye(len(cell.free), dtype=strains.dtype)
        )

    strains = 1e-6 * np.eye(len(cell.free))
    offsets, slopes = offset_and_slopes(strains.astype(np.float32))
    with jax.enable_x64(True):
        exact, exact_slopes = offset_and_slopes(strains)
    for k in range(len(strains)):
        scale, slope = np.abs(exact[k]).max(), np.abs(exact_slopes[k]).max()
        assert offsets.dtype == jnp.float32 and scale > 1e-6
        np.testing.assert_allclose(offsets[k], exact[k], rtol=1e-3, atol=1e-6 * scale)
        np.testing.assert_allclose(slopes[k], exact_slopes[k], rtol=1e-5, atol=1e-6 * slope)


# d 2 theta / da and d 2 theta / dc in degrees per angstrom, worked out independently for 17.3 keV
BY_A = [0, -5.805, 0, -5.572, -4.865, -4.487, -3.806, -3.518, -10.43, -10.02]
BY_C = [-0.608, -0.035, -1.227, -0.134, -0.468, -0.675, -1.122, -1.354, 0, -0.181]


def test_derivatives_of_the_ten_reflections_of_nmc(float64):
    slopes = jax.jacfwd(lambda e: offset_deg(e, NMC_HKL, NMC, WAVELENGTH_M))(jnp.zeros(2))
    np.testing.assert_allclose(slopes[:, 0] / 2.852, BY_A, atol=6e-3)
    np.testing.assert_allclose(slopes[:, 1] / 14.25, BY_C, atol=6e-4)


def test_the_twin_and_the_model_put_peaks_at_the_same_place(float64):
    growth = np.linspace(0, 0.1, 6)
    a, c = lattice_maps.lattice(growth)
    cell = Cell("trigonal", (lattice_maps.A_ANGSTROM, lattice_maps.C_ANGSTROM))
    strain = np.stack([a / lattice_maps.A_ANGSTROM - 1, c / lattice_maps.C_ANGSTROM - 1], axis=-1)
    hkl = np.array(list(lattice_maps.REFLECTIONS.values()))
    found = bragg_deg(hkl, cell, WAVELENGTH_M) + offset_deg(jnp.asarray(strain), hkl, cell, WAVELENGTH_M)
    for k, indices in enumerate(hkl.tolist()):
        sine = WAVELENGTH_M * 1e10 / 2 / lattice_maps.spacing(tuple(indices), a, c)
        np.testing.assert_allclose(found[:, k], 2 * np.degrees(np.arcsin(sine)), atol=1e-11)


def test_growth_of_the_whole_cell_shrinks_all_distances_alike(float64):
    cell = Cell("triclinic", CELLS["triclinic"])
    strain = jnp.asarray([0.01, 0.01, 0.01, 0, 0, 0])
    np.testing.assert_allclose(change_of_inverse_square(strain, HKL, cell), 1.01**-2 - 1, rtol=1e-12)


def test_a_strain_past_180_degrees_gives_finite_numbers():
    cell = Cell("cubic", (1.0,))
    hkl = np.array([(1, 0, 0)])

    def offset(e):
        return offset_deg(e, hkl, cell, 1.98e-10)[0]

    value, slope = jax.value_and_grad(offset)(jnp.asarray([-0.05]))
    assert np.isfinite(value) and np.isfinite(slope[0])


def test_small_shifts(float64):
    two_theta = np.array([10.0, 25.0, 60.0])
    # A flat specimen 50 um too low on a circle of 200 mm; the text-book case is -0.0285 degrees at low angles.
    found = displacement_deg(two_theta, jnp.asarray(0.05 / 200))
    np.testing.assert_allclose(found, -0.028648 * np.cos(np.radians(two_theta / 2)), rtol=1e-4)
    # Rings of a voxel nearer by z to a flat detector: tan(2 theta') = (1 - z/L) tan(2 theta).
    nearer = 1e-5
    exact = np.degrees(np.arctan((1 - nearer) * np.tan(np.radians(two_theta)))) - two_theta
    np.testing.assert_allclose(parallax_deg(two_theta, jnp.asarray([nearer]))[0], exact, rtol=1e-4)


def peaks(shape):
    rng = np.random.default_rng(3)
    return tuple(jnp.asarray(rng.uniform(*r, shape)) for r in ((0.1, 0.3), (0.2, 0.8), (1.0, 5.0)))


def test_a_pattern_is_its_peaks_at_their_bragg_angles(float64):
    two_theta = np.linspace(7.0, 23.0, 400)
    hkl = NMC_HKL[:6]
    powder = Powder(NMC, hkl, two_theta, WAVELENGTH_M, 30.0)
    np.testing.assert_allclose(powder.reference_deg, bragg_deg(hkl, NMC, WAVELENGTH_M))
    strain = random_strains(NMC, 0.01, 3)
    width, mixing, area = peaks((3, 6))
    found = jax.jit(powder)(jnp.asarray(strain), width, mixing, area, jnp.full((3, 1), 0.02))
    for voxel in range(3):
        centre = bragg_deg(hkl, NMC.strained(strain[voxel]), WAVELENGTH_M) + 0.02
        each = area[voxel, :, None] * pseudo_voigt(
            jnp.asarray(two_theta - centre[:, None]), width[voxel, :, None], mixing[voxel, :, None]
        )
        np.testing.assert_allclose(found[voxel], each.sum(axis=0), rtol=1e-9)
    np.testing.assert_allclose(
        powder.offset_deg(jnp.asarray(strain)), offset_deg(jnp.asarray(strain), hkl, NMC, WAVELENGTH_M)
    )


def test_a_doublet_is_two_patterns(float64):
    group, cell = PHASES["LaB6"]
    two_theta = np.linspace(20.0, 70.0, 1001)
    hkl = reflections(group, cell, smallest_angstrom=1.8).hkl
    strain, (width, mixing, area) = jnp.asarray([1e-3]), peaks((len(hkl),))
    both = jax.jit(Powder(cell, hkl, two_theta, COPPER_K_ALPHA, 100.0))(strain, width, mixing, area)
    each = [
        weight * jax.jit(Powder(cell, hkl, two_theta, wavelength, 100.0))(strain, width, mixing, area)
        for wavelength, weight in COPPER_K_ALPHA
    ]
    np.testing.assert_allclose(both, each[0] + each[1], rtol=1e-12)


def test_gradient_of_a_pattern_by_everything(float64):
    two_theta = np.linspace(7.0, 23.0, 128)
    powder = Powder(NMC, NMC_HKL[:5], two_theta, WAVELENGTH_M, 1.5)
    arguments = (jnp.asarray(random_strains(NMC, 0.01, 2)), *peaks((2, 5)), jnp.asarray([[0.01], [-0.02]]))
    weights = jnp.asarray(np.random.default_rng(5).normal(size=(2, 128)))

    @jax.jit
    def loss(*p):
        return jnp.sum(weights * powder(*p))

    gradient = jax.grad(loss, tuple(range(5)))(*arguments)
    for k, part in enumerate(gradient):
        step = jnp.asarray(np.random.default_rng(k).normal(size=part.shape)) * 1e-6
        ahead, behind = (
            loss(*(p + s * step if j == k else p for j, p in enumerate(arguments))) for s in (1, -1)
        )
        np.testing.assert_allclose(jnp.vdot(part, step), (ahead - behind) / 2, rtol=1e-5)
    jacobian = jax.jit(jax.jacfwd(lambda e: jnp.vdot(weights, powder(e, *arguments[1:]))))(arguments[0])
    np.testing.assert_allclose(jacobian, gradient[0], rtol=1e-10)
