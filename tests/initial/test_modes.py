"""Modes that have to be invented, and variations."""

import numpy as np
import problems
import pytest

from jxrecon.errors import InputError
from jxrecon.initial.modes import orthogonalised, powers, random_variations, with_modes

N = 24


def overlaps(fields) -> np.ndarray:
    flat = fields.reshape(len(fields), -1)
    return flat.conj() @ flat.T


@pytest.mark.parametrize("known", [1, 2])
def test_new_modes_are_orthogonal_and_have_their_share(known):
    modes = with_modes(problems.probe(N, known, 7.0), 5, 0.05)
    gram = overlaps(modes)
    expected = np.full(5, 0.05)
    share = 1 - 0.05 * (5 - known)
    expected[:known] = [share] if known == 1 else [share * 2 / 3, share / 3]
    np.testing.assert_allclose(gram, np.diag(expected), atol=1e-12)


def test_first_mode_is_the_known_one():
    probe = problems.probe(N, 1)
    modes = with_modes(probe, 3, 0.1)
    np.testing.assert_allclose(modes[0] / np.sqrt(0.8), probe[0] / np.sqrt(powers(probe)[0]), atol=1e-12)


def test_new_modes_of_a_gaussian_are_hermite_gauss():
    y, x = np.mgrid[:N, :N] - N // 2
    gauss = np.exp(-(y**2 + x**2) / 20.0).astype(complex)
    modes = with_modes(gauss[None], 4, 0.1)
    for mode, polynomial in zip(modes[1:], (y, x, y * x), strict=True):
        wanted = gauss * polynomial
        share = abs(np.vdot(mode, wanted)) ** 2 / powers(mode) / powers(wanted)
        assert share == pytest.approx(1, abs=1e-6)


def test_fewer_modes_are_the_first_ones():
    modes = problems.probe(N, 3)
    np.testing.assert_allclose(with_modes(modes, 2, 0.05), modes[:2] / np.sqrt(powers(modes[:2]).sum()))


def test_orthogonalised_keeps_powers_and_the_first():
    rng = np.random.default_rng(0)
    fields = rng.normal(size=(3, N, N)) + 1j * rng.normal(size=(3, N, N))
    found = orthogonalised(fields)
    np.testing.assert_allclose(overlaps(found), np.diag(powers(fields)), atol=1e-9)
    np.testing.assert_allclose(found[0], fields[0])


def test_too_large_a_share_is_refused():
    with pytest.raises(InputError, match="mode_share"):
        with_modes(problems.probe(N, 1), 4, 0.4)


def test_variations_are_orthogonal_to_their_mode_and_to_one_another():
    modes = problems.probe(N, 2)
    variations = random_variations(modes, 3, np.random.default_rng(1))
    assert variations.shape == (3, 2, N, N)
    for m in range(2):
        fields = np.concatenate([modes[m : m + 1], variations[:, m]])
        np.testing.assert_allclose(overlaps(fields), powers(modes)[m] * np.eye(4), atol=1e-8)
