"""Which frames make up a batch: numbers only, drawn on the host from a seeded generator."""

import numpy as np

from .measurement import Measurement


def split_random(frames: np.ndarray, count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """`count` batches of nearly equal size, drawn without replacement."""
    return np.array_split(rng.permutation(frames), count)


def split_compact(
    frames: np.ndarray, positions: np.ndarray, count: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """`count` batches of neighbouring frames: halves along a random direction, again and again."""
    if count == 1:
        return [frames]
    angle = rng.uniform(0, np.pi)
    order = np.argsort(positions[frames] @ [np.sin(angle), np.cos(angle)], kind="stable")
    left = count // 2
    cut = round(len(frames) * left / count)
    halves = (frames[order[:cut]], left), (frames[order[cut:]], count - left)
    return [part for half, n in halves for part in split_compact(half, positions, n, rng)]


def deal(
    frames: np.ndarray, counts: dict[int, int], measurement: Measurement, order: str, rng
) -> list[np.ndarray]:
    """Batches of one shard, `counts[view]` of every view: each frame once, sizes equal to within one frame."""
    batches = []
    for view, count in counts.items():
        here = frames[measurement.view[frames] == view]
        if order == "compact":
            batches += split_compact(here, measurement.positions_px, count, rng)
        else:
            batches += split_random(here, count, rng)
    return batches


def padded(batches: list[np.ndarray], width: int, filler: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of equal length, and their weights: 0 where `filler` only fills a row up."""
    rows = np.full((len(batches), width), filler)
    for row, frames in zip(rows, batches, strict=True):
        row[: len(frames)] = frames
    return rows, np.stack([np.arange(width) < len(frames) for frames in batches])


def steps_per_view(measurement: Measurement, shards: list[np.ndarray], size: int) -> dict[int, int]:
    """View -> number of batches, the same in every shard although they may differ by a frame."""
    frames = np.concatenate(shards)
    of = [measurement.view[shard] for shard in shards]
    most = {int(v): max(int(np.sum(o == v)) for o in of) for v in np.unique(measurement.view[frames])}
    return {view: -(-count // size) for view, count in most.items()}


def shards_of(measurement: Measurement, frames: np.ndarray, devices: int) -> list[np.ndarray]:
    """The frames (ascending) of each device: its share of every view, ascending."""
    view = measurement.view[frames]
    parts = [np.array_split(frames[view == v], devices) for v in np.unique(view)]
    return [np.sort(np.concatenate(shares)) for shares in zip(*parts, strict=True)]


def by_steps(rows: tuple[np.ndarray, ...], views: int) -> list[np.ndarray]:
    """Rows (row, ...) of one view each as (step, view, ...); the last step is filled up with its first row, at weight 0.

    The last array is the weights. Steps have as equal numbers of rows as they can.
    """
    count = len(rows[0])
    steps = -(-count // min(views, count))
    parts = np.array_split(np.arange(count), steps)
    width = max(len(part) for part in parts)
    number, real = padded(parts, width, 0)
    number = np.where(real, number, number[:, :1])
    arrays = [array[number] for array in rows]
    arrays[-1] = arrays[-1] * real.reshape(*real.shape, *[1] * (rows[-1].ndim - 1)).astype(rows[-1].dtype)
    return arrays
