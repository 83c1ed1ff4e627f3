"""Cutting and pasting windows: values against slicing, and one the transpose of the other."""

import jax.numpy as jnp
import numpy as np
import pytest

from jxrecon.kernels.patches import cut_all, paste_all

WINDOW = (5, 6)


@pytest.mark.parametrize("leading", [(), (3,)], ids=["plane", "layers"])
@pytest.mark.parametrize("seed", range(5))
def test_paste_is_the_transpose_of_cut(float64, leading, seed):
    rng = np.random.default_rng(seed)
    canvas = rng.standard_normal((*leading, 17, 19))
    corners = np.stack([rng.integers(0, 12, 8), rng.integers(0, 13, 8)], 1)
    patches = rng.standard_normal((8, *leading, *WINDOW))
    cut = np.asarray(cut_all(jnp.asarray(canvas), jnp.asarray(corners), WINDOW))
    pasted = np.asarray(paste_all(jnp.zeros_like(canvas), jnp.asarray(patches), jnp.asarray(corners)))
    left, right = np.sum(cut * patches), np.sum(canvas * pasted)
    assert abs(left - right) <= 1e-14 * np.linalg.norm(cut) * np.linalg.norm(patches)


def test_a_window_is_the_slice_at_its_corner():
    canvas = np.arange(17 * 19, dtype=np.float32).reshape(17, 19)
    cut = cut_all(jnp.asarray(canvas), jnp.asarray([[2, 3], [12, 13]]), WINDOW)
    np.testing.assert_array_equal(cut[0], canvas[2:7, 3:9])
    np.testing.assert_array_equal(cut[1], canvas[12:17, 13:19])


def test_windows_that_overlap_add_up():
    corners = jnp.asarray([[0, 0], [0, 0], [2, 2]])
    sum_ = paste_all(jnp.zeros((8, 8)), jnp.ones((3, 4, 4)), corners)
    assert float(sum_[0, 0]) == 2 and float(sum_[3, 3]) == 3 and float(sum_[5, 5]) == 1
