"""Standard errors of lattice maps are those of dense matrices, and cells of every system have their volumes."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small_lattice import CELL, lattice, model

from jxrecon.classical.direct_lattice import Fitted
from jxrecon.classical.lattice_errors import lattice_errors, majorant, readings
from jxrecon.classical.lattice_newton import RIDGE, all_differences
from jxrecon.forward.cell import Cell
from jxrecon.lattice import STRAIN, from_vectors, to_vectors
from jxrecon.priors.lattice_smoothness import blocks

SIZE, VIEWS, DRAWS = 4, 6, 100


def fitted_of(maps, scale: float) -> Fitted:
    u, _ = to_vectors(maps)
    draw = 0.3 * jnp.asarray(np.random.default_rng(5).normal(size=u.shape), u.dtype)
    return Fitted(maps, 0.0, 0.0, np.full(u.shape[-1], scale), (0, 0), draw)


def matrices(here, maps, fitted):
    """(F, P) of all unknowns, maps first."""
    u, shared = to_vectors(maps)
    count = u.size

    def voxels(v):
        return here.voxels(from_vectors(maps, v[:count].reshape(u.shape), v[count:]))

    flat = jnp.concatenate([u.ravel(), shared])

    def column(k):
        along = jax.nn.one_hot(k, flat.size, dtype=flat.dtype)
        return here.transform(jax.jvp(voxels, (flat,), (along,))[1]).ravel()

    jacobian = np.asarray(jax.jit(lambda: jax.lax.map(column, jnp.arange(flat.size)))()).T
    expected = np.asarray(eqx.filter_jit(here)(maps)).ravel()
    plan = blocks(maps)
    _, pull = majorant(maps, fitted.scales, plan, fitted.draw)

    def energy(v):
        return sum(jnp.sum(w * d**2) / 2 for w, d in zip(pull, all_differences(v.reshape(u.shape), plan)))

    prior = np.zeros((flat.size, flat.size))
    prior[:count, :count] = np.asarray(jax.jit(jax.hessian(energy))(u.ravel()))
    return jacobian.T @ (jacobian / expected[:, None]), prior + RIDGE * np.eye(flat.size)


def exact(covariance, maps) -> dict[str, np.ndarray]:
    """Standard errors of the readings from the covariance of the unknowns: by hand."""
    u, _ = to_vectors(maps)
    block = covariance[: u.size, : u.size].reshape(*u.shape[:3], -1, *u.shape[:3], u.shape[3])
    own = np.einsum("yxzpyxzq->yxzpq", block)
    e, f = np.asarray(maps.strain)
    a, c = CELL.parameters
    volume = CELL.volume_cubic_angstrom * (1 + e) ** 2 * (1 + f)
    slope = STRAIN * np.stack([2 / (1 + e), 1 / (1 + f)], axis=-1)
    variance = np.einsum("yxzp,yxzpq,yxzq->yxz", slope, own[..., :2, :2], slope)
    fwhm = np.asarray(maps.fwhm_deg()) * np.sqrt(np.moveaxis(np.einsum("yxzpp->yxzp", own)[..., 2:5], -1, 0))
    return {
        "a": a * STRAIN * np.sqrt(own[..., 0, 0]),
        "c": c * STRAIN * np.sqrt(own[..., 1, 1]),
        "volume": volume * np.sqrt(variance),
        "fwhm_deg": fwhm,
    }


def test_they_are_those_of_dense_matrices(float64):
    here = model(SIZE, views=VIEWS, dtype=np.float64)
    maps = lattice(SIZE, dtype=np.float64)
    fitted = fitted_of(maps, 3.0)
    expected = eqx.filter_jit(here)(maps)
    found = lattice_errors(here, expected, fitted, draws=DRAWS, tolerance=1e-7, most=150)
    fisher, prior = matrices(here, maps, fitted)
    inverse = np.linalg.inv(fisher + prior)
    for kind, covariance in (("noise", inverse @ fisher @ inverse), ("total", inverse)):
        for name, right in exact(covariance, maps).items():
            ratio = getattr(found, kind)[name] / right
            # Each is a root mean square of so many draws.
            assert ratio.mean() == pytest.approx(1, abs=0.06), (kind, name)
            assert ratio.std() == pytest.approx(1 / np.sqrt(2 * DRAWS), rel=0.6), (kind, name)
    # Without a prior neighbours must not be taken for known.
    naive = STRAIN * CELL.parameters[0] / np.sqrt(np.diag(fisher)[: maps.strain[0].size * 9 : 9])
    alone = exact(np.linalg.inv(fisher + RIDGE * np.eye(len(fisher))), maps)["a"].ravel()
    assert np.all(alone > naive) and np.median(alone / naive) > 1.2


def test_curvature_is_that_of_the_prior_along_a_single_difference(float64):
    """Two voxels: one difference of first order, whose Student prior has a second derivative on paper."""
    maps = lattice(2, rows=1, dtype=np.float64)
    u, _ = to_vectors(maps)
    plan = blocks(maps)
    scales = np.full(u.shape[-1], 0.7)
    stiff, curved = majorant(maps, scales, plan)
    d = np.asarray(u[0, 1, 0, 5:8] - u[0, 0, 0, 5:8]) / 0.7
    nu, n, q = 6.0, 3, float(np.sum(d**2))
    np.testing.assert_allclose(stiff[1][0, 0, 0, 0], (nu + n) / (nu + q) / 0.7**2)
    of = lambda x: (nu + n) / 2 * np.log1p((np.sum(d**2) - d[0] ** 2 + x**2) / nu)  # noqa: E731
    h = 1e-4
    second = (of(d[0] + h) - 2 * of(d[0]) + of(d[0] - h)) / h**2
    assert float(curved[1][0, 0, 0, 0, 0]) == pytest.approx(max(second, 0) / 0.7**2, rel=1e-5)
    assert not any(np.any(np.asarray(w) < 0) for w in curved)


CELLS = {"hexagonal": (2.86, 14.3), "monoclinic": (4.9, 8.5, 5.0, 109.4)}


@pytest.mark.parametrize("system", CELLS)
def test_readings_are_the_strained_cell(system):
    cell = Cell(system, CELLS[system])
    strain = np.random.default_rng(1).normal(0, 2e-3, (len(cell.free), 1, 2, 1))
    plain = lattice(2, rows=1)
    maps = type(plain)(**{**vars(plain), "strain": jnp.asarray(strain, jnp.float32)})
    found = readings(maps, cell)
    for k in range(2):
        right = cell.strained(strain[:, 0, k, 0])
        for name, value in zip(cell.free, right.parameters):
            assert found[name][0, k, 0] == pytest.approx(value, rel=1e-7)
        assert found["volume"][0, k, 0] == pytest.approx(right.volume_cubic_angstrom, rel=2e-6)
