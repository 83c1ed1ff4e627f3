"""From a measurement to what the optimiser eats: blocks of frames on the device, and the steps that use them.

This is the only host-to-device step. A data set that fits is uploaded once and stays; a larger one travels in blocks, the next
being read while the present one is used. The order of the frames is drawn anew for every epoch from (seed, epoch) alone, so
that a resumed run sees the batches that the interrupted one would have seen.
"""

import dataclasses
from collections.abc import Iterator
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .data.stream import read_ahead
from .devices import mesh_of, placed
from .errors import InputError
from .geometry import Geometry
from .measurement import Measurement
from .objective import Batch
from .ordering import by_steps, deal, padded, shards_of, steps_per_view


class Block(eqx.Module):
    """Frames that are on the device, laid out as the forward model predicts them."""

    intensity: Float[Array, "frame v u"]
    mask: Bool[Array, "v u"]
    fold: Int[Array, "v u"]
    folds: Int[Array, ""]
    level: Float[Array, ""]


class Steps(eqx.Module):
    """Batches of one block, one row per step: frames by their number in the scan (`index`) and in the block (`local`)."""

    view: Int[Array, "step view"]
    index: Int[Array, "step view frame"]
    local: Int[Array, "step view frame"]
    weight: Float[Array, "step view frame"]
    scale: Float[Array, " step"]


class Chunk(eqx.Module):
    """What one call of the compiled loop consumes: a block and a number of steps for every measurement.

    `number` counts chunks from the start of the run, 0 first; `epoch` is the number of epochs that are complete after it.
    """

    blocks: dict[str, Block]
    steps: dict[str, Steps]
    number: int = eqx.field(static=True)
    epoch: int = eqx.field(static=True)


def batch(block: Block, step: Steps) -> Batch:
    """The batch of one step (a row of `Steps`), cut from a block."""
    return Batch(
        view=step.view,
        index=step.index,
        intensity=block.intensity[step.local],
        weight=step.weight,
        mask=block.mask,
        fold=block.fold,
        folds=block.folds,
        scale=step.scale,
        level=block.level,
    )


