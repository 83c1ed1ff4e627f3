"""Fits of peaks: against the truth, against SciPy, in every noise, with channels missing; the equations themselves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import least_squares

from jxrecon.classical.peak_blocks import BLOCK
from jxrecon.classical.peak_channels import Binned, binned, make_grid, single_channels
from jxrecon.classical.peak_equations import bounds, full_curvature, projected_equations
from jxrecon.classical.peak_fit import peak_fit
from jxrecon.classical.peak_model import FreePeaks, LatticePeaks, Profile
from jxrecon.classical.peak_result import volume_and_slope
from jxrecon.forward.cell import Cell, bragg_deg
from jxrecon.kernels.profile_sum import pseudo_voigt

HKL = ((0, 0, 3), (1, 0, 1), (1, 0, 4))
CELL = Cell("trigonal", (2.85, 14.3))
WAVELENGTH_M = 1.2398419843320026e-9 / 17.3
X = np.arange(7.5, 21.5, 0.025)
COUNT = 300


def expected(area, centre, fwhm, eta, line):
    """Counts, by the profile of the forward model."""
    offset = jnp.asarray(X - centre[..., None])
    shape = pseudo_voigt(offset, jnp.asarray(fwhm)[..., None], jnp.asarray(eta)[..., None])
    return np.sum(area[..., None] * np.asarray(shape), axis=-2) + line[:, :1] + line[:, 1:] * (X - X[0])


@pytest.fixture(scope="module")
def truth():
    random = np.random.default_rng(5)
    strain = random.uniform(-0.006, 0.006, (COUNT, 2))
    cells = [CELL.strained(s) for s in strain]
    with jax.enable_x64(True):
        values = {
            "area": np.array([60, 25, 45.0]) * random.lognormal(0.3, 0.4, (COUNT, 3)),
            "centre": np.array([bragg_deg(np.array(HKL), c, WAVELENGTH_M) for c in cells]),
            "fwhm": random.uniform(0.12, 0.3, (COUNT, 3)),
            "eta": random.uniform(0.2, 0.8, (COUNT, 3)),
        }
        line = np.stack([random.uniform(20, 50, COUNT), random.uniform(-0.8, 0, COUNT)], axis=1)
        mean = expected(*values.values(), line)
    cell = np.array([c.parameters for c in cells])
    volume = np.array([c.volume_cubic_angstrom for c in cells])
    return values | {
        "mean": mean,
        "counts": random.poisson(mean).astype(np.float32),
        "cell": cell,
        "volume": volume,
    }


def lattice(**more):
    return LatticePeaks(hkl=HKL, cell=CELL, wavelength_m=WAVELENGTH_M, search_deg=0.4, **more)


def free(**more):
    return FreePeaks(lattice().reference_deg, search_deg=0.4, **more)


@pytest.mark.parametrize("model", [free(), lattice()], ids=["free", "lattice"])
def test_patterns_without_noise_give_the_truth(truth, model):
    """Bins and single precision leave a thousandth of what the noise of these counts would."""
    found = peak_fit(truth["mean"].astype(np.float32), X, model, noise="gaussian", variance=truth["mean"])
    values = found.values
    assert np.all(found.converged) and found.chi2.max() < 0.05
    for name, of in (("area", "area"), ("centre_deg", "centre"), ("fwhm_deg", "fwhm"), ("eta", "eta")):
        off = (getattr(values, name) - truth[of]) / getattr(found.errors, name)
        assert np.abs(off).max() < 0.1, name
    if found.names:
        np.testing.assert_allclose(found.cell_parameter("c")[0], truth["cell"][:, 1], rtol=2e-5)
        np.testing.assert_allclose(values.volume_angstrom3, truth["volume"], rtol=2e-5)


@pytest.mark.parametrize("noise", ["poisson", "gaussian"])
def test_errors_are_those_that_the_standard_errors_say(truth, noise):
    found = peak_fit(truth["counts"], X, lattice(), noise=noise)
    pulls = {
        "a": (found.values.cell[:, 0] - truth["cell"][:, 0]) / found.errors.cell[:, 0],
        "c": (found.values.cell[:, 1] - truth["cell"][:, 1]) / found.errors.cell[:, 1],
        "V": (found.values.volume_angstrom3 - truth["volume"]) / found.errors.volume_angstrom3,
        "area": ((found.values.area - truth["area"]) / found.errors.area)[:, 0],
        "width": ((found.values.fwhm_deg - truth["fwhm"]) / found.errors.fwhm_deg)[:, 0],
    }
    for name, pull in pulls.items():
        assert np.std(pull) == pytest.approx(1, abs=0.15), name
    assert np.mean(found.converged) > 0.99
    if noise == "poisson":  # weights from the counts raise it by a few per cent
        assert np.mean(found.chi2_reduced) == pytest.approx(1, abs=0.01)


def test_poisson_likelihood_has_no_bias_at_a_handful_of_counts(truth):
    """At the maximum of the likelihood, a background whose height is free makes the sum of the model that of the counts."""
    counts = np.random.default_rng(1).poisson(truth["mean"] / 8).astype(np.float32)
    step = X[1] - X[0]

    def excess(noise):
        found = peak_fit(counts, X, lattice(), noise=noise)
        level = (found.values.background[:, 0] * len(X)).sum() * step
        inside = 0.97 * found.values.area.sum()  # of the areas, what lies inside of the measured range
        return (level + inside) / (counts.sum() * step) - 1

    assert abs(excess("poisson")) < 0.02 and excess("gaussian") < -0.05


def test_every_pattern_ends_where_scipy_ends_within_the_same_bounds(truth):
    counts, model = truth["counts"][:12], free()
    found = peak_fit(counts, X, model, noise="gaussian")
    low, high = bounds(model)
    with jax.enable_x64(True):
        for k, one in enumerate(counts.astype(float)):
            sigma = np.sqrt(np.maximum(one, 1))

            def residual(p, one=one, sigma=sigma):
                shape = (
                    p[None, :3],
                    np.array(model.reference_deg) + p[None, 3:6],
                    p[None, 6:9],
                    p[None, 9:12],
                )
                return (expected(*shape, p[None, 12:])[0] - one) / sigma

            start = np.concatenate([truth["area"][k], np.zeros(3), np.full(3, 0.2), np.full(3, 0.5), [30, 0]])
            infinite = np.array([np.inf] * 3), np.array([np.inf] * 2)
            limits = [
                np.concatenate([s * infinite[0], b, s * infinite[1]]) for s, b in ((-1, low), (1, high))
            ]
            peer = least_squares(residual, start, bounds=limits, x_scale="jac", xtol=1e-12, ftol=1e-12)
            assert found.chi2[k] == pytest.approx(2 * peer.cost, rel=1e-4)
            assert np.all(np.abs(found.values.centre_deg[k] - model.reference_deg - peer.x[3:6]) < 2e-4)


@pytest.mark.parametrize("model", [free(), lattice()], ids=["free", "lattice"])
def test_projected_gradient_is_that_of_the_cost(float64, truth, model):
    """Areas and background at their best for each shape: finite differences of the cost, and of nothing else."""
    grid = make_grid(X, model.reference_deg, 0.6)
    counts = jnp.asarray(truth["counts"][:4], float)
    data = binned(grid, counts, 1 / jnp.maximum(counts, 1))
    low, high = bounds(model)
    places = len(low) - 6
    p = jnp.asarray(np.concatenate([np.full(places, 1e-3), np.full(3, 0.2), np.full(3, 0.5)]))[
        :, None
    ] * jnp.ones(4)
    equations = jax.jit(lambda p: projected_equations(model, grid, p, data))
    found = equations(p)
    for k, step in enumerate(1e-5 * np.eye(len(low))):
        change = equations(p + step[:, None]).cost - equations(p - step[:, None]).cost
        np.testing.assert_allclose(-2 * found.gradient[k], change / 2e-5, rtol=1e-4, atol=1e-3)
    whole, _ = full_curvature(model, grid, p, data)  # Schur complement of the linear part
    n = len(low)
    schur = whole[:n, :n].T - np.einsum(
        "bij,bjk,bkl->bil",
        whole[:n, n:].T.swapaxes(1, 2),
        np.linalg.inv(whole[n:, n:].T),
        whole[n:, :n].T.swapaxes(1, 2),
    )
    np.testing.assert_allclose(
        np.asarray(found.curvature).T, schur, rtol=1e-6, atol=1e-6 * np.abs(schur).max()
    )


def test_channels_that_were_not_measured_count_for_nothing(truth):
    counts = truth["counts"][:20].copy()
    gap = (X > 12) & (X < 13)
    cut = peak_fit(counts[:, ~gap], X[~gap], lattice(), noise="gaussian")
    counts[:, gap] = -1
    masked = peak_fit(counts, X, lattice(), noise="gaussian")
    np.testing.assert_allclose(masked.values.cell, cut.values.cell, rtol=1e-5)
    np.testing.assert_allclose(masked.chi2, cut.chi2, rtol=1e-3)
    counts[0] = -1
    nothing = peak_fit(counts, X, lattice(), noise="gaussian")
    assert (
        not nothing.converged[0]
        and np.all(np.isinf(nothing.errors.cell[0]))
        and np.all(nothing.converged[1:])
    )


def test_a_reconstructed_volume_may_be_negative_and_of_any_scale(truth):
    """Noise unknown: the same answer whatever the unit, errors from the scatter; the map keeps its shape."""
    values = (truth["mean"] + 3 * np.random.default_rng(0).normal(size=truth["mean"].shape) - 25)[:, :]
    small = peak_fit((1e-9 * values).astype(np.float32).reshape(20, 15, -1), X, lattice(), noise="unknown")
    large = peak_fit(values.astype(np.float32), X, lattice(), noise="gaussian", variance=np.full(len(X), 9.0))
    assert small.values.cell.shape == (20, 15, 2) and small.values.area.shape == (20, 15, 3)
    np.testing.assert_allclose(small.values.cell.reshape(-1, 2), large.values.cell, rtol=1e-5)
    np.testing.assert_allclose(
        1e9 * small.values.area.reshape(-1, 3), large.values.area, atol=0.2
    )  # error: 2
    assert np.median(small.errors.cell.reshape(-1, 2) / large.errors.cell) == pytest.approx(1, abs=0.05)


def test_limits_are_kept_and_one_pattern_is_enough(truth):
    held = Profile(eta=0.5, eta_range=(0.5, 0.5), fwhm_range_deg=(0.15, 0.25), positive_area=True)
    flat = np.random.default_rng(2).poisson(30, (60, len(X)))
    counts = np.concatenate([truth["counts"][:4], flat]).astype(np.float32)
    kept, loose = (peak_fit(counts, X, model, noise="gaussian") for model in (free(profile=held), free()))
    assert np.all(kept.values.eta == 0.5) and np.ptp(loose.values.eta) > 0
    assert np.all((kept.values.fwhm_deg >= 0.15 - 1e-6) & (kept.values.fwhm_deg <= 0.25 + 1e-6))
    assert np.all(kept.values.area >= 0) and np.any(loose.values.area < 0)
    alone = peak_fit(counts[2], X, free(), noise="gaussian")
    assert alone.values.area.shape == (3,) and alone.converged.shape == ()
    np.testing.assert_allclose(alone.values.area, loose.values.area[2], atol=0.1)


def test_results_do_not_depend_on_the_company(truth):
    """Patterns beside others, in another block and in another order, end in the same place."""
    counts = truth["counts"]
    assert len(counts) > 2 * BLOCK["cpu"]
    order = np.random.default_rng(4).permutation(COUNT)
    there, here = peak_fit(counts[order], X, lattice()), peak_fit(counts, X, lattice())
    off = np.abs(there.values.cell - here.values.cell[order]) / here.errors.cell[order]
    assert np.quantile(off, 0.99) < 0.02


@pytest.mark.parametrize(
    "cell", [CELL, Cell("monoclinic", (4.937, 8.532, 5.03, 109.46)), Cell("cubic", (8.2,))]
)
def test_volume_and_its_slope(cell):
    p = np.array([cell.parameters]) * 1.01
    volume, slope = volume_and_slope(cell, p)
    assert volume[0] == pytest.approx(Cell(cell.system, p[0]).volume_cubic_angstrom, rel=1e-12)
    for k, step in enumerate(1e-5 * np.eye(p.shape[1])):
        change = volume_and_slope(cell, p + step)[0] - volume_and_slope(cell, p - step)[0]
        assert slope[0, k] == pytest.approx(change[0] / 2e-5, rel=1e-6)


def test_bins_keep_sums_and_means():
    grid = make_grid(X, (8.63, 16.9), 0.5)
    assert sum(bins * size for _, bins, size in grid.runs) == len(X) and max(run[2] for run in grid.runs) > 4
    value, weight = np.random.default_rng(0).uniform(1, 2, (2, 3, len(X))).astype(np.float32)
    found = jax.jit(binned, static_argnums=0)(grid, jnp.asarray(value), jnp.asarray(weight))
    assert isinstance(found, Binned)
    np.testing.assert_allclose(found.weight.sum(axis=1), weight.sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(
        (found.weight * found.value).sum(axis=1), (weight * value).sum(axis=1), rtol=1e-5
    )
    assert len(single_channels(X).two_theta_deg) == len(X)


def test_wrong_questions_are_answered_in_words(truth):
    with pytest.raises(ValueError, match="leave it out"):
        peak_fit(truth["counts"][:1], X, FreePeaks((30.0,)))
    with pytest.raises(ValueError, match="too few for a, c"):
        LatticePeaks(hkl=HKL[:1], cell=CELL, wavelength_m=WAVELENGTH_M)
    with pytest.raises(ValueError, match="outside of its range"):
        Profile(fwhm_deg=2.0)
    with pytest.raises(ValueError, match="choose 'gaussian'"):
        peak_fit(truth["counts"][:1], X, free(), variance=truth["mean"][:1])
    with pytest.raises(KeyError, match="has a, c"):
        peak_fit(truth["counts"], X, lattice()).cell_parameter("b")
