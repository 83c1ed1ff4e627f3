"""A volume in groups of slices: every slice once, the same after an interruption, nothing done twice."""

import dataclasses
import os
import signal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from small_lattice import CELL, TWO_THETA_DEG, lattice, model

from jxrecon.classical import lattice_volume as module
from jxrecon.classical.lattice_volume import Group, lattice_volume, slice_groups
from jxrecon.errors import InputError

SIZE, SLICES, VIEWS = 7, 5, 10


@pytest.mark.parametrize(
    ("slices", "together", "overlap"), [(1, 8, 1), (5, 2, 1), (40, 8, 1), (7, 3, 0), (4, 8, 2)]
)
def test_groups_hold_every_slice_once_and_are_of_one_size(slices, together, overlap):
    groups = slice_groups(slices, together, overlap)
    wanted = [k for group in groups for k in range(group.first, group.stop)]
    assert sorted(wanted) == list(range(slices))
    assert len({group.end - group.begin for group in groups}) == 1
    for g in groups:
        assert 0 <= g.begin <= g.first < g.stop <= g.end <= slices
        # At an end of the volume there is nothing to overlap with.
        assert g.first - g.begin >= min(overlap, g.first) and g.end - g.stop >= min(overlap, slices - g.stop)
    assert groups[0].first <= slices // 2 < groups[0].stop or slices < 2 * together


def test_the_middle_comes_first():
    assert slice_groups(40, 8, 1)[0] == Group(16, 24, 15, 25)


@pytest.fixture(scope="module")
def volume():
    """A disc in every slice, brighter from slice to slice, and its counts."""
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    inside = (np.hypot(x, y) < 2.6)[None, ..., None]
    plain = lattice(SIZE, SLICES)
    level = 20.0 * (1 + 0.2 * np.arange(SLICES))
    maps = dataclasses.replace(
        plain,
        strain=jnp.full_like(plain.strain, 1e-3),
        log_width=jnp.zeros_like(plain.log_width),
        area=jnp.asarray(np.where(inside, level, -50.0) * np.ones((3, 1, 1, 1)), jnp.float32),
        background=jnp.full_like(plain.background, 0.5),
        mixing=jnp.zeros(3),
    )

    def part(begin: int, end: int):
        return dataclasses.replace(
            model(SIZE, end - begin, VIEWS), monitor=jnp.ones((VIEWS, end - begin, SIZE))
        )

    expected = np.asarray(eqx.filter_jit(part(0, SLICES))(maps), float)
    return np.random.default_rng(0).poisson(expected).astype("u2"), part, inside[0, ..., 0], level


def solved(folder, counts, part):
    return lattice_volume(folder, counts, part, TWO_THETA_DEG, fwhm_deg=0.3, together=2, overlap=1)


@pytest.fixture(scope="module")
def whole(volume, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder, solved(folder, *volume[:2])


def test_slices_lie_where_they_belong(volume, whole):
    *_, inside, level = volume
    found = whole[1]
    assert not found.missing and len(found.figures) == 3
    area = found.maps["area"][:, inside].mean(axis=(0, 1))
    # Neighbours differ by an eighth or more.
    np.testing.assert_allclose(area, level, rtol=0.08)
    c = found.maps["c"][inside].mean(axis=0)
    np.testing.assert_allclose(c, CELL.parameters[1] * 1.001, rtol=2e-4)


def test_what_is_there_is_not_done_again(volume, whole, monkeypatch):
    counts, part, *_ = volume
    folder, before = whole

    def never(*_, **__):
        raise AssertionError("solved again")

    monkeypatch.setattr(module, "direct_steps", never)
    again = solved(folder, counts, part)
    for name, values in before.maps.items():
        np.testing.assert_array_equal(again.maps[name], values)
    assert again.figures == before.figures
    other = counts.copy()
    other[0, 2, 0, 0] += 1
    with pytest.raises(AssertionError, match="again"):
        solved(folder, other, part)


def test_an_interrupted_volume_ends_as_one_that_was_not(volume, whole, tmp_path):
    counts, part, *_ = volume
    calls = []

    def interrupted(begin: int, end: int):
        calls.append((begin, end))
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return part(begin, end)

    stopped = solved(tmp_path, counts, interrupted)
    assert len(calls) == 2 and len(stopped.missing) == 2
    assert np.isnan(stopped.maps["a"]).all(axis=(0, 1)).sum() == SLICES - 2
    # A file that is cut off is no file.
    first = next(tmp_path.glob("*.h5"))
    first.write_bytes(first.read_bytes()[:-100])
    found = solved(tmp_path, counts, part)
    assert not found.missing
    for name, values in whole[1].maps.items():
        np.testing.assert_allclose(found.maps[name], values, rtol=1e-5, atol=1e-6)


def test_a_group_needs_slices(volume, tmp_path):
    with pytest.raises(InputError, match="together"):
        lattice_volume(tmp_path, *volume[:2], TWO_THETA_DEG, together=0)
