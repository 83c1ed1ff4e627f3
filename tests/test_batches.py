"""Batches: every frame once, dealt out fairly, repeatably; streamed blocks hold the same frames."""

import dataclasses

import jax
import numpy as np
import problems
import pytest

from jxrecon.batches import Batches, batch, fold_of_pixels
from jxrecon.errors import InputError
from jxrecon.measurement import ArrayFrames


def batches(scan=23, views=1, **options) -> Batches:
    rng = np.random.default_rng(0)
    frames = np.arange(scan, dtype=np.float32)[:, None, None] + np.zeros((scan, 8, 8), np.float32) + 1
    one = problems.measurement(frames, rng.uniform(-9, 9, (scan, 2)))
    many = dataclasses.replace(
        one,
        view=np.arange(scan) % views,
        specimen=np.zeros(views, np.int32),
        optics=np.arange(views, dtype=np.int32),
        angle_deg=np.zeros(views),
    )
    return Batches({"scan": (problems.geometry(8), many)}, **options)


def frames_of(chunk) -> np.ndarray:
    steps = chunk.steps["scan"]
    return np.asarray(steps.index)[np.asarray(steps.weight) > 0]


@pytest.mark.parametrize("order", ["random", "compact"])
@pytest.mark.parametrize("devices", [1, 2, 4])
@pytest.mark.parametrize("views", [1, 2])
def test_an_epoch_shows_every_frame_once(order, devices, views):
    made = batches(views=views, batch_size=8, order=order, devices=devices)
    for chunk in made.chunks(0, 2):
        assert sorted(frames_of(chunk)) == list(range(23))
        assert chunk.steps["scan"].index.shape[2] % devices == 0


@pytest.mark.parametrize("devices", [1, 2, 4])
def test_local_numbers_find_the_right_frame_in_their_shard(devices):
    made = batches(batch_size=8, devices=devices)
    chunk = next(made.chunks(0, 1))
    intensity = np.asarray(chunk.blocks["scan"].intensity)
    rows = len(intensity) // devices
    steps = chunk.steps["scan"]
    index, local = np.asarray(steps.index), np.asarray(steps.local)
    share = index.shape[2] // devices
    for device in range(devices):
        columns = slice(device * share, (device + 1) * share)
        found = intensity[device * rows + local[:, 0, columns], 0, 0]
        np.testing.assert_array_equal(found, index[:, 0, columns] + 1)


def test_batches_are_as_equal_as_they_can_be():
    steps = next(batches(scan=23, batch_size=8).chunks(0, 1)).steps["scan"]
    sizes = np.asarray(steps.weight).sum(axis=(1, 2))
    assert sorted(sizes) == [7, 8, 8]
    np.testing.assert_allclose(np.asarray(steps.scale) * sizes, 23, rtol=1e-6)


def test_a_batch_comes_from_one_view():
    made = batches(views=3, batch_size=4)
    steps = next(made.chunks(0, 1)).steps["scan"]
    wrong = np.asarray(steps.index) % 3 != np.asarray(steps.view)[..., None]
    assert not np.any(wrong & (np.asarray(steps.weight) > 0))


def test_compact_batches_are_compact():
    spread = {}
    for order in ("random", "compact"):
        made = batches(scan=200, batch_size=10, order=order)
        positions = made.measurements["scan"][1].positions_px
        steps = next(made.chunks(0, 1)).steps["scan"]
        groups = [g[w > 0] for g, w in zip(np.asarray(steps.index)[:, 0], np.asarray(steps.weight)[:, 0])]
        spread[order] = np.mean([positions[g].std(axis=0).mean() for g in groups])
    assert spread["compact"] < 0.5 * spread["random"]


def test_the_order_depends_on_seed_and_epoch_alone():
    first = [frames_of(c).tolist() for c in batches(batch_size=5, seed=3).chunks(0, 3)]
    again = [frames_of(c).tolist() for c in batches(batch_size=5, seed=3).chunks(1, 3)]
    other = [frames_of(c).tolist() for c in batches(batch_size=5, seed=4).chunks(0, 3)]
    assert first[1:] == again
    assert first[0] != first[1] and first[0] != other[0]


def test_blocks_of_a_stream_hold_every_frame_once_per_epoch():
    limit = 10 * 8 * 8 * 4 / 2**30
    made = batches(scan=64, batch_size=2, resident_gib=3 * limit)
    assert made.block_frames("scan") == 10 and made.chunks_per_epoch == 7
    chunks = list(made.chunks(0, 2))
    assert [c.epoch for c in chunks] == [0] * 6 + [1] * 7 + [2]
    for epoch in (chunks[:7], chunks[7:]):
        assert sorted(np.concatenate([frames_of(c) for c in epoch])) == list(range(64))
    for chunk in chunks:
        block, steps = chunk.blocks["scan"], chunk.steps["scan"]
        one = batch(block, jax.tree.map(lambda x: x[0], steps))
        np.testing.assert_array_equal(np.asarray(one.intensity)[..., 0, 0], np.asarray(one.index) + 1)


def test_folds_hold_every_pixel_out_in_its_turn():
    fold, folds = fold_of_pixels((64, 64), 0.05, seed=0)
    assert folds == 20
    np.testing.assert_allclose(np.bincount(fold.ravel()) / 4096, 0.05, atol=0.02)
    none, _ = fold_of_pixels((64, 64), 0.0, seed=0)
    assert np.all(none == -1)


def test_a_dark_data_set_is_refused():
    made = batches()
    geometry, one = made.measurements["scan"]
    dark = dataclasses.replace(one, frames=ArrayFrames(np.zeros((23, 8, 8), np.float32)), source="dark.h5")
    with pytest.raises(InputError, match="dark.h5: no photon in any good pixel"):
        next(Batches({"scan": (geometry, dark)}).chunks(0, 1))


def test_more_devices_than_frames_are_refused():
    with pytest.raises(InputError, match="3 frames cannot be dealt out over 4 `devices`"):
        next(batches(scan=3, devices=4).chunks(0, 1))