def arranged(frames: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Frames or masks (..., v, u) with the beam where the forward model has it: at the corner in the far field."""
    if geometry.regime == "near_field":
        return frames
    return np.fft.ifftshift(frames, axes=(-2, -1))


def fold_of_pixels(shape: tuple[int, int], fraction: float, seed: int) -> tuple[np.ndarray, int]:
    """A random fold, 0 to 1/fraction - 1, for every pixel of a frame (v, u), and the number of folds.

    Frame j keeps the pixels of fold j mod folds from the fit. Another frame needs them, so that what belongs to the detector
    (its background) is still learnt everywhere. Without a fraction every pixel is in fold -1, which no frame holds out.
    """
    if fraction <= 0:
        return np.full(shape, -1, np.int32), 1
    folds = max(2, round(1 / fraction))
    return np.random.default_rng([seed, 0x4E1D]).integers(0, folds, shape, np.int32), folds


@dataclasses.dataclass(frozen=True)
class Batches:
    """Chunks of an optimisation, for any number of epochs.

    batch_size: frames per step and view. views_per_step: views of a step, for a volume that all views see. order: 'random', or
    'compact' for neighbours. devices: every view is cut into so many shards, and each batch takes its share from every one of
    them. resident_gib: what the frames may take on the devices; a larger data set streams in blocks of a third of that.
    held_out: fraction of the pixels that are kept from the fit, other ones in every frame.
    """

    measurements: dict[str, tuple[Geometry, Measurement]]
    batch_size: int = 16
    views_per_step: int = 1
    order: Literal["random", "compact"] = "random"
    seed: int = 0
    devices: int = 1
    resident_gib: float = 4.0
    held_out: float = 0.0
    dtype: type = np.float32
    _kept: dict[str, Block] = dataclasses.field(default_factory=dict, init=False, repr=False)
    _levels: dict[str, float] = dataclasses.field(default_factory=dict, init=False, repr=False)

    def chunks(self, start: int = 0, epochs: int = 1) -> Iterator[Chunk]:
        """Chunks number `start`, `start` + 1, ... up to the end of epoch `epochs`, read ahead in the background."""
        yield from read_ahead(self._chunks(start, epochs), depth=1)

    @property
    def chunks_per_epoch(self) -> int:
        """1 when all is resident, or terms hold their data themselves; else blocks of the largest measurement."""
        return max((self._block_count(name) for name in self.measurements), default=1)

    def block_frames(self, name: str) -> int:
        """Frames per block of one measurement."""
        _, measurement = self.measurements[name]
        n, v, u = measurement.frames.shape
        fits = self.resident_gib * 2**30 / (v * u * np.dtype(self.dtype).itemsize)
        return n if n <= fits else max(self.batch_size, int(fits / 3))

    def level(self, name: str) -> float:
        """Mean count of a good pixel, from at most 64 frames spread over the scan, which are read once."""
        if name not in self._levels:
            self._levels[name] = self._measured_level(name)
        return self._levels[name]

    def _measured_level(self, name: str) -> float:
        _, measurement = self.measurements[name]
        n = measurement.scan_count
        frames = measurement.frames.read(np.unique(np.linspace(0, n - 1, min(n, 64)).astype(int)))
        good = measurement.mask & (frames >= 0)
        level = float(np.mean(frames, where=good)) if good.any() else 0.0
        if level <= 0:
            raise InputError(
                f"{measurement.source}: no photon in any good pixel of {len(frames)} sampled frames; "
                "is the mask inverted, or the wrong dataset read?"
            )
        return level

    def _block_count(self, name: str) -> int:
        return -(-self.measurements[name][1].scan_count // self.block_frames(name))

    def _chunks(self, start: int, epochs: int) -> Iterator[Chunk]:
        per_epoch = self.chunks_per_epoch
        for number in range(start, epochs * per_epoch):
            epoch, part = divmod(number, per_epoch)
            pairs = {name: self._part(name, epoch, part) for name in self.measurements}
            blocks = {name: block for name, (block, _) in pairs.items()}
            steps = _same_length({name: steps for name, (_, steps) in pairs.items()})
            yield Chunk(blocks, steps, number, (number + 1) // per_epoch)

    def _part(self, name: str, epoch: int, part: int) -> tuple[Block, Steps]:
        _, measurement = self.measurements[name]
        rng = np.random.default_rng([self.seed, epoch, part % self._block_count(name)])
        frames = self._block_members(name, epoch, part)
        shards = shards_of(measurement, frames, self.devices)
        block = self._upload(name, shards)
        return block, self._steps(measurement, shards, rng)

    def _block_members(self, name: str, epoch: int, part: int) -> np.ndarray:
        """Frames of one block, ascending: random runs of neighbours on disk, or whole views, another choice in every epoch."""
        _, measurement = self.measurements[name]
        n, blocks = measurement.scan_count, self._block_count(name)
        if blocks == 1:
            return np.arange(n)
        rng = np.random.default_rng([self.seed, epoch, 0xB10C])
        if len(measurement.specimen) >= blocks > 1:
            views = np.array_split(rng.permutation(len(measurement.specimen)), blocks)[part % blocks]
            return np.flatnonzero(np.isin(measurement.view, views))
        runs = np.array_split(np.arange(n), max(blocks, n // 16))
        order = np.concatenate([runs[i] for i in rng.permutation(len(runs))])
        return np.sort(np.array_split(order, blocks)[part % blocks])

    def _upload(self, name: str, shards: list[np.ndarray]) -> Block:
        if name in self._kept:
            return self._kept[name]
        geometry, measurement = self.measurements[name]
        frames = arranged(_read(measurement, np.concatenate(shards)), geometry)
        fold, folds = fold_of_pixels(geometry.frame_shape, self.held_out, self.seed)
        block = Block(
            self._dealt_out(_equal_shards(frames, shards)),
            jnp.asarray(arranged(measurement.mask, geometry)),
            jnp.asarray(arranged(fold, geometry)),
            jnp.asarray(folds, jnp.int32),
            jnp.asarray(self.level(name), self.dtype),
        )
        if self._block_count(name) == 1:
            self._kept[name] = block
        return block

    def _dealt_out(self, frames: np.ndarray) -> Array:
        """Each device's shard on that device, straight from the host."""
        mesh = mesh_of(self.devices)
        return jnp.asarray(frames, self.dtype) if mesh is None else placed(frames.astype(self.dtype), mesh, 0)

    def _steps(self, measurement: Measurement, shards: list[np.ndarray], rng) -> Steps:
        if not all(len(shard) for shard in shards):
            raise InputError(
                f"{measurement.source or 'measurement'}: {sum(map(len, shards))} frames cannot be dealt out over "
                f"{self.devices} `devices`; lower `devices`."
            )
        size = max(1, self.batch_size // self.devices)
        counts = steps_per_view(measurement, shards, size)
        dealt = [deal(shard, counts, measurement, self.order, rng) for shard in shards]
        width = max(len(frames) for batches in dealt for frames in batches)
        shuffle = rng.permutation(sum(counts.values()))
        rows_of = [padded(b, width, int(s[0])) for b, s in zip(dealt, shards, strict=True)]
        local = [np.searchsorted(s, rows) for s, (rows, _) in zip(shards, rows_of, strict=True)]
        index = np.concatenate([rows for rows, _ in rows_of], axis=1)[shuffle]
        weight = np.concatenate([w for _, w in rows_of], axis=1)[shuffle].astype(self.dtype)
        view = np.repeat(list(counts), list(counts.values()))[shuffle]
        local = np.concatenate(local, axis=1)[shuffle]
        view, index, local, weight = by_steps((view, index, local, weight), self.views_per_step)
        return Steps(
            view=jnp.asarray(view, jnp.int32),
            index=jnp.asarray(index, jnp.int32),
            local=jnp.asarray(local, jnp.int32),
            weight=jnp.asarray(weight),
            scale=jnp.asarray(measurement.scan_count / weight.sum(axis=(1, 2)), self.dtype),
        )


def _read(measurement: Measurement, index: np.ndarray) -> np.ndarray:
    """Frames in any order: files are read forwards."""
    order = np.argsort(index, kind="stable")
    frames = measurement.frames.read(index[order])
    return frames if np.array_equal(order, np.arange(len(order))) else frames[np.argsort(order)]


def _equal_shards(frames: np.ndarray, shards: list[np.ndarray]) -> np.ndarray:
    """Frames of all shards, each shard filled up to the same length with its last frame, which no batch asks for."""
    if len({len(shard) for shard in shards}) == 1:
        return frames
    most = max(len(shard) for shard in shards)
    starts = np.cumsum([0, *(len(shard) for shard in shards[:-1])])
    rows = [s + np.minimum(np.arange(most), len(x) - 1) for s, x in zip(starts, shards, strict=True)]
    return frames[np.concatenate(rows)]


def _same_length(steps: dict[str, Steps]) -> dict[str, Steps]:
    """Every measurement has as many steps as the one with the most: shorter ones start again."""
    most = max((s.scale.shape[0] for s in steps.values()), default=1)
    return {
        name: jax.tree.map(lambda x: jnp.resize(x, (most, *x.shape[1:])), s)
        if s.scale.shape[0] != most
        else s
        for name, s in steps.items()
    }
