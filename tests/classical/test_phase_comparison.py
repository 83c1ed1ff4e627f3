"""The crystals that a simulated pattern was made of win over those that describe it too little or too much."""

import numpy as np
import pytest

from jxrecon.classical.phase_comparison import KEPT, blocks, compare, thinned
from jxrecon.classical.whole_pattern import WholePattern, phase_within
from jxrecon.forward.cell import Cell, bragg_deg

WAVELENGTH = 7.16672e-11
X = np.arange(7.5, 21.5, 0.04)
LAYERED = ("R-3m", "R-3m", Cell("trigonal", (2.852, 14.24)))
MONOCLINIC = ("C2/m", "C2/m", Cell("monoclinic", (4.937, 8.532, 5.030, 109.46)))
SPINEL = ("Fd-3m", "Fd-3m", Cell("cubic", (8.16,)))
PHASES = {
    "layered": (LAYERED,),
    "monoclinic": (MONOCLINIC,),
    "spinel": (SPINEL,),
    "layered and spinel": (LAYERED, SPINEL),
}
# Strong lines: layered oxide; its superstructure in C2/m; spinel.
STRONG = {
    "layered": (LAYERED[2], {(0, 0, 3): 100, (1, 0, 1): 45, (0, 0, 6): 8, (0, 1, 2): 15, (1, 0, 4): 80}),
    "spinel": (SPINEL[2], {(1, 1, 1): 60, (2, 2, 0): 25, (3, 1, 1): 40, (2, 2, 2): 6, (4, 0, 0): 45}),
    "order": (MONOCLINIC[2], {(0, 2, 0): 12, (1, 1, 0): 14, (-1, 1, 1): 10}),
    "monoclinic": (
        MONOCLINIC[2],
        {(0, 0, 1): 100, (1, 3, 0): 30, (-2, 0, 1): 15, (0, 0, 2): 8, (-2, 0, 2): 12, (1, 3, 1): 40, (-1, 3, 2): 20},
    ),
}  # fmt: skip


def pattern(shares, counts=6.0, fwhm=0.13, shift=0.0):
    """Mean counts: Gaussians at the places of Bragg's law on a sloping background."""
    y = 40.0 - 0.8 * (X - X[0])
    for name, share in shares.items():
        cell, lines = STRONG[name]
        for hkl, area in lines.items():
            centre = bragg_deg(np.array([hkl]), cell, WAVELENGTH)[0] + shift
            y += share * counts * area * np.exp(-4 * np.log(2) * ((X - centre) / fwhm) ** 2)
    return y


def alternatives(names):
    models, free = {}, {}
    for name in names:
        phases = tuple(phase_within(*p, WAVELENGTH, (X[0], X[-1])) for p in PHASES[name])
        models[name] = WholePattern(X, phases, ((WAVELENGTH, 1.0, 0.0),), "pseudo_voigt", reach_deg=1.5)
        free[name] = ("w", "mixing", *(n for p in phases for n in p.own("pseudo_voigt")))
    return models, free


CASES = {
    "layered": ({"layered": 1.0}, ["layered", "monoclinic", "layered and spinel"]),
    "layered and spinel": ({"layered": 1.0, "spinel": 0.3}, ["layered", "spinel", "layered and spinel"]),
    "monoclinic": ({"monoclinic": 1.0, "order": 1.0}, ["layered", "monoclinic"]),
    "spinel": ({"spinel": 1.0}, ["layered", "spinel", "layered and spinel"]),
}


@pytest.mark.parametrize("best", CASES)
def test_the_model_that_made_the_counts_wins(best):
    truth, names = CASES[best]
    counts = np.random.default_rng(1).poisson(pattern(truth)).astype(float)[None]
    models, free = alternatives(names)
    sigma = np.sqrt(np.maximum(counts, 1))
    found = compare(models, counts, sigma, free, fwhm_deg=0.13, folds=3, background_terms=3)
    assert found.names[found.chosen[0]] == best
    k = names.index(best)
    assert found.held_out[k, 0] == pytest.approx(1, abs=0.15)
    assert found.fits[k][0].chi2_reduced == pytest.approx(1, abs=0.2)
    # What lacks a phase is refuted, what has one too many is not better by its error.
    lacking = [
        n for n in names if not set(PHASES[best]) <= set(PHASES[n]) and (best, n) != ("layered", "monoclinic")
    ]
    for j in map(names.index, lacking):
        assert found.behind[j, 0] > 2.5 * found.behind_error[j, 0]
    assert found.behind[k, 0] <= found.behind_error[k, 0]


def test_points_of_a_map_are_told_apart_by_blocks():
    """No counts, but means with noise: a reconstruction's voxels."""
    generator = np.random.default_rng(2)
    truths = [{"layered": 1.0}, {"spinel": 1.0}, {"layered": 1.0, "spinel": 0.5}]
    means = np.stack([pattern(t, shift=0.003 * k) for k, t in enumerate(truths)])
    sigma = np.full_like(means, 6.0)
    patterns = means + generator.normal(0, sigma)
    models, free = alternatives(["layered", "spinel", "layered and spinel"])
    found = compare(
        models, patterns, sigma, free, fwhm_deg=0.13, way="blocks", folds=5, block=1, background_terms=3
    )
    assert [found.names[k] for k in found.chosen] == ["layered", "spinel", "layered and spinel"]
    assert found.ahead()[2] > 2 and np.all(found.held_out.min(axis=0) < 1.5)


def test_thinned_counts_are_independent_and_of_the_right_mean(float64):
    generator = np.random.default_rng(3)
    counts = generator.poisson(20.0, 40_000).astype(float)
    (part,) = thinned(counts, np.sqrt(counts), 1, generator)
    np.testing.assert_array_equal(part.measured + part.held, counts)
    assert part.measured.mean() == pytest.approx(20 * KEPT, abs=5 * np.sqrt(20 * KEPT / 40_000))
    assert part.scale * part.measured.mean() == pytest.approx(part.held.mean(), rel=0.01)
    assert abs(np.corrcoef(part.measured, part.held)[0, 1]) < 5 / np.sqrt(40_000)
    with pytest.raises(ValueError, match="no whole counts"):
        next(thinned(counts + 0.5, np.sqrt(counts), 1, generator))


def test_blocks_keep_every_channel_back_once():
    y, sigma = np.arange(103.0), np.ones(103)
    parts = list(blocks(y, sigma, 4, 5, np.random.default_rng(0)))
    held = np.stack([np.isfinite(part.held_sigma) for part in parts])
    np.testing.assert_array_equal(held.sum(axis=0), 1)
    np.testing.assert_array_equal(held, np.stack([part.sigma > 1 for part in parts]))
    assert np.all(held[:, :100].reshape(4, 20, 5).std(axis=-1) == 0)
    with pytest.raises(ValueError, match="`folds` is 30"):
        next(blocks(y, sigma, 30, 5, np.random.default_rng(0)))
