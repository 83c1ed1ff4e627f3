"""Trained segmentation against scikit-learn's answer by another way, against thresholds, and on blurred, noisy twins."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.optimize import minimize

from jxrecon.analysis.particle_mask import dice
from jxrecon.analysis.segmentation import RIDGE, below, best_cut, features, otsu_level, train
from jxrecon.errors import InputError
from jxrecon.twin.particle import preset

BLUR, NOISE = 35 / 2.3548 / 20, 0.1


def scene(state, seed, draw=0):
    """(noisy crop, true pores, scribbles) of 64^3 voxels: a fifth of the voxels of three slices are marked."""
    maps, rng = preset("small", state=state).maps(seed), np.random.default_rng(draw)
    full = gaussian_filter(maps.electron_density.astype(float), BLUR)
    full += NOISE * rng.normal(size=full.shape)
    crop = (slice(32, 96),) * 3
    density, pore = full[crop].astype(np.float32), (maps.occupancy < 0.5)[crop]
    marks, chosen = np.zeros(density.shape, np.uint8), rng.uniform(size=density.shape[1:]) < 0.2
    for z in (16, 32, 48):
        marks[z][chosen] = np.where(pore[z][chosen], 1, 2)
    return density, pore, marks


def scored(state, seed):
    """Dice without the marked voxels, porosity by the probabilities over the true one, Dice of the threshold 0.5."""
    density, pore, marks = scene(state, seed)
    chance, free = train(density, marks).probability(density), marks == 0
    found = (chance > best_cut(chance))[free]
    return dice(found, pore[free]), chance.mean() / pore.mean(), dice((density < 0.5)[free], pore[free])


@pytest.fixture(scope="module")
def toy():
    """Balls of pore in noise, some voxels marked."""
    rng = np.random.default_rng(1)
    pore = gaussian_filter(rng.normal(size=(24, 24, 24)), 2) > 0.06
    density = (1.0 - 0.6 * pore + rng.normal(0, 0.15, pore.shape)).astype(np.float32)
    marks = np.where(rng.uniform(size=pore.shape) < 0.1, np.where(pore, 1, 2), 0)
    return density, pore, marks


def test_newton_finds_the_minimum_that_scipy_finds(toy):
    density, _, marks = toy
    found = train(density, marks)
    values = (features(density)[marks > 0] - found.mean) / found.scale
    design, sign = np.column_stack([values, np.ones(len(values))]), np.where(marks[marks > 0] == 1, 1.0, -1.0)

    def loss(w):
        held = RIDGE / 2 * np.sum(w[:-1] ** 2)
        return np.sum(np.logaddexp(0, -sign * (design @ w))) + held

    best = minimize(loss, np.zeros(design.shape[1]), method="BFGS", options={"gtol": 1e-3})
    assert loss(found.weight[0]) == pytest.approx(best.fun, rel=1e-4)
    assert np.abs(found.weight[0] - best.x).max() < 0.03


def test_marks_beat_the_threshold_and_slabs_change_nothing(toy, monkeypatch):
    density, pore, marks = toy
    found, free = train(density, marks), marks == 0
    chance = found.probability(density)
    cut = best_cut(chance)
    assert dice((chance > cut)[free], pore[free]) > dice((density < 0.7)[free], pore[free]) + 0.03
    assert chance.mean() == pytest.approx(pore.mean(), rel=0.05)
    monkeypatch.setattr("jxrecon.analysis.segmentation.SLAB", 7 * 24 * 24)
    assert np.abs(found.probability(density) - chance).max() < 2e-3


def test_more_classes_than_two(toy):
    density, pore, marks = toy
    density, marks, dense = density.copy(), marks.copy(), np.zeros(pore.shape, bool)
    dense[:, :, :8] = True
    density[dense] += 1.0
    marks[dense & (marks > 0)] = 3
    found = train(density, marks)
    assert found.weight.shape[0] == 2
    chances = [found.probability(density, kind) for kind in (1, 2, 3)]
    assert np.abs(sum(chances) - 1).max() < 1e-5
    assert dice(chances[2] > 0.5, dense) > 0.95


def test_the_best_cut_is_where_the_expected_dice_is_largest():
    chance = np.random.default_rng(0).beta(0.4, 1.2, 20000)
    cuts = np.linspace(0.05, 0.95, 400)
    expected = [2 * chance[chance > c].sum() / (chance.sum() + np.count_nonzero(chance > c)) for c in cuts]
    assert best_cut(chance) == pytest.approx(cuts[np.argmax(expected)], abs=0.02)


def test_thresholds(toy):
    density, pore, _ = toy
    everywhere = np.ones(pore.shape, bool)
    level = otsu_level(density, everywhere)
    assert 0.6 < level < 0.8
    assert np.array_equal(below(density, ~pore, 2.0), ~pore)
    with pytest.raises(InputError, match="holds one density"):
        otsu_level(np.ones((8, 8, 8)), np.ones((8, 8, 8), bool))


def test_marks_that_cannot_teach(toy):
    for marks, message in (
        (np.ones((24, 24, 24), int), r"the classes \[1\]"),
        (np.ones((2, 2, 2), int), "shape"),
    ):
        with pytest.raises(InputError, match=message):
            train(toy[0], marks)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("state", "least", "worst"), [("cycled_small", 0.86, 0.85), ("pristine", 0.61, 0.61)]
)
def test_pores_of_blurred_noisy_twins(state, least, worst):
    """Six particles: 0.865 (0.855 to 0.870) and 0.649 (0.630 to 0.671); the threshold 0.5 has 0.815 and 0.425."""
    found = np.array([scored(state, seed) for seed in range(6)])
    print(state, np.round(found, 3))
    assert found[:, 0].mean() >= least and found[:, 0].min() >= worst
    assert np.all(found[:, 0] > found[:, 2] + 0.03)
    assert found[:, 1].mean() == pytest.approx(1, abs=0.05)
